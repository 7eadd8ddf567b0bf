"""Receiving bulk supply: the site or depot counts each lot of a shipment, by what it was found as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from allocation.commands.service import CommandRequest
from allocation.commands.transaction import Transaction
from allocation.ledger.lot_units import units_among
from allocation.plain_values import Whole
from allocation.rules.bulk_receipts import FOUND, LotFound, judge_lots
from allocation.study.model import LARGEST, Code

Count = Annotated[Whole, Field(ge=0, le=LARGEST)]


class ReceivedLot(CommandRequest):
    """The units of one lot of a shipment, all of them: how many were found as what (as the dispositions of numbered kits)."""

    lot: Code
    available: Count = 0
    quarantined: Count = 0
    damaged: Count = 0
    lost: Count = 0
    not_arrived: Count = 0

    @model_validator(mode="after")
    def _counted(self) -> ReceivedLot:
        if not any(self.counts.values()):
            raise ValueError("counts nothing; say how many units were found as what")
        return self

    @property
    def counts(self) -> dict[str, int]:
        """By what was found."""
        return {name: getattr(self, name) for name in FOUND}


def dispositions_by_lot(
    transaction: Transaction,
    coming: Sequence[str],
    held: Sequence[str],
    lots: Sequence[ReceivedLot],
    shipment_id: str,
) -> dict[str, str]:
    """The disposition of each unit of the lots that were counted. Raises DomainRefusal (rules/bulk_receipts.py)."""
    if not lots:
        return {}
    free, kept = (
        units_among(transaction.connection, transaction.study_id, numbers) for numbers in (coming, held)
    )
    return judge_lots(free, kept, [LotFound(one.lot, one.counts) for one in lots], shipment_id)

"""Numbering kits for the packager: scrambled numbers with gaps and an independent pick sequence, from the study's own seed.

The list that comes of it is what `load_kits` takes when the packaged kits arrive. The seed is drawn with the first list and stays, so that
no later list repeats a number; numbers and sequences that a packager's own list has used meanwhile are passed over.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from pydantic import Field
from sqlalchemy import Row, select

from allocation.commands.kit_acts import RECALLED
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, InvalidParameter, NotFound
from allocation.ledger.schema import kit, kit_numbering, lot, study
from allocation.plain_values import Whole
from allocation.rules.kit_numbers import VERSION, KitIdentity, number_kits
from allocation.study.model import Code

DIGITS: Final = 6
"""The length of a kit number where the first list does not ask for another."""

MOST_KITS: Final = 50_000
"""Kits of one list."""


class KitsOfLot(CommandRequest):
    """How many kits of a lot are to be packaged. The lot says their type."""

    lot_id: Code
    count: Whole = Field(ge=1, le=MOST_KITS)


class NumberKitsRequest(CommandRequest):
    """Kits to number. `digits`: the length of a number, which the study's first list decides."""

    lots: tuple[KitsOfLot, ...] = Field(min_length=1, max_length=1000)
    digits: Whole | None = Field(default=None, ge=3, le=18)


def number_kits_of_lots(
    service: Service, act: Act, study_id: str, request: NumberKitsRequest
) -> dict[str, Any]:
    """Give kits that are to be packaged their numbers and pick sequences; answers the packager's list. It UNBLINDS.

    Raises NotFound for a lot that is not loaded, DomainRefusal for a recalled lot, other digits than the study's, too many kits, or
    digits that leave too few gaps.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        connection = transaction.connection
        # Lists are numbered one after the other: the running index goes on from list to list.
        connection.execute(select(study.c.study_id).where(study.c.study_id == study_id).with_for_update())
        lots = [_lot(transaction, one.lot_id) for one in request.lots]
        total = sum(one.count for one in request.lots)
        if total > MOST_KITS:
            raise DomainRefusal(
                f"{total} kits are too many for one list",
                code="too-many-kits",
                field="lots",
                fix=f"number at most {MOST_KITS} at a time",
            )
        standing = connection.execute(
            select(kit_numbering).where(kit_numbering.c.study_id == study_id)
        ).first()
        digits = _digits(request, standing)
        seed = secrets.randbits(62) if standing is None else int(standing.seed)
        first = 0 if standing is None else int(standing.numbered)
        identities, numbered = _unused(transaction, seed, first, total, digits)
        kinds = [
            (row.kit_type, row.lot_id)
            for row, one in zip(lots, request.lots, strict=True)
            for _ in range(one.count)
        ]
        rows = [
            [identity.number, kit_type, lot_id, identity.pick_sequence]
            for identity, (kit_type, lot_id) in zip(identities, kinds, strict=True)
        ]
        after = {
            "rule": VERSION,
            "seed": seed,
            "digits": digits,
            "first_index": first,
            "numbered": numbered,
            "kits": rows,
        }
        names = ("kit_number", "kit_type", "lot_id", "pick_sequence")
        answer = {"digits": digits, "kits": [dict(zip(names, row, strict=True)) for row in rows]}
        return transaction.append(after, before={"numbered": first}, answer=answer)

    return execute(service, act, study_id, "number_kits", request, body)


def _lot(transaction: Transaction, lot_id: str) -> Row[Any]:
    query = select(lot).where(lot.c.study_id == transaction.study_id, lot.c.lot_id == lot_id)
    found = transaction.connection.execute(query).first()
    if found is None:
        raise NotFound(f"lot {lot_id!r} is not loaded", field="lots", fix="load lots first")
    if found.status == RECALLED:
        raise DomainRefusal(
            "the lot was recalled", code="lot-recalled", field="lots", fix="no kit is packaged from it"
        )
    kit_type = transaction.protocol.kit_type(found.kit_type)
    if kit_type is not None and not kit_type.serialized:
        raise DomainRefusal(
            f"lot {lot_id} is of bulk supply, whose kits bear no numbers",
            code="no-numbers",
            field="lots",
            fix="load it by lot and quantity when it arrives (`rtsm load bulk`)",
        )
    return found


def _digits(request: NumberKitsRequest, standing: Row[Any] | None) -> int:
    """The study's number of digits. Raises DomainRefusal when the request wants others."""
    if standing is None:
        return request.digits or DIGITS
    if request.digits not in (None, standing.digits):
        raise DomainRefusal(
            f"kit numbers of this study have {standing.digits} digits",
            code="digits-fixed",
            field="digits",
            fix="leave it out: all numbers of a study are of one length",
        )
    return int(standing.digits)


def _unused(
    transaction: Transaction, seed: int, first: int, wanted: int, digits: int
) -> tuple[list[KitIdentity], int]:
    """The next identities that no kit has, and the running index behind the last of them."""
    ours = kit.c.study_id == transaction.study_id
    numbers = set(transaction.connection.execute(select(kit.c.kit_number).where(ours)).scalars())
    sequences = set(transaction.connection.execute(select(kit.c.pick_sequence).where(ours)).scalars())
    found: list[KitIdentity] = []
    index = first
    while len(found) < wanted:
        try:
            batch = number_kits(seed, wanted - len(found), index, digits)
        except InvalidParameter as error:
            raise DomainRefusal(
                error.message, code="too-few-digits", field="digits", fix=error.fix or "use more digits"
            ) from error
        index += len(batch)
        found += [one for one in batch if one.number not in numbers and one.pick_sequence not in sequences]
    return found, index

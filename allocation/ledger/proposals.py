"""Reading proposals of supply parameters: one as it stands, and the one that a protocol version rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from allocation.errors import NotFound
from allocation.ledger.schema import supply_proposal
from allocation.rules.supply_proposal import ProposalState


def proposal_row(
    connection: Connection, study_id: str, proposal_id: str, field: str = "proposal_id"
) -> Row[Any]:
    """A proposal as it stands. Raises NotFound, which names `field`."""
    table = supply_proposal.c
    query = select(supply_proposal).where(table.study_id == study_id, table.proposal_id == proposal_id)
    found = connection.execute(query).first()
    if found is None:
        raise NotFound(
            f"there is no proposal {proposal_id!r}",
            field=field,
            fix="`rtsm resupply proposal list` names them",
        )
    return found


@dataclass(frozen=True, slots=True)
class SignedProposal:
    """A proposal that became the protocol version `version`. `signed_at` is UTC; `report_sha256` names the tune report it rests on."""

    proposal_id: str
    report_sha256: str
    version: int
    signed_by: str
    signed_at: datetime


def latest_signed(connection: Connection, study_id: str, version: int) -> SignedProposal | None:
    """The latest proposal that became a protocol version up to this one; None where none of them came of a proposal."""
    table = supply_proposal.c
    query = (
        select(supply_proposal)
        .where(
            table.study_id == study_id,
            table.state == ProposalState.SIGNED.value,
            table.ended_by_version <= version,
        )
        .order_by(table.ended_by_version.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return SignedProposal(
        row.proposal_id, row.report_sha256, row.ended_by_version, row.ended_by, row.ended_at
    )

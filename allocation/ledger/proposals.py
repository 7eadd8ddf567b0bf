"""Reading proposals of supply parameters: one as it stands, and the one that a protocol version came of."""

from __future__ import annotations

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


def latest_signed(connection: Connection, study_id: str, version: int) -> Row[Any] | None:
    """The latest proposal that became a protocol version up to this one; None where no version came of a proposal."""
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
    return connection.execute(query).first()

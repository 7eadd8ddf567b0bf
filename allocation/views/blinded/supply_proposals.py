"""Proposals of supply parameters in blinded words: that one was filed, by whom and when, and what became of it. Never what it proposes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.schema import supply_proposal
from allocation.views.shape import View
from allocation.views.study_at import study_at


class BlindedProposal(View):
    """A proposal: filed, signed, rejected, withdrawn, superseded or stale. Moments are UTC.

    `protocol_version`: that it was made for; `ended_by_version`: that it became, or that made it stale.
    """

    proposal_id: str
    protocol_version: int
    filed_by: str
    filed_at: datetime
    state: str
    ended_by: str | None
    ended_at: datetime | None
    superseded_by: str | None
    ended_by_version: int | None


class BlindedProposals(View):
    """The proposals of a study, the latest first."""

    study_id: str
    proposals: tuple[BlindedProposal, ...]


def list_blinded_proposals(database: Database, actor: Actor, study_id: str) -> BlindedProposals:
    """Which proposals there are and what became of them. Raises NotPermitted, NotFound."""
    authorize(actor, "view.proposals.blinded", study_id)
    table = supply_proposal.c
    with database.read() as connection:
        study_at(connection, study_id)
        rows = connection.execute(
            select(*(table[name] for name in BlindedProposal.model_fields))
            .where(table.study_id == study_id)
            .order_by(table.filed_at.desc(), func.length(table.proposal_id).desc(), table.proposal_id.desc())
        )
        proposals = tuple(BlindedProposal(**row._mapping) for row in rows)
    return BlindedProposals(study_id=study_id, proposals=proposals)

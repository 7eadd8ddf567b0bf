"""Proposals of supply parameters with their reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "supply_proposal",
        *_texts("study_id", "proposal_id", "report_sha256"),
        sa.Column(
            "report_json", sa.Text(), nullable=False, comment="the tune report, whole, as canonical JSON"
        ),
        sa.Column(
            "scenario_json", sa.Text(), nullable=False, comment="the scenario that it was simulated under"
        ),
        sa.Column("protocol_version", sa.Integer(), nullable=False, comment="that it was made for"),
        *_texts("protocol_sha256"),
        sa.Column(
            "feasible", sa.Boolean(), nullable=False, comment="whether the choice meets the limit of the risk"
        ),
        *_texts("filed_by"),
        sa.Column("filed_at", UtcMoment(), nullable=False),
        *_texts("filing_reason", "state"),
        sa.Column(
            "ended_by",
            sa.Text(),
            comment="who signed, rejected, withdrew or superseded it; null: open or stale",
        ),
        sa.Column("ended_at", UtcMoment()),
        sa.Column("end_reason", sa.Text()),
        sa.Column("superseded_by", sa.Text(), comment="the proposal that was filed in its place"),
        sa.Column(
            "ended_by_version",
            sa.Integer(),
            comment="the protocol version that it became, or that made it stale",
        ),
        sa.CheckConstraint(
            "state IN ('filed', 'signed', 'rejected', 'withdrawn', 'superseded', 'stale')",
            name=op.f("ck_supply_proposal_known_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('signed', 'rejected') OR ended_by <> filed_by",
            name=op.f("ck_supply_proposal_four_eyes"),
        ),
        sa.PrimaryKeyConstraint("study_id", "proposal_id", name=op.f("pk_supply_proposal")),
        comment="proposals of supply parameters with their reports",
    )
    op.create_index("ix_supply_proposal_state", "supply_proposal", ["study_id", "state"])


def _texts(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.Text(), nullable=False) for name in names)

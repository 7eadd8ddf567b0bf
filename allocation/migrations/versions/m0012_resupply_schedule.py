"""Resupply by schedule and by event: which moment a run was made for, which sites wait to be decided, and pauses by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.table_basis import ENTRY_ID, UtcMoment

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add columns and tables; the runs of before were made for no scheduled moment."""
    op.add_column("resupply_run", sa.Column("began_at", UtcMoment()))
    op.add_column(
        "resupply_run",
        sa.Column(
            "scheduled_for",
            UtcMoment(),
            comment="the scheduled moment that it was made for; null: not by schedule",
        ),
    )
    op.create_index(
        "uq_resupply_run_scheduled_for", "resupply_run", ["study_id", "scheduled_for"], unique=True
    )
    op.create_table(
        "resupply_waiting",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("entry_id", ENTRY_ID, autoincrement=False, nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "site_id", "entry_id", name=op.f("pk_resupply_waiting")),
        comment="sites to be decided since an entry reduced their stock; no projection: a run takes its rows away",
    )
    op.create_table(
        "resupply_pause",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False, comment="empty: every site"),
        sa.Column("kit_type", sa.Text(), nullable=False, comment="empty: every kit type"),
        sa.Column("paused_at", UtcMoment(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "site_id", "kit_type", name=op.f("pk_resupply_pause")),
        comment="pauses of automatic orders by hand; those of the protocol are its parameters",
    )

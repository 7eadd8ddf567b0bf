"""Code breaks: requests, who was told, and every reading."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Create the three tables. None has a column for an arm."""
    op.create_table(
        "code_break_request",
        *_texts("study_id", "request_id", "subject_id", "site_id", "category", "requested_by"),
        sa.Column("requested_at", UtcMoment(), nullable=False),
        *_texts("state"),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", UtcMoment()),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'refused', 'used')",
            name=op.f("ck_code_break_request_known_state"),
        ),
        sa.CheckConstraint(
            "decided_by IS NULL OR decided_by <> requested_by", name=op.f("ck_code_break_request_four_eyes")
        ),
        sa.PrimaryKeyConstraint("study_id", "request_id", name=op.f("pk_code_break_request")),
        comment="planned code breaks that the protocol wants approved",
    )
    op.create_index("ix_code_break_request_subject", "code_break_request", ["study_id", "subject_id"])
    op.create_table(
        "code_break",
        *_texts("study_id", "subject_id"),
        sa.Column("person", sa.Text(), nullable=False, comment="who was told the treatment"),
        *_texts("site_id", "role", "kind", "category"),
        sa.Column("broken_at", UtcMoment(), nullable=False),
        sa.Column("broken_on", sa.Date(), nullable=False),
        sa.Column("request_id", sa.Text(), comment="the request that it was made on, or that it overtook"),
        sa.CheckConstraint("kind IN ('emergency', 'planned')", name=op.f("ck_code_break_known_kind")),
        sa.PrimaryKeyConstraint("study_id", "subject_id", "person", name=op.f("pk_code_break")),
        comment="who is unblinded for which subject; the treatment itself stands in the randomizations alone",
    )
    op.create_table(
        "code_break_read",
        *_texts("study_id", "subject_id", "person"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False, comment="1: the break itself"),
        *_texts("site_id", "role", "act"),
        sa.Column("read_at", UtcMoment(), nullable=False),
        sa.CheckConstraint("act IN ('break', 'read', 'retry')", name=op.f("ck_code_break_read_known_act")),
        sa.PrimaryKeyConstraint(
            "study_id", "subject_id", "person", "number", name=op.f("pk_code_break_read")
        ),
        comment="every time that a person was shown the treatment of a subject whose code they broke",
    )


def _texts(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.Text(), nullable=False) for name in names)

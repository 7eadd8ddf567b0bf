"""The projections of code breaks: who asked for one, who was told which subject's treatment, and every reading of it. No arm."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, Index, Integer, Table, Text

from allocation.ledger.table_basis import UtcMoment, metadata

code_break_request = Table(
    "code_break_request",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("subject_id", Text, nullable=False),
    Column("site_id", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", UtcMoment, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", UtcMoment),
    CheckConstraint("state IN ('requested', 'approved', 'refused', 'used')", name="known_state"),
    CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", name="four_eyes"),
    Index("ix_code_break_request_subject", "study_id", "subject_id"),
    comment="planned code breaks that the protocol wants approved",
)

code_break = Table(
    "code_break",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("person", Text, primary_key=True, comment="who was told the treatment"),
    Column("site_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("broken_at", UtcMoment, nullable=False),
    Column("broken_on", Date, nullable=False),
    Column("request_id", Text, comment="the request that it was made on, or that it overtook"),
    CheckConstraint("kind IN ('emergency', 'planned')", name="known_kind"),
    comment="who is unblinded for which subject; the treatment itself stands in the randomizations alone",
)

code_break_read = Table(
    "code_break_read",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="1: the break itself"),
    Column("site_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("read_at", UtcMoment, nullable=False),
    CheckConstraint("act IN ('break', 'read', 'retry')", name="known_act"),
    comment="every time that a person was shown the treatment of a subject whose code they broke",
)

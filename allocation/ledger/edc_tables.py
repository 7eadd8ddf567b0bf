"""The projections of what the EDC has said of subjects, and where it contradicts what stands here."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text

from allocation.ledger.table_basis import UtcMoment, metadata

edc_fact = Table(
    "edc_fact",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_key", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("event_repeat", Text, primary_key=True),
    Column("form", Text, primary_key=True),
    Column("form_repeat", Text, primary_key=True),
    Column("item_group", Text, primary_key=True),
    Column("group_repeat", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("value", Text, comment="of an item; of a form how far it is"),
    Column("source_at", UtcMoment, nullable=False, comment="the moment of the fact by the EDC"),
    Column("message_at", UtcMoment, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("ordinal", Integer, nullable=False),
    CheckConstraint("kind IN ('item', 'form', 'removal')", name="known_kind"),
    Index("ix_edc_fact_value", "study_id", "item", "value"),
)

edc_contradiction = Table(
    "edc_contradiction",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("about", Text, primary_key=True, comment="such as factor SEVERITY, visit V3, eligibility"),
    Column("site_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("here", Text, nullable=False),
    Column("in_edc", Text, nullable=False),
    Column("found_at", UtcMoment, nullable=False),
)

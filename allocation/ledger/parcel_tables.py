"""Parcels that sites send to patients. Where to is in the vault (vault_tables.py), and nowhere here."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, Index, Table, Text

from allocation.ledger.table_basis import metadata

home_parcel = Table(
    "home_parcel",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("parcel_id", Text, primary_key=True),
    Column("site_id", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("visit_number", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("tracking_number", Text, nullable=False),
    Column("sent_on", Date, nullable=False),
    Column("expected_on", Date, nullable=False),
    Column("ended_on", Date, comment="when the site recorded what became of its kits"),
    CheckConstraint("status IN ('sent', 'ended')", name="known_status"),
    CheckConstraint("(status = 'ended') = (ended_on IS NOT NULL)", name="ended_with_a_date"),
    Index("ix_home_parcel_subject", "study_id", "subject_id", "status"),
)

home_parcel_kit = Table(
    "home_parcel_kit",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("parcel_id", Text, primary_key=True),
    Column("kit_number", Text, primary_key=True),
)

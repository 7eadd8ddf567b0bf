"""The projection of reusable devices: each use that ended with an inspection, with the subject who had the device. Dates are the site's."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, Index, Integer, Table, Text

from allocation.ledger.table_basis import metadata

device_use = Table(
    "device_use",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("kit_number", Text, primary_key=True),
    Column("use", Integer, primary_key=True, autoincrement=False, comment="1: the first"),
    Column("outcome", Text, nullable=False, comment="of the inspection after it"),
    Column("subject_id", Text, nullable=False),
    Column("site_id", Text, nullable=False),
    Column("visit_number", Text, nullable=False),
    Column("dispensed_on", Date, nullable=False),
    Column("return_asked_on", Date),
    Column("inspected_on", Date, nullable=False),
    Column("inspected_by", Text, nullable=False),
    CheckConstraint("outcome IN ('fit', 'unfit')", name="known_outcome"),
    Index("ix_device_use_subject", "study_id", "subject_id"),
    comment="uses of devices that were inspected; after a fit one the kit itself forgets the subject",
)

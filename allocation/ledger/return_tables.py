"""The projections of what comes back: units counted, returns with their kits, certificates of destruction. Dates are the place's."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Date, Index, Integer, Table, Text

from allocation.ledger.table_basis import metadata

kit_count = Table(
    "kit_count",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("kit_number", Text, primary_key=True),
    Column(
        "use", Integer, primary_key=True, server_default="1", comment="which use of a device; 1: the first"
    ),
    Column("revision", Integer, primary_key=True, comment="0, and one more for each correction"),
    Column("subject_id", Text, nullable=False),
    Column("site_id", Text, nullable=False),
    Column("returned_on", Date, nullable=False),
    Column("came_back", Boolean, nullable=False),
    Column("dispensed_units", Text, nullable=False, comment="exact decimal, may unblind"),
    Column("returned_units", Text, nullable=False),
    Column("lost_units", Text, nullable=False),
    Column("used_units", Text, comment="as stated by the subject; null: what is neither back nor lost"),
    Column("reason", Text, nullable=False),
    Index("ix_kit_count_subject", "study_id", "subject_id"),
    comment="units of dispensed kits as they were counted; a correction is a row of its own",
)

site_return = Table(
    "site_return",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("return_id", Text, primary_key=True),
    Column("site_id", Text, nullable=False),
    Column("depot_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("declared_on", Date, nullable=False),
    Column("declared_by", Text, nullable=False),
    Column("reconciled_on", Date),
    Column("reconciled_by", Text),
    Column("approved_on", Date),
    Column("approved_by", Text),
    Column("ended_on", Date),
    CheckConstraint("reconciled_by <> declared_by", name="others_reconcile"),
    CheckConstraint("approved_by <> declared_by AND approved_by <> reconciled_by", name="others_approve"),
    Index("ix_site_return_site", "study_id", "site_id", "state"),
)

return_kit = Table(
    "return_kit",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("return_id", Text, primary_key=True),
    Column("kit_number", Text, primary_key=True),
    Column("why", Text, nullable=False),
    Column("declared_units", Text, comment="counted when the subject brought it back; null: unopened"),
    Column("found", Boolean, comment="whether the monitor found it"),
    Column("counted_units", Text, comment="the monitor's count, where it differs"),
    Column("discrepancy", Text, comment="what the monitor or the depot says of a difference"),
    Column("received_as", Text),
    Column("settled_as", Text),
    Column("settled_on", Date),
    Column("certificate", Text),
    CheckConstraint("received_as IN ('good', 'damaged', 'missing')", name="known_receipt"),
    CheckConstraint("settled_as IN ('reused', 'destroyed', 'missing')", name="known_end"),
    Index("ix_return_kit_kit", "study_id", "kit_number"),
)

destruction_certificate = Table(
    "destruction_certificate",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("certificate", Text, primary_key=True),
    Column("destroyed_on", Date, nullable=False),
    Column("place", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", Text, nullable=False),
)

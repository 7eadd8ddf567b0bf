"""The projection of proposals of supply parameters: each with its report as it was filed, and what became of it."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table, Text

from allocation.ledger.table_basis import UtcMoment, metadata

supply_proposal = Table(
    "supply_proposal",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("proposal_id", Text, primary_key=True),
    Column("report_sha256", Text, nullable=False),
    Column("report_json", Text, nullable=False, comment="the tune report, whole, as canonical JSON"),
    Column("scenario_json", Text, nullable=False, comment="the scenario that it was simulated under"),
    Column("protocol_version", Integer, nullable=False, comment="that it was made for"),
    Column("protocol_sha256", Text, nullable=False),
    Column("feasible", Boolean, nullable=False, comment="whether the choice meets the limit of the risk"),
    Column("filed_by", Text, nullable=False),
    Column("filed_at", UtcMoment, nullable=False),
    Column("filing_reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("ended_by", Text, comment="who signed, rejected, withdrew or superseded it; null: open or stale"),
    Column("ended_at", UtcMoment),
    Column("end_reason", Text),
    Column("superseded_by", Text, comment="the proposal that was filed in its place"),
    Column("ended_by_version", Integer, comment="the protocol version that it became, or that made it stale"),
    CheckConstraint(
        "state IN ('filed', 'signed', 'rejected', 'withdrawn', 'superseded', 'stale')", name="known_state"
    ),
    CheckConstraint("state NOT IN ('signed', 'rejected') OR ended_by <> filed_by", name="four_eyes"),
    Index("ix_supply_proposal_state", "study_id", "state"),
    comment="proposals of supply parameters with their reports",
)

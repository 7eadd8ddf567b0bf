"""The projections of randomization: lists with their entries and blocks, active methods, and who was randomized to what."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Index, Integer, Table, Text, UniqueConstraint

from allocation.ledger.table_basis import metadata

randomization_list = Table(
    "randomization_list",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("list_id", Text, primary_key=True),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("file_sha256", Text, comment="of the uploaded file as it was sent"),
    Column("entries", Integer, nullable=False),
    Column("made_for_json", Text, nullable=False, comment="the event's holders, and each run's ratio"),
    Column("faults_json", Text, comment="of a draft: what is wrong with it, by line"),
    Column("activated_on", Date),
)

list_entry = Table(
    "list_entry",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("list_id", Text, primary_key=True),
    Column("holder", Text, primary_key=True),
    Column("stratum", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("block", Integer),
    Column("randomization_number", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("subject_id", Text),
    Column("used_on", Date),
    Column(
        "skipped_for", Text, comment="the subject for whom this entry was passed over (forced randomization)"
    ),
    UniqueConstraint("study_id", "randomization_number"),
)

list_block = Table(
    "list_block",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("list_id", Text, primary_key=True),
    Column("block", Integer, primary_key=True, autoincrement=False),
    Column("holder", Text, nullable=False),
    Column("stratum", Text, nullable=False),
    Column("assigned_on", Date, nullable=False),
    comment="dynamic assignment: to which stratum and holder a central block was handed out",
)

randomization_method = Table(
    "randomization_method",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("activation", Integer, primary_key=True, autoincrement=False),
    Column("method", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("seed", Text, nullable=False, comment="as secret as a list"),
    Column("generator", Text, nullable=False),
    Column("activated_on", Date, nullable=False),
    comment="events that draw at the moment of randomization: the seed that is in use",
)

subject_randomization = Table(
    "subject_randomization",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("occurrence", Integer, primary_key=True, autoincrement=False),
    Column("randomized_on", Date, nullable=False),
    Column("site_id", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("cohort", Text),
    Column("stratum", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("from_arm", Text),
    Column("arm", Text, nullable=False),
    Column("scheduled_arm", Text, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("dose_level", Text),
    Column("method", Text, nullable=False),
    Column(
        "scheme",
        Text,
        comment="hash of method, arms, ratio and parameters: what a live draw counts is of one scheme",
    ),
    Column(
        "run",
        Text,
        nullable=False,
        comment="the key of the run drawn from: cohort and present arm, then stratum",
    ),
    Column("draw_index", Integer, comment="counts the live draws of the event from 0"),
    Column("unit", Integer, comment="minimization: the unit arm drawn"),
    Column("list_id", Text),
    Column("randomization_number", Text),
    UniqueConstraint("study_id", "randomization_number"),
    UniqueConstraint("study_id", "event", "draw_index"),
    Index("ix_subject_randomization_counts", "study_id", "event", "scheme", "run"),
)

subject_event_eligibility = Table(
    "subject_event_eligibility",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("eligible", Boolean, nullable=False),
    Column("assessed_on", Date, nullable=False),
    comment="eligibility for a later randomization event",
)

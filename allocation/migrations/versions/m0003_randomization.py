"""Every randomization of a subject, methods that draw live, blocks handed out on need, cohorts, and the truth beside a stratum."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables, and let a subject use several entries of a list (re-treatment)."""
    op.create_table(
        "list_block",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("list_id", sa.Text(), nullable=False),
        sa.Column("block", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("stratum", sa.Text(), nullable=False),
        sa.Column("assigned_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "list_id", "block", name=op.f("pk_list_block")),
        comment="dynamic assignment: to which stratum and holder a central block was handed out",
    )
    op.create_table(
        "randomization_method",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("activation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False, comment="as secret as a list"),
        sa.Column("generator", sa.Text(), nullable=False),
        sa.Column("activated_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "event", "activation", name=op.f("pk_randomization_method")),
        comment="events that draw at the moment of randomization: the seed that is in use",
    )
    op.create_table(
        "subject_randomization",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("randomized_on", sa.Date(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("cohort", sa.Text(), nullable=True),
        sa.Column("stratum", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("from_arm", sa.Text(), nullable=True),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("scheduled_arm", sa.Text(), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("dose_level", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column(
            "scheme",
            sa.Text(),
            nullable=True,
            comment="hash of method, arms, ratio and parameters: what a live draw counts is of one scheme",
        ),
        sa.Column(
            "run",
            sa.Text(),
            nullable=False,
            comment="the key of the run drawn from: cohort and present arm, then stratum",
        ),
        sa.Column(
            "draw_index", sa.Integer(), nullable=True, comment="counts the live draws of the event from 0"
        ),
        sa.Column("unit", sa.Integer(), nullable=True, comment="minimization: the unit arm drawn"),
        sa.Column("list_id", sa.Text(), nullable=True),
        sa.Column("randomization_number", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "study_id", "subject_id", "event", "occurrence", name=op.f("pk_subject_randomization")
        ),
        sa.UniqueConstraint(
            "study_id",
            "randomization_number",
            name=op.f("uq_subject_randomization_study_id_randomization_number"),
        ),
        sa.UniqueConstraint(
            "study_id", "event", "draw_index", name=op.f("uq_subject_randomization_study_id_event_draw_index")
        ),
    )
    op.create_index(
        "ix_subject_randomization_counts",
        "subject_randomization",
        ["study_id", "event", "scheme", "run"],
        unique=False,
    )
    op.create_table(
        "subject_event_eligibility",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("eligible", sa.Boolean(), nullable=False),
        sa.Column("assessed_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "subject_id", "event", name=op.f("pk_subject_event_eligibility")),
        comment="eligibility for a later randomization event",
    )
    op.create_table(
        "cohort",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("cohort", sa.Text(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("changed_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "cohort", name=op.f("pk_cohort")),
        comment="cohorts whose state was changed by command or cap; the others are as the protocol says",
    )
    with op.batch_alter_table("subject") as subject:
        subject.add_column(
            sa.Column("randomizations_json", sa.Text(), comment="event -> date of its latest occurrence")
        )
        subject.add_column(
            sa.Column(
                "true_factors_json",
                sa.Text(),
                comment="factor levels found later to be true, beside those randomized by",
            )
        )
        subject.add_column(sa.Column("replaces", sa.Text()))
        subject.add_column(sa.Column("replaced_by", sa.Text()))
    with op.batch_alter_table("list_entry") as list_entry:
        list_entry.add_column(
            sa.Column(
                "skipped_for",
                sa.Text(),
                comment="the subject for whom this entry was passed over (forced randomization)",
            )
        )
        list_entry.drop_constraint(op.f("uq_list_entry_study_id_list_id_subject_id"), type_="unique")

"""Dosing: measurements with their dates, dosing on hold, confirmation of dispensing, and the date on which a visit was recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table of measurements and add the columns; what is there already has none of these facts."""
    op.create_table(
        "subject_measurement",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("measured_on", sa.Date(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False, comment="exact decimal: kg or cm"),
        sa.PrimaryKeyConstraint(
            "study_id", "subject_id", "measure", "measured_on", name=op.f("pk_subject_measurement")
        ),
        comment="weight and height; a later entry of the same day corrects the earlier one",
    )
    with op.batch_alter_table("subject") as subject:
        subject.add_column(
            sa.Column("dose_held_on", sa.Date(), comment="dosing is on hold since; null: it is not")
        )
    with op.batch_alter_table("subject_visit") as visit:
        visit.add_column(
            sa.Column("recorded_on", sa.Date(), comment="the date of the transaction at the site")
        )
        visit.add_column(
            sa.Column(
                "confirmation",
                sa.Text(),
                comment="awaited, confirmed or not_dispensed; null: handed out at once, or no kits",
            )
        )

"""Protocol versions take effect by country, and a subject may stay on the version that it was randomized under."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table, with the versions there are in effect in all their countries, and the subject's version."""
    by_country = op.create_table(
        "study_version_country",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("effective_at", UtcMoment(), nullable=False),
        sa.Column(
            "moves_subjects",
            sa.Boolean(),
            nullable=False,
            comment="subjects on study follow the version from their next visit",
        ),
        sa.PrimaryKeyConstraint("study_id", "country", "version", name=op.f("pk_study_version_country")),
        comment="from when a version counts in a country; without a row it waits for its approval there",
    )
    with op.batch_alter_table("subject") as subject:
        subject.add_column(
            sa.Column(
                "protocol_version",
                sa.Integer(),
                comment="that of the latest randomization; none: the one in force in the country counts",
            )
        )
    versions = sa.table(
        "study_version",
        sa.column("study_id", sa.Text()),
        sa.column("version", sa.Integer()),
        sa.column("effective_at", UtcMoment()),
        sa.column("protocol_json", sa.Text()),
    )
    rows = [
        {
            "study_id": row.study_id,
            "country": country["code"],
            "version": row.version,
            "effective_at": row.effective_at,
            "moves_subjects": True,
        }
        for row in op.get_bind().execute(sa.select(versions))
        for country in json.loads(row.protocol_json).get("countries", ())
    ]
    if rows:
        op.bulk_insert(by_country, rows)

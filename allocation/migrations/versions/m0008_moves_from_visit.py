"""A protocol version may move the subjects on study from a visit on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; the versions that are there move nobody from a visit on."""
    with op.batch_alter_table("study_version_country") as by_country:
        by_country.add_column(
            sa.Column(
                "moves_from_visit",
                sa.Text(),
                comment="they follow it from the visit of this number on; null: not by a visit",
            )
        )

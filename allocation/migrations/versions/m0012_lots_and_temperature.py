"""Expiry by lot and country and as printed on labels, blinded lot numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0009"


def upgrade() -> None:
    """Add columns and tables; the lots that are there have one date everywhere, printed nowhere."""
    op.add_column(
        "lot",
        sa.Column(
            "printed_expiry",
            sa.Date(),
            comment="on the labels of its kits as they were packaged; null: none is",
        ),
    )
    op.add_column(
        "lot", sa.Column("blinded_lot", sa.Text(), comment="the lot number that blinded people may read")
    )
    op.add_column("kit", sa.Column("printed_expiry", sa.Date(), comment="on its label now; null: none is"))
    op.create_table(
        "lot_country",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("expiry_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "lot_id", "country", name=op.f("pk_lot_country")),
        comment="countries in which a lot's expiry is another than the lot's own",
    )

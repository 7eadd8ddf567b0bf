"""A shipment knows who ordered it, what it was split from and its loggers; its kits, when they were scanned into the box."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns; nothing is known of earlier shipments."""
    op.add_column(
        "shipment",
        sa.Column("ordered_by", sa.Text(), comment="who placed the order, or ran the resupply that did"),
    )
    op.add_column(
        "shipment",
        sa.Column("split_from", sa.Text(), comment="the shipment whose kits could not all leave at once"),
    )
    op.add_column(
        "shipment",
        sa.Column("loggers_json", sa.Text(), comment="serial numbers of the temperature loggers in the box"),
    )
    op.add_column("shipment_kit", sa.Column("packed_on", sa.Date(), comment="scanned into the box"))

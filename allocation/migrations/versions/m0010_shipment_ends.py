"""A shipment names both its ends, each a depot or a site: kits also go between depots, between sites, and back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Every shipment so far went from a depot to a site."""
    op.drop_index("ix_shipment_site", "shipment")
    with op.batch_alter_table("shipment") as table:
        table.alter_column("depot_id", new_column_name="from_place")
        table.alter_column("site_id", new_column_name="to_place")
        table.add_column(sa.Column("from_kind", sa.Text(), nullable=False, server_default="depot"))
        table.add_column(sa.Column("to_kind", sa.Text(), nullable=False, server_default="site"))
    with op.batch_alter_table("shipment") as table:
        table.alter_column("from_kind", server_default=None)
        table.alter_column("to_kind", server_default=None)
        table.create_check_constraint(
            op.f("ck_shipment_known_ends"), "from_kind IN ('depot', 'site') AND to_kind IN ('depot', 'site')"
        )
    op.create_index("ix_shipment_from", "shipment", ["study_id", "from_kind", "from_place", "status"])
    op.create_index("ix_shipment_to", "shipment", ["study_id", "to_kind", "to_place", "status"])

"""A kit that went to another study is in a place of its own; one that came to a site from another study says so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

BEFORE = "place_kind IN ('depot', 'transit', 'site', 'subject', 'returned', 'destroyed', 'lost')"
AFTER = (
    "place_kind IN ('depot', 'transit', 'site', 'subject', 'returned', 'destroyed', 'lost', 'other_study')"
)


def upgrade() -> None:
    """Add the columns, and widen the check of a kit's place. SQLite alters no check: the table is made anew, with indexes and triggers."""
    for column in (
        sa.Column(
            "pooled_at_site",
            sa.Text(),
            comment="the site where it came in from another study; null: it did not",
        ),
        sa.Column("pooled_on", sa.Date(), comment="when it came in there"),
    ):
        op.add_column("kit", column)
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_kit_known_place"), "kit", type_="check")
        op.create_check_constraint(op.f("ck_kit_known_place"), "kit", AFTER)
        return
    query = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = 'kit' AND sql IS NOT NULL")
    found = connection.execute(query).all()
    (table,) = (row.sql for row in found if row.type == "table")
    head, opening, rest = table.partition("(")
    if BEFORE not in rest or "kit" not in head:
        raise RuntimeError("the table kit is not as the migrations before this one leave it")
    connection.exec_driver_sql("CREATE TABLE kit_made_anew " + opening + rest.replace(BEFORE, AFTER))
    op.execute("INSERT INTO kit_made_anew SELECT * FROM kit")
    op.execute("DROP TABLE kit")
    op.execute("ALTER TABLE kit_made_anew RENAME TO kit")
    for row in found:
        if row.type != "table":
            connection.exec_driver_sql(row.sql)

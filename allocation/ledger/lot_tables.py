"""The projections of lots beside `supply_tables.lot`: the expiry dates that a lot has in single countries."""

from __future__ import annotations

from sqlalchemy import Column, Date, Table, Text

from allocation.ledger.table_basis import metadata

lot_country = Table(
    "lot_country",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("lot_id", Text, primary_key=True),
    Column("country", Text, primary_key=True),
    Column("expiry_date", Date, nullable=False),
    comment="countries in which a lot's expiry is another than the lot's own",
)

NOT_RELEASED_HERE = "lot is not released for use here"
"""In the words of the triggers that refuse it (migration m0013): a kit would go to where its lot is not released."""

"""Whole tables as the database gives them, for comparing what was with what is: without SQLAlchemy, in one question on PostgreSQL."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table

from allocation.ledger.database import Database


def whole_tables(database: Database, tables: Iterable[Table]) -> dict[str, set[tuple[Any, ...]]]:
    """All rows of these tables by name, of one moment. Values are those of the driver."""
    asked = {table.name: f"SELECT * FROM {table.name}" for table in tables}  # noqa: S608
    with database.read() as connection:
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
        if not database.is_postgresql:
            return {name: set(cursor.execute(query)) for name, query in asked.items()}
        cursor.execute("; ".join(asked.values()), prepare=False)
        found = {}
        for name in asked:
            found[name] = set(cursor.fetchall())
            cursor.nextset()
        return found

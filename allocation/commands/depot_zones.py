"""The time zone of a depot, by which every act at it is dated."""

from __future__ import annotations

from sqlalchemy import Connection, select

from allocation.errors import NotFound
from allocation.ledger.schema import depot


def depot_zone(connection: Connection, study_id: str, depot_id: str, *, lock: bool = False) -> str:
    """The time zone of a depot; with `lock` its stock stays locked. Raises NotFound."""
    query = select(depot.c.timezone).where(depot.c.study_id == study_id, depot.c.depot_id == depot_id)
    found = connection.execute(query.with_for_update() if lock else query).scalar()
    if found is None:
        raise NotFound(
            f"depot {depot_id!r} is not in the study", field="depot_id", fix="name a depot of the study"
        )
    return str(found)


def depot_zones(connection: Connection, study_id: str) -> dict[str, str]:
    """The time zone of every depot of the study."""
    query = select(depot.c.depot_id, depot.c.timezone).where(depot.c.study_id == study_id)
    return {row.depot_id: row.timezone for row in connection.execute(query)}

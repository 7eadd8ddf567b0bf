"""The sites that a resupply run may decide: open, and in a country where a protocol version is in force."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, select

from allocation.commands.site_supply import SiteAt
from allocation.commands.transaction import unknown_study
from allocation.ledger.schema import site
from allocation.ledger.versions import VERSION_IN_STUDY, version_in_country


def require_in_force(connection: Connection, study_id: str, now: datetime) -> None:
    """Raise NotFound for a study that is not loaded, or not in force anywhere yet."""
    if connection.execute(select(VERSION_IN_STUDY), {"study": study_id, "now": now}).scalar() is None:
        raise unknown_study(study_id)


def open_sites(
    connection: Connection, study_id: str, wanted: tuple[str, ...], now: datetime
) -> list[Row[Any]]:
    """The open sites where a version is in force; where it waits for its approval nobody is supplied yet."""
    query = (
        select(site, version_in_country(site.c.country))
        .where(site.c.study_id == study_id, site.c.status == "open")
        .order_by(site.c.site_id)
    )
    if wanted:
        query = query.where(site.c.site_id.in_(wanted))
    found = connection.execute(query, {"study": study_id, "now": now})
    return [row for row in found if row.version is not None]


def site_at(row: Any, now: datetime) -> SiteAt:
    """An open site on its date at `now` (UTC), from its row."""
    today = now.astimezone(ZoneInfo(row.timezone)).date()
    return SiteAt(row.site_id, row.country, row.depot_id, row.profile, today, row.version)

"""What a depot, or a central pharmacy, could ship on its date, and to which countries: kits that are alike, counted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, func, select

from allocation.commands.depot_zones import depot_zone
from allocation.commands.kit_candidates import is_released
from allocation.commands.lot_expiry import lots_by_country
from allocation.ledger.schema import kit, lot, site
from allocation.rules.expiry import kit_expiry_date
from allocation.rules.expiry_change import LotExpiry
from allocation.rules.kit_status import KitStatus, Place

_STOCK = {Place.DEPOT: KitStatus.DEPOT_AVAILABLE, Place.SITE: KitStatus.SITE_AVAILABLE}
_ALIKE = (
    kit.c.kit_type,
    kit.c.lot_id,
    kit.c.expiry_date,
    kit.c.last_ship_date,
    kit.c.printed_expiry,
    lot.c.status,
    lot.c.released_for,
)
_AVAILABLE = (
    select(*_ALIKE, func.count().label("kits"))
    .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
    .where(
        kit.c.study_id == bindparam("study"),
        kit.c.place_kind == bindparam("kind"),
        kit.c.place == bindparam("at"),
        kit.c.kit_type.in_(bindparam("types", expanding=True)),
        kit.c.status == bindparam("status"),
    )
    .group_by(*_ALIKE)
)


@dataclass(frozen=True, slots=True)
class ShippableKits:
    """Available kits of a place that are alike. `lot`: its dates, where some country has another one; `today`: the date there."""

    row: Row[Any]
    lot: LotExpiry | None
    today: date

    @property
    def kits(self) -> int:
        """How many there are."""
        return int(self.row.kits)

    def may_ship_to(self, *countries: str) -> bool:
        """Whether they may leave today for one of these countries, by the release of their lot and the date that binds there."""
        return any(
            is_released(self.row, one, shipping=True) and self.today <= self._last_ship(one)
            for one in countries
        )

    def _last_ship(self, country: str) -> date:
        last: date = self.row.last_ship_date
        if self.lot is None:
            return last
        expiry = kit_expiry_date(self.lot.own, self.lot.for_use_in(country), self.row.printed_expiry)
        # A kit may carry the dates of one country; the days between the two are those of its kit type everywhere.
        before: date = self.row.expiry_date
        return expiry - (before - last)


def shippable_kits(
    connection: Connection,
    study_id: str,
    depot_id: str,
    kit_types: list[str],
    now: datetime,
    kind: Place = Place.DEPOT,
) -> dict[str, list[ShippableKits]]:
    """Kit type -> its available kits at the depot, which say to which countries they may be shipped on its date. `now` is UTC.

    `kind`: also of a site, which supplies satellites; one that is not open has none.
    """
    if kind == Place.DEPOT:
        zone: str | None = depot_zone(connection, study_id, depot_id)
    else:
        of_site = select(site.c.timezone).where(site.c.study_id == study_id, site.c.site_id == depot_id)
        zone = connection.execute(of_site).scalar()
    if zone is None:
        return defaultdict(list)
    today = now.astimezone(ZoneInfo(zone)).date()
    lots = lots_by_country(connection, study_id)
    found: dict[str, list[ShippableKits]] = defaultdict(list)
    keys = {
        "study": study_id,
        "kind": kind.value,
        "at": depot_id,
        "types": kit_types,
        "status": _STOCK[kind].value,
    }
    for row in connection.execute(_AVAILABLE, keys):
        found[row.kit_type].append(ShippableKits(row, lots.get(row.lot_id), today))
    return found

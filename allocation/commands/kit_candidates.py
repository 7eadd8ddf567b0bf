"""The stock of a kit type at a site or a depot, read in the picking rule's own order and given to it as candidates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from allocation.ledger.hot_statement import HotStatement
from allocation.ledger.schema import kit, lot
from allocation.rules.expiry import kit_expiry_date
from allocation.rules.expiry_change import LotExpiry
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.lot_status import may_be_used
from allocation.rules.picking import KitCandidate

MARGIN = 32
"""Kits that are read at a depot beyond what is ordered. They come in the rule's own order, so more are needed only when these are
not usable."""
MARGIN_AT_SITE = 2
"""The same at a site, where every dispensing reads them: what has reached a site is rarely unusable there."""


def _stock(place: Place, status: KitStatus) -> Select[Any]:
    return (
        select(
            kit.c.kit_number,
            kit.c.kit_type,
            kit.c.lot_id,
            kit.c.expiry_date,
            kit.c.pick_sequence,
            kit.c.last_dispense_date,
            lot.c.status,
            lot.c.released_for,
        )
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(
            kit.c.study_id == bindparam("study"),
            kit.c.place_kind == place.value,
            kit.c.place == bindparam("at"),
            kit.c.kit_type == bindparam("type"),
            kit.c.status == status.value,
        )
        .order_by(kit.c.expiry_date, kit.c.pick_sequence)
    )


_AT_SITE = _stock(Place.SITE, KitStatus.SITE_AVAILABLE)
_ALL_AT_SITE = _AT_SITE.add_columns(kit.c.printed_expiry)
_FIRST_AT_SITE = HotStatement(
    _AT_SITE.where(
        kit.c.last_dispense_date >= bindparam("today"), kit.c.expiry_date > bindparam("until")
    ).limit(bindparam("at_most"))
)
_ALL_AT_DEPOT = _stock(Place.DEPOT, KitStatus.DEPOT_AVAILABLE).add_columns(kit.c.printed_expiry)
_AT_DEPOT = _ALL_AT_DEPOT.where(kit.c.last_ship_date >= bindparam("today"))


def first_kits_at_site(
    connection: Connection,
    study_id: str,
    site_id: str,
    kit_type: str,
    today: date,
    wanted: int,
    until: date | None = None,
) -> Sequence[Any]:
    """The first available kits at the site that may be dispensed on `today` (the site's date), at most `wanted` and a margin.

    `until`: only those that are still valid on that day.
    """
    keys = {
        "study": study_id,
        "at": site_id,
        "type": kit_type,
        "today": today,
        "until": until or today,
        "at_most": wanted + MARGIN_AT_SITE,
    }
    return _FIRST_AT_SITE.rows(connection, keys)


def all_kits_at_site(
    connection: Connection, study_id: str, site_id: str, kit_type: str
) -> Sequence[Row[Any]]:
    """All available kits at the site, also those that may not be dispensed any more."""
    return connection.execute(_ALL_AT_SITE, {"study": study_id, "at": site_id, "type": kit_type}).all()


def kits_at_depot(
    connection: Connection,
    study_id: str,
    depot_id: str,
    kit_type: str,
    today: date,
    at_most: int | None = None,
) -> Sequence[Row[Any]]:
    """The available kits at the depot that may be shipped on `today` (the depot's date); the first `at_most` of them, or all."""
    query = _AT_DEPOT if at_most is None else _AT_DEPOT.limit(at_most)
    keys = {"study": study_id, "at": depot_id, "type": kit_type, "today": today}
    return connection.execute(query, keys).all()


def all_kits_at_depot(
    connection: Connection, study_id: str, depot_id: str, kit_type: str
) -> Sequence[Row[Any]]:
    """All available kits at the depot, also those that may not be shipped any more by the dates that they carry."""
    return connection.execute(_ALL_AT_DEPOT, {"study": study_id, "at": depot_id, "type": kit_type}).all()


def candidates_from(
    rows: Iterable[Any],
    *countries: str,
    lots: Mapping[str, LotExpiry] | None = None,
    shipping: bool = False,
) -> list[KitCandidate]:
    """Rows of stock as the picking rule takes them, for use in one of `countries`, or for `shipping` there.

    `lots`: where kits carry other dates than in the country that they go to.
    """
    return [
        KitCandidate(
            key=row.kit_number,
            kit_type=row.kit_type,
            available=True,
            released=is_released(row, *countries, shipping=shipping),
            expiry=row.expiry_date if lots is None else _expiry_in(row, countries, lots),
            pick_sequence=row.pick_sequence,
            lot=row.lot_id,
        )
        for row in rows
    ]


def _expiry_in(row: Any, countries: Iterable[str], lots: Mapping[str, LotExpiry]) -> date:
    expiry = lots[row.lot_id]
    latest = max(expiry.for_use_in(country) for country in countries)
    return kit_expiry_date(expiry.own, latest, row.printed_expiry)


def is_released(row: Any, *countries: str, shipping: bool = False) -> bool:
    """Whether a lot (columns `status` and `released_for`, a JSON list of countries or ["*"]) may be used in one of these countries.

    For `shipping` there, it must be fully released; at a site a restricted one is still used.
    """
    return may_be_used(row.status, _countries(row.released_for), *countries, shipping=shipping)


def kits_not_released(
    connection: Connection, study_id: str, shipment_id: str, countries: Iterable[str]
) -> set[str]:
    """The kits of a shipment whose lots may by now be shipped to none of `countries`, where kits go from there."""
    query = (
        select(kit.c.kit_number, lot.c.status, lot.c.released_for)
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(kit.c.study_id == study_id, kit.c.shipment_id == shipment_id)
    )
    to = tuple(countries)
    return {row.kit_number for row in connection.execute(query) if not is_released(row, *to, shipping=True)}


@lru_cache(maxsize=1024)
def _countries(released_for: str) -> frozenset[str]:
    return frozenset(json.loads(released_for))

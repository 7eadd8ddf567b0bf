"""Stock in blinded words: how many kits of a look are where, and which may soon no more be dispensed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union_all,
)

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import kit, lot, shipment
from allocation.rules.kit_status import KitStatus, Place
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.lot_lines import by_lot
from allocation.views.blinded.overview_models import ExpiringKits, StockCount
from allocation.views.blinded.stock_models import SiteStock, StockedKit
from allocation.views.study_at import StudyAt, study_at
from allocation.views.visible import Visible, require_known_site, visible

USABLE = (KitStatus.DEPOT_AVAILABLE.value, KitStatus.REQUESTED.value, KitStatus.SITE_AVAILABLE.value)
"""Statuses of kits that wait to be used, and so lose their worth when they expire."""


def stock_counts(connection: Connection, at: StudyAt, seen: Visible) -> tuple[StockCount, ...]:
    """Kits by place, look and status. Depots and sites are named; kits elsewhere are counted together."""
    named = kit.c.place_kind.in_((Place.DEPOT.value, Place.SITE.value))
    ours = (kit.c.study_id == at.study_id, seen_kits(at, seen))
    count = func.count().label("kits")
    # Counted in the order of the index ix_kit_stock; kit types are joined into looks over these few rows only.
    at_places = (
        select(kit.c.place_kind, kit.c.place, kit.c.kit_type, kit.c.status, count)
        .where(*ours, named)
        .group_by(kit.c.place_kind, kit.c.place, kit.c.kit_type, kit.c.status)
    )
    elsewhere = (
        select(kit.c.place_kind, literal("").label("place"), kit.c.kit_type, kit.c.status, count)
        .where(*ours, not_(named))
        .group_by(kit.c.place_kind, kit.c.kit_type, kit.c.status)
    )
    counted = union_all(at_places, elsewhere).subquery()
    group = kit_group(at.protocol, counted.c.kit_type)
    keys = (counted.c.place_kind, counted.c.place, group, counted.c.status)
    rows = connection.execute(
        select(*keys, cast(func.sum(counted.c.kits), Integer).label("kits")).group_by(*keys).order_by(*keys)
    )
    return tuple(StockCount.model_validate(dict(row)) for row in rows.mappings())


def expiries_ahead(connection: Connection, at: StudyAt, seen: Visible, days: int) -> tuple[ExpiringKits, ...]:
    """Usable kits at depots and sites whose last dispensing date lies within `days` from the view's date, soonest first."""
    group = kit_group(at.protocol)
    rows = connection.execute(
        select(kit.c.place_kind, kit.c.place, group, kit.c.last_dispense_date, func.count().label("kits"))
        .where(
            kit.c.study_id == at.study_id,
            kit.c.place_kind.in_((Place.DEPOT.value, Place.SITE.value)),
            kit.c.status.in_(USABLE),
            kit.c.last_dispense_date <= at.today + timedelta(days=days),
            seen_kits(at, seen),
        )
        .group_by(kit.c.place_kind, kit.c.place, group, kit.c.last_dispense_date)
        .order_by(kit.c.last_dispense_date, kit.c.place_kind, kit.c.place, group)
    )
    return tuple(
        ExpiringKits(**row, days_left=(row["last_dispense_date"] - at.today).days)
        for row in (dict(found) for found in rows.mappings())
    )


def site_stock(
    database: Database, actor: Actor, study_id: str, site_id: str, *, now: datetime | None = None
) -> SiteStock:
    """Every kit that is at a site, by kit number, with what may be dispensed at `now` (None: when the last entry was made).

    Raises NotPermitted, NotFound.
    """
    with database.read() as connection:
        visible(connection, actor, "view.stock.blinded", study_id).require_site(actor, site_id)
        at = study_at(connection, study_id, now)
        require_known_site(connection, at, site_id)
        rows = connection.execute(
            select(
                kit.c.kit_number,
                kit_group(at.protocol),
                lot.c.blinded_lot,
                kit.c.status,
                kit.c.expiry_date,
                kit.c.last_dispense_date,
            )
            .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
            .where(kit.c.study_id == study_id, kit.c.place_kind == Place.SITE.value, kit.c.place == site_id)
            .order_by(kit.c.kit_number)
        ).mappings()
        kits = tuple(
            StockedKit(
                **row,
                usable=row["status"] == KitStatus.SITE_AVAILABLE.value
                and row["last_dispense_date"] >= at.today,
            )
            for row in rows
        )
        return SiteStock(
            study_id=study_id, site_id=site_id, as_of=at.today, kits=by_lot(connection, study_id, kits)
        )


def seen_kits(at: StudyAt, seen: Visible) -> ColumnElement[bool]:
    """The condition that a kit is at a visible place, or in a shipment from or to one."""
    if seen.whole_study:
        return true()
    shipped = exists(
        select(shipment.c.shipment_id).where(
            shipment.c.study_id == at.study_id, shipment.c.shipment_id == kit.c.place, seen.of_shipment()
        )
    )
    return or_(
        and_(kit.c.place_kind == Place.SITE.value, seen.at_site(kit.c.place)),
        and_(kit.c.place_kind == Place.DEPOT.value, seen.at_depot(kit.c.place)),
        and_(kit.c.place_kind == Place.TRANSIT.value, shipped),
    )

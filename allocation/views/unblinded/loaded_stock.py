"""What the blinding linter looks at in the database: opened sites, kits as they were loaded, lots, and depot stock."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date

from sqlalchemy import Connection, func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.schema import kit, lot, lot_country, site
from allocation.rules.bulk_units import is_unit
from allocation.rules.kit_list_leaks import ListedKit
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.lot_status import DISPENSABLE
from allocation.study.stock_lint import LoadedLot, LoadedStock
from allocation.study.supply_checks import OpenedSite

_IN_STOCK = (Place.DEPOT.value, Place.TRANSIT.value, Place.SITE.value)


def opened_sites(connection: Connection, study_id: str) -> tuple[OpenedSite, ...]:
    """The open sites of a study as they were opened, in order of their codes."""
    sites = connection.execute(
        select(site.c.site_id, site.c.country, site.c.depot_id, site.c.profile)
        .where(site.c.study_id == study_id)
        .order_by(site.c.site_id)
    )
    return tuple(OpenedSite(row.site_id, row.country, row.depot_id, row.profile) for row in sites)


def loaded_stock(
    database: Database, actor: Actor, study_id: str
) -> tuple[tuple[OpenedSite, ...], LoadedStock]:
    """The open sites of a study and everything loaded into it, in one snapshot. Raises NotPermitted unless the whole study may be seen."""
    authorize(actor, "view.stock.unblinded", study_id)
    with database.read() as connection:
        opened = opened_sites(connection, study_id)
        kits = connection.execute(
            select(kit.c.kit_number, kit.c.kit_type, kit.c.pick_sequence, kit.c.expiry_date)
            .where(kit.c.study_id == study_id)
            .order_by(kit.c.kit_number)
        )
        listed = tuple(
            ListedKit(row.kit_number, row.kit_type, row.pick_sequence, row.expiry_date.isoformat())
            for row in kits
            if not is_unit(row.kit_number)
        )
        counted = connection.execute(
            select(kit.c.lot_id, kit.c.place, kit.c.kit_type, kit.c.status, func.count())
            .where(kit.c.study_id == study_id, kit.c.place_kind.in_(_IN_STOCK))
            .group_by(kit.c.lot_id, kit.c.place, kit.c.kit_type, kit.c.status)
        )
        in_stock: dict[str, int] = defaultdict(int)
        at_depots: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for lot_id, place, kit_type, status, count in counted:
            in_stock[lot_id] += count
            if status == KitStatus.DEPOT_AVAILABLE.value:
                at_depots[place][kit_type] += count
        by_country: dict[str, dict[str, date]] = defaultdict(dict)
        for one in connection.execute(select(lot_country).where(lot_country.c.study_id == study_id)):
            by_country[one.lot_id][one.country] = one.expiry_date
        rows = connection.execute(select(lot).where(lot.c.study_id == study_id).order_by(lot.c.lot_id))
        lots = tuple(
            LoadedLot(
                row.lot_id,
                row.kit_type,
                row.expiry_date,
                tuple(json.loads(row.released_for)) if row.status in DISPENSABLE else (),
                in_stock[row.lot_id],
                row.blinded_lot,
                by_country[row.lot_id],
            )
            for row in rows
        )
    return opened, LoadedStock(listed, lots, at_depots)

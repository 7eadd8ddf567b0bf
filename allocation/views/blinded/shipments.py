"""Shipments in blinded words: how many kits go where and when, and their numbers, never their types."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, func, or_, select

from allocation.access.actors import Actor
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import depot, kit, lot, shipment, shipment_kit, site
from allocation.ledger.shipment_ends import COLUMNS as ENDS
from allocation.rules.kit_status import Place
from allocation.rules.shipment_status import COUNTED_AS
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.lot_lines import by_lot
from allocation.views.blinded.overview_models import ShipmentSummary
from allocation.views.blinded.stock_models import ShipmentDetail, ShipmentList, ShippedKit
from allocation.views.study_at import study_at
from allocation.views.visible import Visible, require_known_site, visible

UNDER_WAY = tuple(one.value for one in COUNTED_AS)
ShipmentStatus = Literal[
    "proposed", "requested", "confirmed", "in_transit", "received", "refused", "cancelled", "lost"
]


def shipments_under_way(
    connection: Connection, study_id: str, seen: Visible, today: date
) -> tuple[ShipmentSummary, ...]:
    """Shipments that are requested or in transit, the soonest expected first."""
    query = (
        _summaries(study_id, seen)
        .where(shipment.c.status.in_(UNDER_WAY))
        .order_by(shipment.c.expected_on, shipment.c.shipment_id)
    )
    found = [_summary(row, today) for row in connection.execute(query).mappings()]
    # Databases differ in where they sort rows without a date.
    return tuple(sorted(found, key=lambda one: (one.expected_on or date.max, one.shipment_id)))


def list_shipments(
    database: Database,
    actor: Actor,
    study_id: str,
    *,
    site_id: str | None = None,
    status: ShipmentStatus | None = None,
    late: bool = False,
    now: datetime | None = None,
) -> ShipmentList:
    """The shipments that the actor may see, of one site and status, or only the late ones, if so asked, newest request first.

    Raises NotPermitted (also for a site out of reach), NotFound also for a site that the study does not have.
    """
    with database.read() as connection:
        seen = visible(connection, actor, "view.shipments", study_id)
        at = study_at(connection, study_id, now)
        query = _summaries(study_id, seen)
        if site_id is not None:
            if not seen.depots:  # whoever runs a depot sees what it ships to any site
                seen.require_site(actor, site_id)
            require_known_site(connection, at, site_id)
            query = query.where(
                or_(
                    and_(shipment.c.from_kind == Place.SITE.value, shipment.c.from_place == site_id),
                    and_(shipment.c.to_kind == Place.SITE.value, shipment.c.to_place == site_id),
                )
            )
        if status is not None:
            query = query.where(shipment.c.status == status)
        if late:
            query = query.where(shipment.c.status == "in_transit", shipment.c.expected_on < at.today)
        rows = connection.execute(
            query.order_by(shipment.c.requested_on.desc(), shipment.c.shipment_id.desc())
        ).mappings()
        return ShipmentList(study_id=study_id, shipments=tuple(_summary(row, at.today) for row in rows))


def shipment_detail(
    database: Database, actor: Actor, study_id: str, shipment_id: str, *, now: datetime | None = None
) -> ShipmentDetail:
    """A shipment with its kits by number. Raises NotPermitted, and NotFound also for one that the actor may not see."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.shipments", study_id)
        at = study_at(connection, study_id, now)
        row = (
            connection.execute(_summaries(study_id, seen).where(shipment.c.shipment_id == shipment_id))
            .mappings()
            .first()
        )
        if row is None:
            raise NotFound(
                f"shipment {shipment_id!r} is not known", field="shipment_id", fix="list the shipments first"
            )
        contents = connection.execute(
            select(
                shipment_kit.c.kit_number,
                kit_group(at.protocol),
                shipment_kit.c.packed_on,
                lot.c.blinded_lot,
                shipment_kit.c.disposition,
            )
            .join_from(
                shipment_kit,
                kit,
                (kit.c.study_id == shipment_kit.c.study_id) & (kit.c.kit_number == shipment_kit.c.kit_number),
            )
            .join(lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
            .where(shipment_kit.c.study_id == study_id, shipment_kit.c.shipment_id == shipment_id)
            .order_by(shipment_kit.c.kit_number)
        ).mappings()
        return ShipmentDetail(
            study_id=study_id,
            shipment=_summary(row, at.today),
            contents=by_lot(connection, study_id, (ShippedKit.model_validate(dict(one)) for one in contents)),
        )


def _summaries(study_id: str, seen: Visible) -> Select[Any]:
    return (
        select(
            shipment.c.shipment_id,
            *ENDS,
            func.coalesce(site.c.country, depot.c.country).label("country"),
            shipment.c.status,
            shipment.c.kit_count.label("kits"),
            shipment.c.requested_on,
            shipment.c.dispatched_on,
            shipment.c.expected_on,
            shipment.c.received_on,
            shipment.c.carrier,
            shipment.c.tracking_number,
            shipment.c.loggers_json,
            shipment.c.ordered_by,
            shipment.c.split_from,
        )
        .outerjoin_from(
            shipment,
            site,
            and_(
                shipment.c.to_kind == Place.SITE.value,
                site.c.study_id == shipment.c.study_id,
                site.c.site_id == shipment.c.to_place,
            ),
        )
        .outerjoin(
            depot,
            and_(
                shipment.c.to_kind == Place.DEPOT.value,
                depot.c.study_id == shipment.c.study_id,
                depot.c.depot_id == shipment.c.to_place,
            ),
        )
        .where(shipment.c.study_id == study_id, seen.of_shipment())
    )


def _summary(row: Any, today: date) -> ShipmentSummary:
    loggers = tuple(json.loads(row["loggers_json"] or "[]"))
    late = row["status"] == "in_transit" and row["expected_on"] is not None and row["expected_on"] < today
    stated = {name: value for name, value in row.items() if name != "loggers_json"}
    return ShipmentSummary(**stated, loggers=loggers, late=late)

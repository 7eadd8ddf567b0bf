"""Why a depot was refilled, or not: the last decision about it, derived again from the ledger as that of a site is. UNBLINDING."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.commands.counted_stock import StockLine, pipeline_to
from allocation.commands.depot_orders import depot_result, filled_depot_order
from allocation.commands.depot_supply import DepotSituation, depot_need, depot_situations
from allocation.commands.depot_zones import depot_zone
from allocation.commands.kit_candidates import is_released
from allocation.commands.lot_expiry import lots_by_country
from allocation.commands.order_record import NOTHING_TO_SHIP, decision_record
from allocation.commands.resupply_explanation import (
    ResupplyExplanation,
    agrees,
    asked_by,
    decisions_backwards,
    plain,
    with_pools,
)
from allocation.commands.shippable_kits import ShippableKits
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.proposals import latest_signed
from allocation.ledger.reader import SealedEntry
from allocation.ledger.replay import Progress, no_progress, replayed
from allocation.ledger.schema import kit, lot
from allocation.ledger.sealing import seal_pending
from allocation.rules.fair_share import SharedKitType
from allocation.rules.kit_status import KitStatus, Place
from allocation.study.protocol import Protocol


def explain_depot(
    database: Database,
    actor: Actor,
    study_id: str,
    depot_id: str,
    up_to: date | None = None,
    progress: Progress = no_progress,
) -> ResupplyExplanation:
    """Explain the last decision about a refilled depot, or the last one up to the end of the day `up_to` (UTC).

    The explanation's `site_id` is the depot, its `depot_id` the one that refills it. Raises NotPermitted, and NotFound where no run has
    decided the depot by then.
    """
    authorize(actor, "view.stock.unblinded", study_id, depot_id=depot_id)
    seal_pending(database)
    entry, recorded = _last_decision(database, study_id, depot_id, up_to)
    state = replayed(database, study_id, entry.position - 1, progress)
    try:
        found = _derived(state, study_id, depot_id, entry, recorded)
    finally:
        state.close()
        state.engine.dispose()
    return with_pools(database, entry, found, refills=depot_id)


def _last_decision(
    database: Database, study_id: str, depot_id: str, up_to: date | None
) -> tuple[SealedEntry, dict[str, Any]]:
    for entry in decisions_backwards(database, study_id, up_to):
        if entry.command == "order_shipment" and entry.after.get("to") == [Place.DEPOT.value, depot_id]:
            return entry, entry.after
        for one in entry.after.get("depots", ()):
            if one["depot_id"] == depot_id and one["shipment_id"] is None:
                return entry, one
    raise NotFound(
        f"no resupply run has decided depot {depot_id!r}" + ("" if up_to is None else f" up to {up_to}"),
        field="DEPOT",
        fix="name a depot that another one refills; `rtsm resupply run` decides each",
    )


def _derived(
    state: Connection, study_id: str, depot_id: str, entry: SealedEntry, recorded: dict[str, Any]
) -> ResupplyExplanation:
    moment, known = entry.recorded_at, dict[tuple[str, int], Protocol]()
    situations = depot_situations(state, study_id, entry.config_version, moment, known)
    situation = next(one for one in situations if one.at.depot_id == depot_id)
    at, need = situation.at, depot_need(situation)
    ordered = entry.command == "order_shipment"
    shares = recorded["record"]["fair_share"] if ordered else recorded.get("fair_share", ())
    shared = {one["kit_type"]: SharedKitType(**one) for one in shares}
    numbers: list[str] = []
    proposal = None
    if need.lines and (ordered or recorded["why"] == NOTHING_TO_SHIP):
        zone = depot_zone(state, study_id, at.supplied_by)
        today = moment.astimezone(ZoneInfo(zone)).date()
        numbers, proposal = filled_depot_order(state, study_id, situation.protocol, need, at, today, shared)
    record = plain(decision_record(need, proposal, shared))
    if ordered:
        same = numbers == recorded["kits"] and agrees(recorded["record"], record)
    else:
        same = agrees(recorded, plain(depot_result(depot_id, need, proposal, shared)))
    return ResupplyExplanation(
        study_id=study_id,
        site_id=depot_id,
        depot_id=at.supplied_by,
        run_id=recorded["run_id"] if ordered else entry.after["run_id"],
        position=entry.position,
        recorded_at=moment,
        on=at.today,
        asked_by=asked_by(entry, depot_id),
        shipment_id=recorded["shipment_id"],
        why=recorded["record"]["why"] if ordered else recorded["why"],
        stock=_stock_lines(state, study_id, situation),
        pipeline=pipeline_to(state, study_id, Place.DEPOT, depot_id, situation.protocol),
        subjects_not_counted=(),
        record=record,
        recorded=recorded,
        derives_to_the_same=same,
        protocol_version=entry.config_version,
        proposal=latest_signed(state, study_id, entry.config_version),
    )


def _stock_lines(connection: Connection, study_id: str, situation: DepotSituation) -> tuple[StockLine, ...]:
    columns = (
        kit.c.kit_type,
        kit.c.lot_id,
        kit.c.expiry_date,
        kit.c.last_ship_date,
        kit.c.printed_expiry,
        kit.c.status,
    )
    of_lot = (lot.c.status, lot.c.released_for)
    kit_status = kit.c.status.label("kit_status")
    rows = connection.execute(
        select(*columns[:-1], kit_status, *of_lot, func.count().label("kits"))
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(
            kit.c.study_id == study_id,
            kit.c.place_kind == Place.DEPOT.value,
            kit.c.place == situation.at.depot_id,
        )
        .group_by(*columns, *of_lot)
        .order_by(*columns)
    )
    lots = lots_by_country(connection, study_id)
    lines = []
    for row in rows:
        why = "counted"
        if row.kit_status != KitStatus.DEPOT_AVAILABLE.value:
            why = str(row.kit_status).replace("_", " ")
        elif not is_released(row, *situation.at.countries, shipping=True):
            why = "lot not released for a country that it supplies"
        elif not ShippableKits(row, lots.get(row.lot_id), situation.at.today).may_ship_to(
            *situation.at.countries
        ):
            why = "past its last ship date (DNS)"
        counted = why == "counted"
        lines.append(StockLine(row.kit_type, row.lot_id, row.expiry_date, row.kits, counted, why))
    return tuple(lines)

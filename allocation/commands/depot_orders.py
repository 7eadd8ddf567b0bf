"""The orders of depots that another depot refills: each is a transaction and an entry of its own, as those of sites are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, Row, select

from allocation.commands.automatic_pooling import PoolsOfRun
from allocation.commands.depot_supply import DepotAt, DepotSituation, depot_need, depot_situations
from allocation.commands.depot_zones import depot_zone
from allocation.commands.kit_candidates import all_kits_at_depot, candidates_from, kits_at_depot
from allocation.commands.kit_scope import in_whole_study
from allocation.commands.lot_expiry import any_country_dates, dates_for_order, lot_expiries
from allocation.commands.order_filling import Shares
from allocation.commands.order_record import decision_record, site_result
from allocation.commands.scarce_stock import depot_asker
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipment_numbers import next_shipment_id
from allocation.commands.site_supply import SiteNeed, kit_type_supplies, order_policy
from allocation.commands.transaction import Transaction, earlier_answer, execute
from allocation.ledger.shipment_ends import ShipmentEnds
from allocation.ledger.versions import VERSION_IN_STUDY
from allocation.rules.kit_status import Place
from allocation.rules.orders import OrderProposal, fill_order, limit_to_shares
from allocation.rules.shipment_status import Approval, opening_status
from allocation.study.model import Code
from allocation.study.protocol import Protocol


class DepotOrderRequest(CommandRequest):
    """The part of a run that concerns one depot."""

    run_id: str = Field(exclude=True)
    depot_id: Code


def order_for_depots(
    service: Service,
    act: Act,
    study_id: str,
    run_id: str,
    base_key: str,
    why: dict[str, Any],
    pools: PoolsOfRun,
    shares: Mapping[str, Shares],
) -> list[dict[str, Any]]:
    """Decide every refilled depot, after the sites of a run have ordered; gives a result for each, lower depots first.

    What the depot that refills it lacks is taken from `pools` before; kit types of which any came are not held to the depot's `shares`.
    """
    results = []
    now = service.clock()
    with service.database.read() as connection:
        refills = refills_of_run(service, connection, study_id, now)
    for situation, need in refills:
        code = situation.at.depot_id
        request = DepotOrderRequest(run_id=run_id, depot_id=code)
        order_act = replace(act, idempotency_key=f"{base_key}:depot:{code}", signature=None)
        ordered = earlier_answer(service, order_act, study_id, "order_shipment", request)
        if ordered is None and need.lines:
            at = situation.at
            before = len(pools.tries)
            pools.for_depot(at.supplied_by, code, at.countries)
            pooled = {one["kit_type"] for one in pools.tries[before:] if one["kits"]}
            own = {kind: one for kind, one in shares.get(depot_asker(code), {}).items() if kind not in pooled}
            ordered = _order_for_depot(service, order_act, study_id, request, why, own)
        results.append(ordered or depot_result(code, need, None))
    return results


def refills_of_run(
    service: Service, connection: Connection, study_id: str, now: datetime
) -> list[tuple[DepotSituation, SiteNeed]]:
    """Every refilled depot as it stands now (UTC), lower ones first, with what it needs."""
    version = connection.execute(select(VERSION_IN_STUDY), {"study": study_id, "now": now}).scalar_one()
    situations = depot_situations(connection, study_id, version, now, service.protocols)
    return [(one, depot_need(one)) for one in situations]


def depot_result(
    depot_id: str, need: SiteNeed, proposal: OrderProposal | None, shared: Shares | None = None
) -> dict[str, Any]:
    """One depot's line in the run's entry, as that of a site; how a kit type was shared is in it where there was anything to share."""
    found = site_result(depot_id, need, proposal, shared)
    del found["site_id"]
    if not found["fair_share"]:
        del found["fair_share"]
    return {"depot_id": depot_id, **found}


def filled_depot_order(
    connection: Connection,
    study_id: str,
    protocol: Protocol,
    need: SiteNeed,
    at: DepotAt,
    supplier_today: date,
    shares: Shares,
) -> tuple[list[str], OrderProposal]:
    """The numbers of the kits to ship and the proposal, from the supplying depot's stock on its date, within its `shares`."""
    name = depot_asker(at.depot_id)
    lines = limit_to_shares(need.lines, {kind: one.shares[name] for kind, one in shares.items()})
    rows: list[Row[Any]] = []
    lots = None
    if any_country_dates(connection, study_id):
        for line in lines:
            rows += all_kits_at_depot(connection, study_id, at.supplied_by, line.kit_type)
        lots = lot_expiries(connection, study_id, {row.lot_id for row in rows})
    else:
        for line in lines:
            rows += kits_at_depot(connection, study_id, at.supplied_by, line.kit_type, supplier_today)
    candidates = candidates_from(rows, *at.countries, lots=lots, shipping=True)
    supplies, policy = kit_type_supplies(protocol), order_policy(protocol)
    proposal = fill_order(lines, candidates, supplies, supplier_today, policy)
    return [rows[index].kit_number for index in proposal.shipped], proposal


def _order_for_depot(
    service: Service,
    act: Act,
    study_id: str,
    request: DepotOrderRequest,
    why: dict[str, Any],
    shares: Shares,
) -> dict[str, Any]:
    """Decide the depot again while nothing moves anywhere: its demand is made from the stock of every site below it."""

    def body(transaction: Transaction) -> dict[str, Any]:
        in_whole_study(transaction)
        connection = transaction.connection
        situations = depot_situations(
            connection, study_id, transaction.version, transaction.now, service.protocols
        )
        situation = next(one for one in situations if one.at.depot_id == request.depot_id)
        at, need = situation.at, depot_need(situation)
        if not need.lines:
            return depot_result(at.depot_id, need, None)
        supplier_today = transaction.at_zone(depot_zone(connection, study_id, at.supplied_by))
        of_need = {line.kit_type for line in need.lines}
        shared = {kit_type: one for kit_type, one in shares.items() if kit_type in of_need}
        numbers, proposal = filled_depot_order(
            connection, study_id, situation.protocol, need, at, supplier_today, shared
        )
        result = depot_result(at.depot_id, need, proposal, shared)
        if not numbers:
            return result
        ends = ShipmentEnds(Place.DEPOT, at.supplied_by, Place.DEPOT, at.depot_id)
        shipment_id = next_shipment_id(connection, study_id, ends)
        result = {**result, "shipment_id": shipment_id}
        dates = dates_for_order(connection, study_id, situation.protocol, numbers, None)
        after = {
            "shipment_id": shipment_id,
            "run_id": request.run_id,
            **why,
            **ends.payload(),
            "status": opening_status(Approval(situation.protocol.supply.order_approval), by_hand=False).value,
            "ordered_by": act.actor.username,
            "requested_on": at.today.isoformat(),
            "kits": numbers,
            **({"dates": dates} if dates else {}),
            "quantities": {line.line.kit_type: len(line.shipped) for line in proposal.lines if line.shipped},
            "record": decision_record(need, proposal, shared),
        }
        return transaction.append(after, answer=result)

    return execute(service, act, study_id, "order_shipment", request, body)


def order_lines(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The orders among the results, as a run answers them."""
    return [
        {"depot_id": one["depot_id"], "shipment_id": one["shipment_id"], "kits": one["shipped"]}
        for one in results
        if one["shipment_id"]
    ]

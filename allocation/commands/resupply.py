"""The resupply run: expired kits are turned over, then each open site is decided, and those in need get an order each.

Each order is a transaction of its own, with its whole decision record, so that a run that is cut off leaves whole orders only;
running it again orders nothing twice, because what was ordered is in the pipeline. The run's own entry says why the other sites
got nothing.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlalchemy import Connection, Row, func, select

from allocation.access.permissions import authorize
from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.kit_candidates import MARGIN, candidates_from, is_released, kits_at_depot
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.site_supply import (
    SiteAt,
    SiteNeed,
    kit_type_supplies,
    order_policy,
    site_need,
    site_situations,
)
from allocation.commands.transaction import Transaction, earlier_answer, execute, unknown_study
from allocation.errors import NotFound
from allocation.ledger.canonical import sha256_hex
from allocation.ledger.schema import depot, ledger_entry, shipment, site
from allocation.ledger.versions import VERSION_IN_STUDY, version_in_country
from allocation.rules.orders import LotChoice, OrderProposal, fill_order
from allocation.study.model import Code


class RunResupplyRequest(CommandRequest):
    """A run over all open sites, or over `sites` only."""

    sites: tuple[Code, ...] = ()


class OrderRequest(CommandRequest):
    """The part of a run that concerns one site."""

    run_id: str = Field(
        exclude=True
    )  # whoever sends a run twice at once means one run, whatever the moment in its id
    site_id: Code


def run_resupply(service: Service, act: Act, study_id: str, request: RunResupplyRequest) -> dict[str, Any]:
    """Run resupply now; answers the run's id, its orders and the kits in them.

    Raises NotFound for an unknown study or a site that is not open, NotPermitted. With an idempotency key a repeated run gives the
    first answer, and one that was cut off goes on: what it has ordered stands, and the sites that are left are decided now.
    """
    now = service.clock()
    authorize(act.actor, "resupply.run", study_id)
    # A repeated run has the same id, by its key; two runs without one are two runs, even at the same moment.
    mark = secrets.token_hex(3) if act.idempotency_key is None else sha256_hex(act.idempotency_key)[:6]
    run_id = f"RUN-{now:%Y%m%d-%H%M%S}-{mark}"
    base_key = act.idempotency_key or run_id
    cut_off = None
    if request.sites:
        _require_open(service, study_id, request.sites)
    if act.idempotency_key is not None:
        answer = earlier_answer(service, act, study_id, "run_resupply", request)
        if answer is not None:
            return answer
        cut_off = _cut_off_run(service, act, study_id)
        run_id = cut_off or run_id
    expire_kits(
        service,
        replace(act, idempotency_key=f"{base_key}:expire", signature=None),
        study_id,
        ExpireKitsRequest(),
    )
    with service.database.read() as connection:
        _require_in_force(connection, study_id, now)
        sites = _open_sites(connection, study_id, request.sites, now)
        places = [_site_at(row, now) for row in sites]
        situations = site_situations(connection, study_id, places, now, service.protocols)
    needs = [(row, site_need(found)) for row, found in zip(sites, situations, strict=True)]
    results = []
    for row, need in needs:
        order = OrderRequest(run_id=run_id, site_id=row.site_id)
        order_act = replace(act, idempotency_key=f"{base_key}:{row.site_id}", signature=None)
        ordered = None
        if cut_off is not None:
            ordered = earlier_answer(service, order_act, study_id, "order_shipment", order)
        if ordered is not None:
            results.append(ordered)
        elif need.lines:
            results.append(_order_for_site(service, order_act, study_id, order))
        else:
            results.append(_result(row.site_id, need, None))

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        orders = [one for one in results if one["shipment_id"]]
        kits = sum(one["shipped"] for one in orders)
        after = {
            "run_id": run_id,
            "run_date": now.date().isoformat(),
            "sites": results,
            "orders": len(orders),
            "kits_ordered": kits,
        }
        answer = {
            "run_id": run_id,
            "sites": len(results),
            "orders": [
                {"site_id": one["site_id"], "shipment_id": one["shipment_id"], "kits": one["shipped"]}
                for one in orders
            ],
            "kits": kits,
        }
        return transaction.append(after, answer=answer)

    return execute(service, act, study_id, "run_resupply", request, body)


def _cut_off_run(service: Service, act: Act, study_id: str) -> str | None:
    """The id of the run that was begun with this key and has orders, but was cut off before its end; None when there is none."""
    begun = (
        select(ledger_entry.c.after_json)
        .where(
            ledger_entry.c.study_id == study_id,
            ledger_entry.c.actor == act.actor.username,
            ledger_entry.c.command == "order_shipment",
            ledger_entry.c.idempotency_key.startswith(f"{act.idempotency_key}:", autoescape=True),
        )
        .limit(1)
    )
    with service.database.read() as connection:
        found = connection.execute(begun).scalar()
    return None if found is None else str(json.loads(found)["run_id"])


def _require_open(service: Service, study_id: str, wanted: tuple[str, ...]) -> None:
    """Raise NotFound, before anything is written, for sites that are not open: they would be passed over in silence."""
    now = service.clock()
    with service.database.read() as connection:
        _require_in_force(connection, study_id, now)
        found = {row.site_id for row in _open_sites(connection, study_id, wanted, now)}
    if missing := [site_id for site_id in wanted if site_id not in found]:
        raise NotFound(
            f"not open in study {study_id}, or in a country where no protocol version is in force yet: {', '.join(missing)}",
            field="sites",
            fix="name sites that are open and may act, or none for all of them",
        )


def _require_in_force(connection: Connection, study_id: str, now: datetime) -> None:
    """Raise NotFound for a study that is not loaded, or not in force anywhere yet."""
    if connection.execute(select(VERSION_IN_STUDY), {"study": study_id, "now": now}).scalar() is None:
        raise unknown_study(study_id)


def _open_sites(
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


def _site_at(row: Any, now: datetime) -> SiteAt:
    today = now.astimezone(ZoneInfo(row.timezone)).date()
    return SiteAt(row.site_id, row.country, row.depot_id, row.profile, today, row.version)


def _order_for_site(service: Service, act: Act, study_id: str, request: OrderRequest) -> dict[str, Any]:
    """Decide the site again under the locks of its stock and its depot's, and order what the depot has."""

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_site(request.site_id)
        at = SiteAt(
            request.site_id,
            row.site_country,
            row.depot_id,
            row.profile,
            transaction.today,
            transaction.version,
        )
        (situation,) = site_situations(
            transaction.connection, study_id, [at], transaction.now, service.protocols
        )
        need = site_need(situation)
        if not need.lines:
            return _result(request.site_id, need, None)
        locked = (
            select(depot)
            .where(depot.c.study_id == study_id, depot.c.depot_id == row.depot_id)
            .with_for_update()
        )
        from_depot = transaction.connection.execute(locked).one()
        numbers, proposal = _fill(transaction, need, at, transaction.at_zone(from_depot.timezone))
        result = _result(request.site_id, need, proposal)
        if not numbers:
            return result
        sent = (
            select(func.count())
            .select_from(shipment)
            .where(shipment.c.study_id == study_id, shipment.c.site_id == request.site_id)
        )
        shipment_id = f"{request.site_id}-S{int(transaction.connection.execute(sent).scalar_one()) + 1:03d}"
        result = {**result, "shipment_id": shipment_id}
        after = {
            "shipment_id": shipment_id,
            "run_id": request.run_id,
            "depot_id": row.depot_id,
            "site_id": request.site_id,
            "requested_on": transaction.today.isoformat(),
            "kits": numbers,
            "quantities": {line.line.kit_type: len(line.shipped) for line in proposal.lines if line.shipped},
            "record": decision_record(need, proposal),
        }
        return transaction.append(after, answer=result, site_id=request.site_id)

    return execute(service, act, study_id, "order_shipment", request, body)


def _fill(
    transaction: Transaction, need: SiteNeed, at: SiteAt, depot_today: date
) -> tuple[list[str], OrderProposal]:
    """The kits to ship, from the depot's stock, which is locked."""
    policy = order_policy(transaction.protocol)
    supplies = kit_type_supplies(transaction.protocol)
    rows: list[Row[Any]] = []
    for line in need.lines:
        stock = (transaction.connection, transaction.study_id, at.depot_id, line.kit_type, depot_today)
        # The rule takes the oldest first, as the rows come, so with a margin for unreleased lots it needs no more than this.
        first = None if policy.lot_choice == LotChoice.MIN_SHIPMENTS else 2 * line.ordered + MARGIN
        found = kits_at_depot(*stock, first)
        if len(found) == first and sum(is_released(one, at.country) for one in found) < line.ordered:
            found = kits_at_depot(*stock)
        rows += found
    candidates = candidates_from(rows, at.country)
    proposal = fill_order(need.lines, candidates, supplies, depot_today, policy)
    return [rows[index].kit_number for index in proposal.shipped], proposal


def decision_record(need: SiteNeed, proposal: OrderProposal) -> dict[str, Any]:
    """The facts behind an order: what was counted, each subject visit, the levels, and what the depot could give."""
    return {
        "why": need.why,
        "decisions": [
            {
                **{
                    name: value
                    for name, value in asdict(one).items()
                    if name not in ("parameters", "counted")
                },
                "parameters": {
                    name: getattr(value, "value", value) for name, value in asdict(one.parameters).items()
                },
                "parameter_sources": {
                    name: str(source) for name, source in need.parameters[one.kit_type].sources.items()
                },
                "buffers": _buffers_record(need, one.kit_type),
                "counted": [[due.subject, due.visit, due.due_offset, due.quantity] for due in one.counted],
            }
            for one in need.decisions
        ],
        "ignored_subjects": [list(one) for one in need.ignored_subjects],
        "lines": [
            {
                "kit_type": line.line.kit_type,
                "needed": line.line.needed,
                "ordered": line.line.ordered,
                "raised": [why.value for why in line.line.raised],
                "shipped": len(line.shipped),
                "shortfall": line.shortfall,
            }
            for line in proposal.lines
        ],
        "rule_version": proposal.rule_version,
        "exposed_groups": list(proposal.exposed_groups),
    }


def _buffers_record(need: SiteNeed, kit_type: str) -> dict[str, Any]:
    """Which provider gave the two buffers, and the inputs that it had."""
    provider = need.parameters[kit_type].buffer_from
    record = need.buffers[kit_type].record
    return {"provider": provider} if record is None else {"provider": provider, **asdict(record)}


def _result(site_id: str, need: SiteNeed, proposal: OrderProposal | None) -> dict[str, Any]:
    """One site's line in the run's entry."""
    shipped = {} if proposal is None else {line.line.kit_type: len(line.shipped) for line in proposal.lines}
    why = need.why
    if proposal is not None and not proposal.shipped:
        why = "the depot has nothing to ship"
    return {
        "site_id": site_id,
        "shipment_id": None,
        "shipped": sum(shipped.values()),
        "shortfall": 0 if proposal is None else proposal.shortfall,
        "why": why,
        "kit_types": [
            [
                one.kit_type,
                one.on_hand,
                one.pipeline,
                one.d_short,
                one.d_long,
                one.trigger_level,
                one.up_to_level,
                one.quantity,
            ]
            for one in need.decisions
        ],
    }

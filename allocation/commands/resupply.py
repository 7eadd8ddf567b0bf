"""The resupply run: expired kits are turned over, then each open site is decided, and those in need get an order each.

Each order is a transaction of its own, with its whole decision record, so that a run that is cut off leaves whole orders only;
running it again orders nothing twice, because what was ordered is in the pipeline. The run's own entry says why the other sites
got nothing.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import select

from allocation.access.permissions import authorize
from allocation.commands.automatic_pooling import PoolsOfRun
from allocation.commands.depot_orders import order_for_depots, order_lines, refills_of_run
from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.lot_expiry import dates_for_order
from allocation.commands.open_sites import open_sites, require_in_force, site_at
from allocation.commands.order_filling import (
    Shares,
    filled_order,
    order_ends,
    origin_zone,
)
from allocation.commands.order_record import decision_record, site_result
from allocation.commands.resupply_events import Waiting, take_away, waiting_at
from allocation.commands.satellite_supply import lock_satellites, supplied_situations
from allocation.commands.scarce_stock import shares_of_run
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipment_numbers import next_shipment_id
from allocation.commands.site_supply import (
    SiteAt,
    site_need,
)
from allocation.commands.transaction import Transaction, earlier_answer, execute
from allocation.errors import NotFound
from allocation.ledger.canonical import sha256_hex
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import ledger_entry
from allocation.rules.shipment_status import Approval, opening_status
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


def run_resupply(
    service: Service,
    act: Act,
    study_id: str,
    request: RunResupplyRequest,
    *,
    scheduled_for: datetime | None = None,
    expiries: bool = True,
) -> dict[str, Any]:
    """Run resupply now; answers the run's id, its orders and the kits in them. It answers the sites that wait since an event, too.

    `scheduled_for`: the moment (UTC) of the schedule that it is made for. `expiries`: whether expired kits are turned over first.

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
    if expiries:
        expire_act = replace(act, idempotency_key=f"{base_key}:expire", signature=None)
        expire_kits(service, expire_act, study_id, ExpireKitsRequest())
    with service.database.read() as connection:
        require_in_force(connection, study_id, now)
        sites = open_sites(connection, study_id, request.sites, now)
        waiting = waiting_at(connection, study_id, [row.site_id for row in sites])
        places = [site_at(row, now) for row in sites]
        situations = supplied_situations(connection, study_id, places, now, service.protocols)
        decided = [site_need(found) for found in situations]
        asked = list(zip(places, decided, strict=True))
    pools = PoolsOfRun(service, study_id, run_id, base_key, act.actor.username)
    pools.for_sites(asked)
    with service.database.read() as connection:
        refills = [] if request.sites else refills_of_run(service, connection, study_id, now)
        shares = shares_of_run(connection, study_id, asked, refills, now, service.protocols)
    needs = list(zip(sites, decided, strict=True))
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
            of_site = shares.get(row.site_id, {})
            why = _asked_by(scheduled_for, waiting.get(row.site_id, []))
            results.append(_order_for_site(service, order_act, study_id, order, of_site, why))
        else:
            results.append(site_result(row.site_id, need, None))
    for one in results:
        pools.at_site(one["site_id"], one.get("short", {}))
    depots: list[dict[str, Any]] = []
    if not request.sites:
        why = _asked_by(scheduled_for, [])
        depots = order_for_depots(
            service, replace(act, signature=None), study_id, run_id, base_key, why, pools, shares
        )

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        orders = [one for one in results if one["shipment_id"]]
        refills = order_lines(depots)
        kits = sum(one["shipped"] for one in (*orders, *depots))
        after = {
            "run_id": run_id,
            "run_date": now.date().isoformat(),
            "began_at": moment_text(now),
            **_asked_by(scheduled_for, [one for found in waiting.values() for one in found]),
            "sites": results,
            **({"depots": depots} if depots else {}),
            **({"pools": pools.tries} if pools.tries else {}),
            "orders": len(orders) + len(refills),
            "kits_ordered": kits,
        }
        answer = {
            "run_id": run_id,
            "sites": len(results),
            "orders": [
                {"site_id": one["site_id"], "shipment_id": one["shipment_id"], "kits": one["shipped"]}
                for one in orders
            ],
            "depot_orders": refills,
            "kits": kits,
        }
        take_away(transaction.connection, study_id, [one for found in waiting.values() for one in found])
        return transaction.append(after, answer=answer)

    return execute(service, act, study_id, "run_resupply", request, body)


def _asked_by(scheduled_for: datetime | None, waiting: list[Waiting]) -> dict[str, Any]:
    """Why the run was made, where nobody asked for it by hand: the moment of the schedule, and the entries that it answers."""
    return {
        **({} if scheduled_for is None else {"scheduled_for": moment_text(scheduled_for)}),
        **({"events": [list(one) for one in waiting]} if waiting else {}),
    }


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
        require_in_force(connection, study_id, now)
        found = {row.site_id for row in open_sites(connection, study_id, wanted, now)}
    if missing := [site_id for site_id in wanted if site_id not in found]:
        raise NotFound(
            f"not open in study {study_id}, or in a country where no protocol version is in force yet: {', '.join(missing)}",
            field="sites",
            fix="name sites that are open and may act, or none for all of them",
        )


def _order_for_site(
    service: Service, act: Act, study_id: str, request: OrderRequest, shares: Shares, why: dict[str, Any]
) -> dict[str, Any]:
    """Decide the site again under the locks of its stock and its depot's, and order what the depot has, within its `shares`.

    `why` goes into the entry: what asked for the run.
    """

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
        lock_satellites(transaction.connection, study_id, transaction.protocol, request.site_id)
        (situation,) = supplied_situations(
            transaction.connection, study_id, [at], transaction.now, service.protocols
        )
        need = site_need(situation)
        if not need.lines:
            return site_result(request.site_id, need, None)
        from_zone = origin_zone(transaction.connection, study_id, transaction.protocol, at, lock=True)
        # The sites' needs may have moved since the run shared the depot out, and then a kit type may be whole again or new.
        of_need = {line.kit_type for line in need.lines}
        shared = {kit_type: one for kit_type, one in shares.items() if kit_type in of_need}
        numbers, proposal = filled_order(
            transaction.connection,
            study_id,
            transaction.protocol,
            need,
            at,
            transaction.at_zone(from_zone),
            shared,
        )
        result = site_result(request.site_id, need, proposal, shared)
        if not numbers:
            return result
        ends = order_ends(transaction.protocol, at)
        shipment_id = next_shipment_id(transaction.connection, study_id, ends)
        result = {**result, "shipment_id": shipment_id}
        dates = dates_for_order(
            transaction.connection, study_id, transaction.protocol, numbers, row.site_country
        )
        after = {
            "shipment_id": shipment_id,
            "run_id": request.run_id,
            **why,
            **ends.payload(),
            "status": opening_status(
                Approval(transaction.protocol.supply.order_approval), by_hand=False
            ).value,
            "ordered_by": act.actor.username,
            "requested_on": transaction.today.isoformat(),
            "kits": numbers,
            **({"dates": dates} if dates else {}),
            "quantities": {line.line.kit_type: len(line.shipped) for line in proposal.lines if line.shipped},
            "record": decision_record(need, proposal, shared),
        }
        return transaction.append(after, answer=result, site_id=request.site_id)

    return execute(service, act, study_id, "order_shipment", request, body)

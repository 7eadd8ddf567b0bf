"""Why a site was sent what it was sent, or nothing: the last decision about it, derived again from the ledger. UNBLINDING.

The state of the moment is folded from the ledger's entries before the decision, and the same rules are asked again. What was counted and
what was not is read from that state, and the result is compared with what the ledger recorded at the time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.commands.counted_stock import (
    PipelineLine,
    StockLine,
    pipeline_lines,
    stock_lines,
    subjects_not_counted,
)
from allocation.commands.order_filling import filled_order, origin_zone
from allocation.commands.order_record import NOTHING_TO_SHIP, decision_record, site_result
from allocation.commands.pool_explanation import KitOrigin, PoolTry, kits_by_origin, tries_of_run
from allocation.commands.satellite_supply import supplied_situations
from allocation.commands.site_supply import SiteAt, site_need
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.proposals import SignedProposal, latest_signed
from allocation.ledger.reader import SealedEntry, entries_backwards
from allocation.ledger.replay import Progress, no_progress, replayed
from allocation.ledger.schema import site
from allocation.ledger.sealing import seal_pending
from allocation.ledger.versions import Protocols, version_in_country
from allocation.rules.fair_share import SharedKitType
from allocation.study.satellites import pharmacy_of


@dataclass(frozen=True, slots=True)
class ResupplyExplanation:
    """One decision about a site. `recorded` is what the ledger holds of it, `record` the same derived again, with all its facts.

    `shipment_id` is None where nothing was sent; `why` says why, or why it was. `on` is the site's date. `asked_by`: what the run was made
    for: a moment of the schedule, entries that reduced the site's stock, or whoever asked for it.
    `pools`: what the run tried to take from pools for it; `kits_by_origin`: how many of its kits came from them.
    `protocol_version`: that it was decided under; `proposal`: the latest signed proposal of supply parameters up to that version, if any.
    """

    study_id: str
    site_id: str
    depot_id: str
    run_id: str
    position: int
    recorded_at: datetime
    on: date
    asked_by: tuple[str, ...]
    shipment_id: str | None
    why: str
    stock: tuple[StockLine, ...]
    pipeline: tuple[PipelineLine, ...]
    subjects_not_counted: tuple[tuple[str, str], ...]
    record: dict[str, Any]
    recorded: dict[str, Any]
    derives_to_the_same: bool
    protocol_version: int
    proposal: SignedProposal | None
    pools: tuple[PoolTry, ...] = ()
    kits_by_origin: tuple[KitOrigin, ...] = ()


def explain_resupply(
    database: Database,
    actor: Actor,
    study_id: str,
    site_id: str,
    up_to: date | None = None,
    progress: Progress = no_progress,
) -> ResupplyExplanation:
    """Explain the last decision about a site, or the last one up to the end of the day `up_to` (UTC).

    Raises NotPermitted, and NotFound where no run has decided the site by then.
    """
    authorize(actor, "view.stock.unblinded", study_id, site_id=site_id)
    seal_pending(database)
    entry, recorded = _last_decision(database, study_id, site_id, up_to)
    state = replayed(database, study_id, entry.position - 1, progress)
    try:
        found = _derived(state, study_id, site_id, entry, recorded)
    finally:
        state.close()
        state.engine.dispose()
    return with_pools(database, entry, found)


def with_pools(
    database: Database, entry: SealedEntry, found: ResupplyExplanation, refills: str = ""
) -> ResupplyExplanation:
    """The explanation with what the run took from pools, or tried to. `refills`: the depot that the decision is about, if it is one."""
    tries = tries_of_run(database, found.study_id, found.run_id, entry)
    types = {one["kit_type"] for one in found.record["lines"]}
    ours = tuple(
        one
        for one in tries
        if one.refills == refills
        and (one.level, one.place) in (("site", found.site_id), ("depot", found.depot_id))
        and one.kit_type in types
    )
    kits = found.recorded["kits"] if found.shipment_id is not None else ()
    return replace(found, pools=ours, kits_by_origin=kits_by_origin(database, found.study_id, kits, ours))


def _last_decision(
    database: Database, study_id: str, site_id: str, up_to: date | None
) -> tuple[SealedEntry, dict[str, Any]]:
    """The entry that decided the site last, and what it says of it: an order of its own, or its line in the entry of a run."""
    for entry in decisions_backwards(database, study_id, up_to):
        if entry.command == "order_shipment" and entry.site_id == site_id:
            return entry, entry.after
        for one in entry.after["sites"] if entry.command == "run_resupply" else ():
            # A site with an order has an entry of its own, which stands before that of the run.
            if one["site_id"] == site_id and one["shipment_id"] is None:
                return entry, one
    raise NotFound(
        f"no resupply run has decided site {site_id!r}" + ("" if up_to is None else f" up to {up_to}"),
        field="SITE",
        fix="name a site that was open at a run; `rtsm resupply run` decides every open one",
    )


def decisions_backwards(database: Database, study_id: str, up_to: date | None) -> Iterator[SealedEntry]:
    """The entries of orders and runs, the last one up to the end of the day `up_to` (UTC) first."""
    before = None if up_to is None else datetime.combine(up_to + timedelta(days=1), time(), UTC)
    return entries_backwards(database, study_id, ("order_shipment", "run_resupply"), before)


def _derived(
    state: Connection, study_id: str, site_id: str, entry: SealedEntry, recorded: dict[str, Any]
) -> ResupplyExplanation:
    moment = entry.recorded_at
    query = select(site, version_in_country(site.c.country)).where(
        site.c.study_id == study_id, site.c.site_id == site_id
    )
    row = state.execute(query, {"study": study_id, "now": moment}).one()
    today = moment.astimezone(ZoneInfo(row.timezone)).date()
    at = SiteAt(site_id, row.country, row.depot_id, row.profile, today, row.version)
    known: Protocols = {}
    (situation,) = supplied_situations(state, study_id, [at], moment, known)
    need = site_need(situation)
    ordered = entry.command == "order_shipment"
    shares = recorded["record"].get("fair_share", ()) if ordered else recorded.get("fair_share", ())
    shared = {one["kit_type"]: SharedKitType(**one) for one in shares}
    tried = ordered or recorded["why"] == NOTHING_TO_SHIP
    numbers: list[str] = []
    proposal = None
    if tried and need.lines:
        zone = origin_zone(state, study_id, situation.protocol, at)
        depot_today = moment.astimezone(ZoneInfo(zone)).date()
        numbers, proposal = filled_order(state, study_id, situation.protocol, need, at, depot_today, shared)
    record = plain(decision_record(need, proposal, shared))
    if ordered:
        same = numbers == recorded["kits"] and agrees(recorded["record"], record)
    else:
        same = agrees(recorded, plain(site_result(site_id, need, proposal, shared)))
    return ResupplyExplanation(
        study_id=study_id,
        site_id=site_id,
        depot_id=pharmacy_of(situation.protocol, site_id) or row.depot_id,
        run_id=recorded["run_id"] if ordered else entry.after["run_id"],
        position=entry.position,
        recorded_at=moment,
        on=today,
        asked_by=asked_by(entry, site_id),
        shipment_id=recorded["shipment_id"],
        why=recorded["record"]["why"] if ordered else recorded["why"],
        stock=stock_lines(state, study_id, situation),
        pipeline=pipeline_lines(state, study_id, situation),
        subjects_not_counted=subjects_not_counted(state, study_id, situation, need),
        record=record,
        recorded=recorded,
        derives_to_the_same=same,
        protocol_version=row.version,
        proposal=latest_signed(state, study_id, row.version),
    )


def asked_by(entry: SealedEntry, site_id: str) -> tuple[str, ...]:
    """Such as `the schedule of 2026-03-02 04:00 UTC`, or `dispense, entry 57`."""
    moment = entry.after.get("scheduled_for")
    asked = [f"the schedule of {datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"] if moment else []
    asked += [
        f"{command}, entry {number}" for at, number, command in entry.after.get("events", ()) if at == site_id
    ]
    return tuple(asked) or (entry.actor,)


def plain(value: Any) -> Any:
    """The value as the ledger gives it back."""
    return json.loads(json.dumps(value, default=str))


def agrees(recorded: Any, derived: Any) -> bool:
    """Whether all that was recorded comes out again; a record of an earlier release may know fewer facts than today's."""
    if isinstance(recorded, dict):
        return isinstance(derived, dict) and all(
            name in derived and agrees(value, derived[name]) for name, value in recorded.items()
        )
    if isinstance(recorded, list):
        return (
            isinstance(derived, list)
            and len(recorded) == len(derived)
            and all(agrees(one, other) for one, other in zip(recorded, derived, strict=True))
        )
    return bool(recorded == derived)

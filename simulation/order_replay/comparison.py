"""Every resupply run of a ledger decided anew by the twin, order by order against what the service issued."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.reader import SealedEntry, iter_sealed, protocol_at
from allocation.rules.orders import OrderLine
from allocation.study.protocol import Protocol
from simulation.order_replay.deciding import Deciding
from simulation.order_replay.twin_state import TwinState


@dataclass(frozen=True)
class Difference:
    """One kit type of one site in one run on which twin and service do not agree; `twin` and `service` are kits by lot."""

    run_id: str
    on: date
    site_id: str
    kit_type: str
    twin: dict[str, int]
    service: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """As a mapping of plain values."""
        return {**self.__dict__, "on": self.on.isoformat()}


@dataclass
class OrderComparison:
    """How far the twin's orders are those of the service. `decided`: sites decided over all runs, of which most need nothing.

    `orders` and `kits` are the service's; `agreed` the orders that are the same in site, date, kit types, quantities and lots.
    """

    study_id: str
    runs: int = 0
    decided: int = 0
    orders: int = 0
    kits: int = 0
    agreed: int = 0
    other_orders: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether every order is the same, and the twin made none that the service did not make."""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """As a mapping of plain values."""
        found = {**self.__dict__, "differences": [one.as_json() for one in self.differences]}
        return {**found, "equal": self.equal}


@dataclass
class _Run:
    """A run under way: what the twin asks for at each site by the state at its beginning, and the sites that have an order."""

    run_id: str
    at: datetime
    asked: dict[str, tuple[OrderLine, ...]]
    shares: dict[str, dict[str, int]]
    ordered: set[str] = field(default_factory=set)


def replay_orders(database: Database, actor: Actor, study_id: str) -> OrderComparison:
    """Decide every resupply run of a study anew on the twin's state. It tells kit types and lots: unblinded.

    Raises NotPermitted, NotFound for an unknown study, OrderReplayError for what the twin does not play.
    """
    authorize(actor, "scenario.fit", study_id)
    return compare_orders(study_id, protocol_at(database, study_id), iter_sealed(database, study_id))


def compare_orders(study_id: str, protocol: Protocol, entries: Iterable[SealedEntry]) -> OrderComparison:
    """As `replay_orders`, from sealed entries.

    Needs are decided on the state at a run's beginning, as the service does before it orders site by site. After each comparison the
    state takes in the order that was recorded, so that one difference does not become many.
    """
    state, deciding, found = TwinState(protocol), Deciding(protocol), OrderComparison(study_id)
    run: _Run | None = None
    for entry in entries:
        if entry.command == "order_shipment" and entry.after.get("run_id") is not None:
            if run is None or run.run_id != entry.after["run_id"]:
                run = _begun(state, deciding, entry.after["run_id"], entry.recorded_at)
            _compare(state, deciding, found, run, entry)
        elif entry.command == "order_shipment":
            found.other_orders += 1
        elif entry.command == "run_resupply":
            if run is None or run.run_id != entry.after["run_id"]:
                run = _begun(state, deciding, entry.after["run_id"], entry.recorded_at)
            _finish(state, deciding, found, run, entry)
            run = None
        state.apply(entry)
    return found


def _begun(state: TwinState, deciding: Deciding, run_id: str, at: datetime) -> _Run:
    asked = {
        code: deciding.needs(state, site, at.astimezone(ZoneInfo(site.timezone)).date())
        for code, site in sorted(state.sites.items())
    }
    days = {depot: at.astimezone(ZoneInfo(zone)).date() for depot, zone in state.depot_zones.items()}
    return _Run(run_id, at, asked, deciding.shares(state, asked, days))


def _twin_order(state: TwinState, deciding: Deciding, run: _Run, site_id: str) -> Counter[tuple[str, str]]:
    lines = run.asked.get(site_id, ())
    if not lines:
        return Counter()
    site = state.sites[site_id]
    today = run.at.astimezone(ZoneInfo(state.depot_zones[site.depot])).date()
    return deciding.order(state, site, lines, run.shares.get(site_id, {}), today)


def _compare(
    state: TwinState, deciding: Deciding, found: OrderComparison, run: _Run, entry: SealedEntry
) -> None:
    site_id = entry.site_id or ""
    run.ordered.add(site_id)
    service = Counter(
        (state.lots[state.lot_of[one]].kit_type, state.lot_of[one]) for one in entry.after["kits"]
    )
    twin = _twin_order(state, deciding, run, site_id)
    found.orders += 1
    found.kits += service.total()
    on = date.fromisoformat(entry.after["requested_on"])
    differences = _differences(run.run_id, on, site_id, twin, service)
    found.agreed += not differences
    found.differences += differences


def _finish(
    state: TwinState, deciding: Deciding, found: OrderComparison, run: _Run, entry: SealedEntry
) -> None:
    """The sites that got nothing: the twin orders nothing there either, or says what it would."""
    found.runs += 1
    decided = [one["site_id"] for one in entry.after["sites"]]
    found.decided += len(decided)
    on = date.fromisoformat(entry.after["run_date"])
    for site_id in decided:
        if site_id not in run.ordered:
            twin = _twin_order(state, deciding, run, site_id)
            found.differences += _differences(run.run_id, on, site_id, twin, Counter())


def _differences(
    run_id: str, on: date, site_id: str, twin: Counter[tuple[str, str]], service: Counter[tuple[str, str]]
) -> list[Difference]:
    types = sorted({kit_type for kit_type, _ in (*twin, *service)})
    found = []
    for kit_type in types:
        ours = {lot: kits for (of, lot), kits in sorted(twin.items()) if of == kit_type and kits}
        theirs = {lot: kits for (of, lot), kits in sorted(service.items()) if of == kit_type and kits}
        if ours != theirs:
            found.append(Difference(run_id, on, site_id, kit_type, ours, theirs))
    return found

"""A trial cut at a day: the state of the readable engine then as a `Present`, from which the rest of it can be played."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from allocation.rules import demand
from allocation.study.protocol import Protocol
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.day_laws import LawTables, joined
from simulation.engines.outcomes import N_OUTCOMES, Replicate
from simulation.engines.plan import NOT_LEAVING, TrialPlan
from simulation.engines.plan_arrays import floats, ints
from simulation.engines.plan_disruptions import Outages
from simulation.engines.plan_of_study import plan_of
from simulation.engines.plan_present import NOT_OPEN, NOT_YET, Present
from simulation.engines.simpy_twin import shipment
from simulation.engines.simpy_twin.twin import RANKS, Twin
from simulation.scenario import Scenario


@dataclass
class Received:
    """A shipment that was received: the day, the site, the address of its draws, its kits by lot."""

    day: int
    site: int
    index: int
    contents: dict[int, int]


@contextmanager
def receipts() -> Iterator[list[Received]]:
    """Take down what the readable engine receives meanwhile."""
    seen: list[Received] = []
    unpack = shipment.unpack

    def unpacked(twin: Any, place: int, contents: dict[int, int], index: int) -> None:
        seen.append(Received(twin.day, place, index, dict(contents)))
        unpack(twin, place, contents, index)

    shipment.unpack = unpacked
    try:
        yield seen
    finally:
        shipment.unpack = unpack


@dataclass
class Cut:
    """A trial that was played whole, and the plan of its rest from day `day` on. `subjects`: its numbers of those whom the rest has."""

    whole: Replicate
    plan: TrialPlan
    day: int
    subjects: list[int]


class Laws:
    """The laws that a present state adds to those of its plan: each of one day, or loosened, of several."""

    def __init__(self, plan: TrialPlan, loose: int) -> None:
        self.plan, self.loose, self.tables = plan, loose, LawTables()

    def on(self, day: int) -> int:
        law = self.tables.add_shares(day, [1 / (self.loose + 1)] * (self.loose + 1))
        return len(self.plan.laws.first) + law


def cuttable(protocol: Protocol, scenario: Scenario) -> TrialPlan:
    """The plan of a trial without what a present state does not carry (live_start/checks.py)."""
    planned = protocol.model_dump(mode="json")
    event = planned["randomization"][0]
    planned["randomization"][0] = {
        **{name: event[name] for name in ("code", "visit", "factors")},
        "method": "permuted_block",
        "block_sizes": [2 * sum(arm["ratio"] for arm in planned["arms"])],
        "held_by": event["held_by"] if event["held_by"] in ("country", "site") else "stratum",
    }
    planned["caps"] = [cap for cap in planned["caps"] if cap["kind"] != "forced_randomization"]
    planned["supply"] |= {
        "pipeline_statuses": ["requested", "confirmed", "in_transit"],
        "order_approval": "none",
    }
    _without_lower_depots(planned)
    played = scenario.model_dump(mode="json")
    for part in ("excursions", "replacement", "campaigns"):
        played.pop(part)
    for lot in played["lots"]:
        lot["release_delay_days"] = None
        for arrival in lot["arrivals"]:
            arrival["depot"] = "DEP"
    played["screening"].pop("supply_wait_days")
    for outage in played["shipping"]["outages"]:
        outage["depot"] = "DEP"
    return plan_of(Protocol.model_validate(planned), Scenario.model_validate(played))


def _without_lower_depots(protocol: dict[str, Any]) -> None:
    protocol["depots"] = protocol["depots"][:1]
    protocol["lanes"] = [
        lane for lane in protocol["lanes"] if lane["depot"] == "DEP" and not lane["to_depot"]
    ]
    for place in (*protocol["countries"], protocol["sites"][0]):
        place["depot"] = "DEP"
    parameters = protocol["supply"]["parameters"]
    protocol["supply"]["parameters"] = [entry for entry in parameters if entry["level"] != "depot"]


def cut(plan: TrialPlan, seed: int, replicate: int, day: int, loose: int = 0) -> Cut | None:
    """The trial cut before `day` begins; None where it has ended before. `loose`: so many days more may pass before what is under way."""
    with receipts() as received:
        whole = Twin(plan, seed, replicate).run(trace=True)
    twin = Twin(plan, seed, replicate)
    end = twin.start()
    twin.environment.run(until=day * len(phases.PHASES) * RANKS)
    if end.triggered:
        return None
    laws = Laws(plan, loose)
    people = [one for site in twin.sites for one in site.subjects]
    active = sorted((one for one in people if one.state in _ACTIVE), key=lambda one: one.index)
    sent = _in_flight(whole, received, plan, day)
    present = Present(
        there=1,
        origin=day,
        last_order=ints([NOT_YET if one.last_order is None else one.last_order - day for one in twin.sites]),
        **_sites(twin, whole, laws, day),
        depot_stock=ints(twin.depots.stock).reshape(-1),
        stock=ints([site.stock for site in twin.sites]).reshape(-1),
        caps_used=ints(twin.caps.counts),
        **_blocks(twin),
        **_subjects(active, whole, laws, day),
        shipments=len(sent),
        shipment_site=ints([one.site for one in sent]),
        shipment_index=ints([one.index for one in sent]),
        shipment_left=ints([1 for _ in sent]),
        shipment_law=ints([laws.on(one.day - day) for one in sent]),
        contents=ints([[one.contents.get(lot, 0) for lot in range(plan.lots.size)] for one in sent]).reshape(
            -1
        ),
        so_far=floats([_so_far(twin, outcome) for outcome in range(N_OUTCOMES)]),
    )
    rest = _shifted(plan, day)._replace(laws=joined(plan.laws, laws.tables.laws()), present=present)
    old = [one.index for one in active] + list(range(twin.subjects, twin.subjects + len(whole.trace)))
    return Cut(whole, rest, day, old)


_ACTIVE = (demand.SCREENED, demand.RANDOMIZED)


def _so_far(twin: Twin, outcome: int) -> float:
    return -1 if outcome in (out.DAY_LAST_RANDOMIZED, out.DAY_LAST_VISIT) else twin.tally[outcome]


def _when(whole: Replicate, day: int, kinds: tuple[int, ...], column: int, of: int, days: int) -> int:
    """Days from the cut to the first event of a kind from then on; `days` where there is none."""
    rows = whole.trace[(whole.trace[:, 0] >= day) & (whole.trace[:, column] == of)]
    found = rows[np.isin(rows[:, 2], kinds), 0]
    return int(found.min()) - day if len(found) else days


def _sites(twin: Twin, whole: Replicate, laws: Laws, day: int) -> dict[str, Any]:
    plan, days = twin.plan, twin.plan.calendar.days
    rows = []
    for site in twin.sites:
        index, opened = site.index, site.opened_on
        used = 0.0
        for arrival in range(site.screened):
            used += twin.draws.gap(index, arrival)
        if opened is None:
            opens = laws.on(_when(whole, day, (events.OPENED,), 3, index, days))
            rows.append((NOT_OPEN, opens, 0.0, 0.0, 0.0, 0, 0.0))
            continue
        rate = twin.draws.own_rate(index, float(plan.sites.rate[index]), plan.sites.gamma_shape)
        intensity = plan.sites.intensity[plan.sites.pattern[index]]
        base, slope = float(intensity[opened] - intensity[day]), float(plan.sites.decay[opened])
        rows.append((opened - day, -1, rate, base, slope, opened - day, used))
    opened_on, opening_law, rate_of, base_of, slope_of, since, operational = zip(*rows, strict=True)
    return {
        "opened": ints(opened_on),
        "opening_law": ints(opening_law),
        "never_opens": floats([0.0 for _ in rows]),
        "screened": ints([site.screened for site in twin.sites]),
        "rate": floats(rate_of),
        "shape": floats([1.5 if laws.loose else 0.0 for _ in rows]),
        "since": ints(since),
        "operational": floats(operational),
        "base": floats(base_of),
        "slope": floats(slope_of),
    }


def _blocks(twin: Twin) -> dict[str, Any]:
    runs = twin.allocator.runs
    return {
        "allocated": ints([one.allocated for one in runs]),
        "block_size": ints([one.size for one in runs]),
        "taken": ints([one.taken for one in runs]).reshape(-1),
    }


def _subjects(active: list[Any], whole: Replicate, laws: Laws, day: int) -> dict[str, Any]:
    ends = (events.SCREEN_FAILED, events.RANDOMIZED, events.REFUSED)
    days = laws.plan.calendar.days
    law, leaving = [], []
    for one in active:
        on_study = one.state == demand.RANDOMIZED
        kinds = (events.VISITED, events.MISSED) if on_study else ends
        law.append(laws.on(_when(whole, day, kinds, 4, one.index, days)))
        gone = _when(whole, day, (events.DISCONTINUED,), 4, one.index, -1)
        leaving.append(laws.on(gone) if on_study and gone >= 0 else NOT_LEAVING)
    return {
        "subjects": len(active),
        "site": ints([one.site.index for one in active]),
        "number": ints([one.number for one in active]),
        "arm": ints([one.arm for one in active]),
        "level": ints([one.level for one in active]),
        "stratum": ints(
            [one.index % laws.plan.subjects.stratum_count if laws.loose else -1 for one in active]
        ),
        "eligible": ints([one.index % 2 if laws.loose else 0 for one in active]),
        "visit": ints([one.next_visit for one in active]),
        "titrated": ints([one.titrated for one in active]),
        "skipped": ints([one.skipped_last_dispensing for one in active]),
        "day0": ints([one.randomized_on - day if one.state == demand.RANDOMIZED else 0 for one in active]),
        "law": ints(law),
        "leaving_law": ints(leaving),
    }


def _in_flight(whole: Replicate, received: list[Received], plan: TrialPlan, day: int) -> list[Received]:
    """The shipments that were ordered before the cut, and are received after it or never."""
    found = [one for one in received if one.index < day <= one.day]
    arrived = {(one.site, one.index) for one in received}
    contents: dict[tuple[int, int], dict[int, int]] = {}
    for row in whole.trace[(whole.trace[:, 2] == events.ORDERED) & (whole.trace[:, 0] < day)]:
        contents.setdefault((int(row[3]), int(row[0])), {})[int(row[6])] = int(row[7])
    for (site, ordered), kits in contents.items():
        if (site, ordered) not in arrived:
            found.append(Received(plan.calendar.days + day, site, ordered, kits))
    return sorted(found, key=lambda one: (one.index, one.site))


def _shifted(plan: TrialPlan, day: int) -> TrialPlan:
    """The plan as of the day: its calendar, and whatever is by day."""
    calendar, lots = plan.calendar, plan.lots
    days = calendar.days - day
    coming = lots.arrival_day >= day
    return plan._replace(
        calendar=calendar._replace(
            first_ordinal=calendar.first_ordinal + day,
            days=days,
            weeks=-(-days // 7),
            monday=(calendar.monday + day) % 7,
        ),
        sites=plan.sites._replace(
            intensity=np.ascontiguousarray(plan.sites.intensity[:, day:] - plan.sites.intensity[:, [day]]),
            decay=np.ascontiguousarray(plan.sites.decay[day:]),
        ),
        lots=lots._replace(
            expiry_day=lots.expiry_day - day,
            arrival_lot=lots.arrival_lot[coming],
            arrival_depot=lots.arrival_depot[coming],
            arrival_day=lots.arrival_day[coming] - day,
            arrival_kits=lots.arrival_kits[coming],
        ),
        resupply=plan.resupply._replace(period=plan.resupply.period[day:], run=plan.resupply.run[day:]),
        outages=_outages_from(plan.outages, day),
        closings=plan.closings._replace(day=np.maximum(plan.closings.day - day, 0)),
    )


def _outages_from(outages: Outages, day: int) -> Outages:
    if not outages.any:
        return outages
    tables = (outages.leaves, outages.arrives)
    leaves, arrives = (np.ascontiguousarray(table[:, day:] - day) for table in tables)
    return outages._replace(leaves=leaves, arrives=arrives)

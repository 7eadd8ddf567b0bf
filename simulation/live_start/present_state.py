"""A study's state in the numbers of a plan (`plan_present.Present`): what is under way gets its law, given that it has not happened yet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

from allocation.study.allocation_scheme import event_ratio
from allocation.study.protocol import Protocol
from allocation.study.strata import strata_of, stratum_key
from simulation.engines.day_laws import LawTables, joined
from simulation.engines.plan import NOT_LEAVING, TrialPlan
from simulation.engines.plan_arrays import floats, ints
from simulation.engines.plan_of_allocation import drawn_strata, holders_of
from simulation.engines.plan_of_study import drop_out_shares
from simulation.engines.plan_of_visits import levels_of, visits_of
from simulation.engines.plan_present import NOT_OPEN, NOT_YET, Present
from simulation.live_start import day_chances
from simulation.live_start.lots_at_hand import code_of
from simulation.live_start.recruiting_so_far import going_on
from simulation.live_start.so_far import so_far
from simulation.live_start.study_state import BlockFacts, Pile, ShipmentFacts, StudyState, SubjectFacts
from simulation.scenario import Scenario


@dataclass
class Going:
    """What the parts below share: the state, the documents, the plan from day 0 on with its lots, and the laws that are added to it."""

    state: StudyState
    protocol: Protocol
    scenario: Scenario
    plan: TrialPlan
    lots: tuple[str, ...]
    day0: date
    laws: LawTables

    def day(self, on: date) -> int:
        """A past day as a number: -1 the last one before day 0."""
        return min((on - self.day0).days, -1)

    def law(self, chances: day_chances.Chances, weekdays: bool) -> int:
        """The index of the law of something that has not happened yet."""
        overdue = day_chances.first_working_day(self.plan, weekdays)
        law = day_chances.given_not_yet(chances, self.plan.calendar.days, overdue)
        return len(self.plan.laws.first) + self.laws.add_shares(*law)

    def by_lot(self, kits: Counter[Pile]) -> list[int]:
        """Kits in the order of the plan's lots."""
        held = {code_of(self.state, pile): count for pile, count in kits.items()}
        return [held.get(code, 0) for code in self.lots]


def with_present(
    state: StudyState,
    protocol: Protocol,
    scenario: Scenario,
    plan: TrialPlan,
    lots: tuple[str, ...],
    day0: date,
) -> TrialPlan:
    """The plan, which begins on `day0`, with the present state. `scenario` is as it was given, `lots` are the codes of the plan's."""
    going = Going(state, protocol, scenario, plan, lots, day0, LawTables())
    visits = visits_of(protocol)
    active, completed = [], 0
    for one in state.subjects:
        if one.status == "randomized" and _next_visit(one, [visit.code for visit in visits]) == len(visits):
            completed += 1
        elif one.status in ("screening", "eligible", "randomized"):
            active.append(one)
    numbers = _numbers(state)
    sent = [one for one in state.shipments if one.to[0] == "site"]
    sites = [site.code for site in protocol.sites]
    oldest = min([scenario.starts_on, *(one.ordered_on for one in sent)])
    origin = (day0 - oldest).days
    present = Present(
        there=1,
        origin=origin,
        last_order=ints([_last_order(going, site) for site in sites]),
        **_sites(going),
        depot_stock=ints(
            [going.by_lot(_at(state, "depot", depot.code)) for depot in protocol.depots]
        ).reshape(-1),
        stock=ints([going.by_lot(_at(state, "site", site)) for site in sites]).reshape(-1),
        caps_used=ints([_used(going, cap) for cap in range(plan.caps.size)]),
        **_blocks(going),
        **_subjects(going, active, numbers),
        shipments=len(sent),
        shipment_site=ints([sites.index(one.to[1]) for one in sent]),
        shipment_index=ints([(one.ordered_on - day0).days + origin for one in sent]),
        shipment_left=ints([one.dispatched_on is not None for one in sent]),
        shipment_law=ints([_receipt(going, one, sites.index(one.to[1])) for one in sent]),
        contents=ints([going.by_lot(one.kits) for one in sent]).reshape(-1),
        so_far=so_far(state, protocol, plan, completed),
    )
    # LawTables has no rows where nothing is under way, and the laws of the plan stay as they are.
    laws = joined(plan.laws, going.laws.laws())
    expected = plan.subjects_expected + len(active)
    return plan._replace(laws=laws, present=present, subjects_expected=expected)


def _at(state: StudyState, kind: str, place: str) -> Counter[Pile]:
    return state.stock.get((kind, place), Counter())


def _numbers(state: StudyState) -> dict[str, int]:
    """Subject -> its number at its site, from 0 by the order of screening."""
    seen: Counter[str] = Counter()
    numbers = {}
    for one in state.subjects:
        numbers[one.code] = seen[one.site]
        seen[one.site] += 1
    return numbers


def _sites(going: Going) -> dict[str, Any]:
    plan, state, day0 = going.plan, going.state, going.day0
    screened = Counter(one.site for one in state.subjects)
    rows = []
    for index, site in enumerate(going.protocol.sites):
        if site.code in state.sites:
            opened_on = min(state.sites[site.code], state.at)
            one = going_on(
                going.scenario, site, float(plan.sites.rate[index]), opened_on, screened[site.code], day0
            )
            rows.append((going.day(opened_on), -1, 0.0, one.rate, one.shape, one.since, one.base, one.slope))
            continue
        planned = ((site.planned_activation or going.scenario.starts_on) - day0).days
        chances = day_chances.openings(plan, planned)
        never = plan.sites.never_opens
        left = (1 - never) * day_chances.survival(chances)
        never = never / (never + left) if never > 0 else 0.0
        rows.append((NOT_OPEN, going.law(chances, plan.sites.weekdays), never, 0.0, 0.0, 0, 0.0, 0.0))
    opened, law, never_opens, rate, shape, since, base, slope = zip(*rows, strict=True)
    return {
        "opened": ints(opened),
        "opening_law": ints(law),
        "never_opens": floats(never_opens),
        "screened": ints([screened[site.code] for site in going.protocol.sites]),
        "rate": floats(rate),
        "shape": floats(shape),
        "since": ints(since),
        "operational": floats([0.0 for _ in rows]),
        "base": floats(base),
        "slope": floats(slope),
    }


def _last_order(going: Going, site: str) -> int:
    ordered_on = going.state.last_orders.get(site)
    return NOT_YET if ordered_on is None else going.day(ordered_on)


def _used(going: Going, cap: int) -> int:
    """How many count toward a cap of the protocol."""
    of = [one for one in going.protocol.caps if one.kind != "forced_randomization"][cap]
    countries = {site.code: site.country for site in going.protocol.sites}
    return sum(
        (of.kind == "screening" or one.randomized_on is not None)
        and of.key in {"study": (of.key,), "country": (countries[one.site],), "site": (one.site,)}[of.scope]
        for one in going.state.subjects
    )


def _blocks(going: Going) -> dict[str, Any]:
    event = going.protocol.randomization[0]
    runs = [
        going.state.blocks.get((holder, stratum_key(levels, event.factors)), BlockFacts())
        for holder in holders_of(going.protocol)
        for levels in strata_of(going.protocol, event)
    ]
    arms = [arm for arm, _ in event_ratio(going.protocol, event)]
    return {
        "allocated": ints([one.used for one in runs]),
        "block_size": ints([one.size for one in runs]),
        "taken": ints([[one.arms[arm] for arm in arms] for one in runs]).reshape(-1),
    }


def _next_visit(one: SubjectFacts, visits: list[str]) -> int:
    """The place of the visit after the last one that took place or was missed."""
    return max((place + 1 for place, code in enumerate(visits) if code in one.visits), default=0)


def _subjects(going: Going, active: list[SubjectFacts], numbers: dict[str, int]) -> dict[str, Any]:
    sites = [site.code for site in going.protocol.sites]
    rows = [
        _in_screening(going, one) if one.randomized_on is None else _on_study(going, one, one.randomized_on)
        for one in active
    ]
    arm, level, stratum, eligible, visit, skipped, titrated, day0, law, leaving = (
        zip(*rows, strict=True) if rows else ((),) * 10
    )
    return {
        "subjects": len(active),
        "site": ints([sites.index(one.site) for one in active]),
        "number": ints([numbers[one.code] for one in active]),
        "arm": ints(arm),
        "level": ints(level),
        "stratum": ints(stratum),
        "eligible": ints(eligible),
        "visit": ints(visit),
        "skipped": ints(skipped),
        "titrated": ints(titrated),
        "day0": ints(day0),
        "law": ints(law),
        "leaving_law": ints(leaving),
    }


def _in_screening(going: Going, one: SubjectFacts) -> tuple[int, ...]:
    plan = going.plan
    drawn = drawn_strata(going.protocol, going.scenario).levels
    known = {code: one.levels[code] for code in drawn[0] if code in one.levels}
    stratum = drawn.index(known) if len(known) == len(drawn[0]) else -1
    law = going.law(day_chances.decisions(plan, going.day(one.screened_on)), bool(plan.sites.weekdays))
    return -1, 0, stratum, int(one.eligible), 0, 0, 0, 0, law, NOT_LEAVING


def _on_study(going: Going, one: SubjectFacts, randomized_on: date) -> tuple[int, ...]:
    plan, protocol, visits = going.plan, going.protocol, visits_of(going.protocol)
    day0 = going.day(randomized_on)
    arm = [arm.code for arm in protocol.arms].index(str(one.arm))
    level = levels_of(protocol).index(one.dose_level) if one.dose_level else int(plan.doses.start[arm])
    visit = _next_visit(one, [visit.code for visit in visits])
    comings = day_chances.comings(plan, day0, visit) if visit else [(day0, 1.0)]
    leaving = NOT_LEAVING
    shares = drop_out_shares(going.scenario, str(one.arm), plan.calendar.days - day0)
    if shares:
        leaving = going.law(((day0 + 1 + place, share) for place, share in enumerate(shares)), False)
    dispensing = [visit.code for visit in visits[:visit] if visit.dispensing]
    skipped = bool(dispensing) and not one.visits.get(dispensing[-1], (False,))[0]
    titrated = any(
        plan.doses.titrated[place] and one.visits.get(done.code, (False,))[0]
        for place, done in enumerate(visits[:visit])
    )
    return (
        arm,
        level,
        -1,
        1,
        visit,
        int(skipped),
        int(titrated),
        day0,
        going.law(comings, bool(plan.visits.weekdays)),
        leaving,
    )


def _receipt(going: Going, one: ShipmentFacts, site: int) -> int:
    ordered = going.day(one.ordered_on)
    dispatched = None if one.dispatched_on is None else going.day(one.dispatched_on)
    chances = day_chances.receipts(going.plan, site, ordered, dispatched)
    return going.law(chances, bool(going.plan.lanes.weekdays))

"""What has happened before day 0, in the outcomes of a replicate: so that they count the whole trial.

What a ledger does not tell is counted from day 0 on: missed dispensings (it has visits without kits, not why), refused randomizations, kit
days and with them the cost of storage, and the days of the last randomization and visit.
"""

from __future__ import annotations

from datetime import date, timedelta

from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.visits import LATE, classify_day
from allocation.study.protocol import Protocol
from simulation.engines import outcomes as out
from simulation.engines.outcomes import N_OUTCOMES
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_arrays import Floats, floats
from simulation.engines.plan_of_visits import visits_of
from simulation.live_start.study_state import StudyState, SubjectFacts


def so_far(state: StudyState, protocol: Protocol, plan: TrialPlan, completed: int) -> Floats:
    """The outcomes before day 0. `completed`: of those who have had their last visit, how many are not recorded as completed."""
    found = dict.fromkeys(range(N_OUTCOMES), 0.0)
    people = state.subjects
    found[out.SCREENED] = len(people)
    found[out.SCREEN_FAILURES] = sum(one.status == "screen_failed" for one in people)
    found[out.RANDOMIZED] = sum(one.randomized_on is not None for one in people)
    found[out.COMPLETED] = completed + sum(one.status == "completed" for one in people)
    found[out.DISCONTINUED] = sum(
        one.status == "discontinued" and one.randomized_on is not None for one in people
    )
    visits = [_visits(protocol, plan, one) for one in people]
    for outcome, counts in zip(
        (out.VISITS, out.MISSED_VISITS, out.LATE_VISITS), zip(*visits, strict=True), strict=False
    ):
        found[outcome] = sum(counts)
    _kits(state, found)
    _shipments(state, protocol, plan, found)
    found[out.DAY_LAST_RANDOMIZED] = found[out.DAY_LAST_VISIT] = -1
    return floats([found[column] for column in range(N_OUTCOMES)])


def _visits(protocol: Protocol, plan: TrialPlan, subject: SubjectFacts) -> tuple[int, int, int]:
    """How many planned visits from randomization on took place, were missed, and of those that took place were late."""
    if subject.randomized_on is None:
        return 0, 0, 0
    done = missed = late = 0
    for index, visit in enumerate(visits_of(protocol)):
        took_place, on = subject.visits.get(visit.code, (None, None))
        done += took_place is True
        missed += took_place is False
        if on is not None and took_place:
            late += _late(plan, subject.randomized_on, index, on)
    return done, missed, late


def _late(plan: TrialPlan, randomized_on: date, visit: int, on: date) -> bool:
    opens, closes = (
        (randomized_on + timedelta(days=int(ends[visit]))).toordinal()
        for ends in (plan.visits.opens, plan.visits.closes)
    )
    return bool(classify_day(on.toordinal(), opens, closes) == LATE)


def _kits(state: StudyState, found: dict[int, float]) -> None:
    """Every kit that is accounted for by an outcome was produced; kits set aside are in none."""
    found[out.KITS_DISPENSED] = state.dispensed
    for (status, place_kind), kits in state.gone.items():
        if status == KitStatus.EXPIRED.value:
            at_site = place_kind == Place.SITE.value
            found[out.KITS_EXPIRED_SITE if at_site else out.KITS_EXPIRED_DEPOT] += kits
        elif status == KitStatus.LOST.value:
            found[out.KITS_LOST] += kits
        else:
            found[out.KITS_DAMAGED] += kits
    held = sum(kits.total() for kits in state.stock.values()) + state.in_flight
    found[out.KITS_PRODUCED] = held + state.dispensed + sum(state.gone.values())


def _shipments(state: StudyState, protocol: Protocol, plan: TrialPlan, found: dict[int, float]) -> None:
    sites = [site.code for site in protocol.sites]
    kit_types = [kit_type.code for kit_type in protocol.kit_types]
    found[out.ORDERS] = found[out.SHIPMENTS] = state.shipped.total()
    found[out.KITS_SHIPPED] = state.kits_shipped.total()
    found[out.COST_KITS] = sum(
        count * float(plan.kits.cost[kit_types.index(kit_type)])
        for kit_type, count in state.kits_shipped.items()
    )
    for (_, site), count in state.shipped.items():
        found[out.COST_SHIPMENTS] += count * float(plan.lanes.cost[sites.index(site)])
        found[out.CO2_KG] += count * float(plan.lanes.co2_kg[sites.index(site)])

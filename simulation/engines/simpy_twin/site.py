"""A site: its stock, and the people who come to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.calendar_days import first_day_reaching, weekday_after
from simulation.engines.simpy_twin.depot import lots_of, may_be_taken
from simulation.engines.simpy_twin.subject import Subject, in_screening

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.ordering import OnTheWay
    from simulation.engines.simpy_twin.twin import Twin

STOCKING = 1 << 32
"""Sites are given their first stock after the lots of the first day."""


class Site:
    """The stock of a site by lot, what is on its way to it by kit type, and how many were screened."""

    def __init__(self, twin: Twin, index: int) -> None:
        self.twin = twin
        self.index = index
        self.depot = int(twin.plan.sites.depot[index])
        self.stock = [0] * twin.plan.lots.size
        self.ordered = [0] * twin.plan.kits.size
        self.country = int(twin.plan.sites.country[index])
        self.screened = 0
        self.opened_on: int | None = None
        self.subjects: list[Subject] = []
        self.first_screened_on: int | None = None
        self.last_order: int | None = None
        self.on_the_way: list[OnTheWay] = []

    def usable(self, kit_type: int, until: int) -> dict[int, int]:
        """Kits of a type that may be dispensed today and stay valid `until` a day, by lot, earliest expiry first."""
        days = int(self.twin.plan.kits.dnd_days[kit_type])
        return {
            lot: self.stock[lot]
            for lot in lots_of(self.twin, kit_type)
            if may_be_taken(self.twin, lot, self.country, days, until)
        }

    def take(self, kit_type: int, wanted: int, until: int) -> dict[int, int]:
        """Take `wanted` kits for a subject; gives how many of which lot."""
        taken = {}
        for lot, there in self.usable(kit_type, until).items():
            kits = min(there, wanted)
            if kits > 0:
                self.stock[lot] -= kits
                wanted -= kits
                taken[lot] = kits
        return taken


def recruiting(twin: Twin, site: Site) -> Any:
    """Stock the site, open it, and let people come as a Poisson process of the site's own rate, until a cap is reached."""
    plan, draws, index = twin.plan, twin.draws, site.index
    calendar = plan.calendar
    yield twin.until(0, phases.LOTS, STOCKING + index)
    _give_initial_stock(twin, site)
    if draws.never_opens(index):
        return
    opened = max(int(plan.sites.planned_day[index]) + draws.opening_delay(index), 0)
    if plan.sites.weekdays:
        opened = weekday_after(opened, calendar.monday)
    if opened >= calendar.days:
        return
    yield twin.until(opened, phases.OPENINGS, index)
    site.opened_on = opened
    twin.record(phases.OPENINGS, events.OPENED, index)
    rate = draws.own_rate(index)
    arrival, operational = 0, 0.0
    while rate > 0:
        operational += draws.gap(index, arrival)
        arrival += 1
        day = _day_of(twin, index, opened, operational / rate)
        if day >= calendar.days:
            return
        yield twin.until(day, phases.SCREENINGS, index)
        if twin.closed or twin.caps.stop_screening(index):
            return
        _screen(twin, site)


def _day_of(twin: Twin, site: int, opened: int, after: float) -> int:
    """The day on which `after` days at the site's first rate have passed, by season, pauses and decay."""
    plan, days = twin.plan, twin.plan.calendar.days
    if plan.sites.flat:
        if after >= days:
            return days
        day = opened + int(after)
    else:
        cumulative = plan.sites.intensity[plan.sites.pattern[site]]
        level = float(cumulative[opened]) + after * float(plan.sites.decay[opened])
        day = first_day_reaching(cumulative, 0, days, level)
    return weekday_after(day, plan.calendar.monday) if plan.sites.weekdays else day


def _give_initial_stock(twin: Twin, site: Site) -> None:
    for kit_type in range(twin.plan.kits.size):
        wanted = int(twin.plan.resupply.initial[site.index, kit_type])
        taken = twin.depots.take(site.depot, kit_type, site.country, wanted)
        twin.count(out.KITS_SHIPPED, sum(taken.values()))
        twin.count(out.COST_KITS, sum(taken.values()) * float(twin.plan.kits.cost[kit_type]))
        for lot, kits in taken.items():
            site.stock[lot] += kits
            twin.record(phases.LOTS, events.STOCKED, site.index, -1, kit_type, lot, kits)


def _screen(twin: Twin, site: Site) -> None:
    """A person is screened; the subject's process goes on from there."""
    subject = Subject(twin.subjects, site, site.screened)
    twin.subjects += 1
    twin.on_study += 1
    site.screened += 1
    if site.first_screened_on is None:
        site.first_screened_on = twin.day
    site.subjects.append(subject)
    twin.count(out.SCREENED)
    twin.caps.count(site.index, randomized=False)
    twin.record(phases.SCREENINGS, events.SCREENED, site.index, subject.index)
    twin.environment.process(in_screening(twin, subject))

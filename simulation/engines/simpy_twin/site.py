"""A site: its stock, and the people who come to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.calendar_days import first_day_reaching, weekday_after
from simulation.engines.simpy_twin.depot import lots_of, may_be_taken
from simulation.engines.simpy_twin.excursions import storage_excursions
from simulation.engines.simpy_twin.subject import Subject, in_screening

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.ordering import OnTheWay
    from simulation.engines.simpy_twin.twin import Twin

STOCKING = 1 << 32
"""Sites are given their first stock after the lots of the first day."""


class Site:
    """The stock of a site by lot, what is in quarantine there, what is on its way to it by kit type, and how many were screened."""

    def __init__(self, twin: Twin, index: int) -> None:
        self.twin = twin
        self.index = index
        self.depot = int(twin.plan.sites.depot[index])
        self.stock = [0] * twin.plan.lots.size
        self.quarantine = [0] * twin.plan.lots.size
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
    """Stock the site, open it, and let people come, until a cap is reached."""
    plan, draws, index = twin.plan, twin.draws, site.index
    calendar = plan.calendar
    yield twin.until(0, phases.LOTS, STOCKING + index)
    _give_initial_stock(twin, site)
    if draws.never_opens(index):
        return
    opened = max(int(plan.sites.planned_day[index]) + draws.opening_delay(index), 0)
    if plan.sites.weekdays:
        opened = weekday_after(opened, calendar.monday)
    yield from opening(twin, site, opened)


def opening(twin: Twin, site: Site, opened: int) -> Any:
    """Open the site on a day, and let people come from then on."""
    plan, index = twin.plan, site.index
    if opened >= plan.calendar.days:
        return
    yield twin.until(opened, phases.OPENINGS, index)
    site.opened_on = opened
    twin.record(phases.OPENINGS, events.OPENED, index)
    twin.environment.process(storage_excursions(twin, site))
    rate = twin.draws.own_rate(index, float(plan.sites.rate[index]), plan.sites.gamma_shape)
    base, slope = 0.0, 0.0
    if not plan.sites.flat:
        base, slope = float(_intensity(twin, index)[opened]), float(plan.sites.decay[opened])
    yield from arrivals(twin, site, Clock(rate, opened, base, slope))


@dataclass
class Clock:
    """How people come to a site: as a Poisson process of its own `rate` a day, from the day `since` on.

    With seasons, pauses or decay, the time t at that rate is reached where the sum of intensities reaches `base` + t x `slope`.
    """

    rate: float
    since: int
    base: float
    slope: float
    operational: float = 0.0


def arrivals(twin: Twin, site: Site, clock: Clock) -> Any:
    """People come, until a cap is reached."""
    arrival = site.screened
    while clock.rate > 0:
        clock.operational += twin.draws.gap(site.index, arrival)
        arrival += 1
        day = _day_of(twin, site.index, clock)
        if day >= twin.plan.calendar.days:
            return
        yield twin.until(day, phases.SCREENINGS, site.index)
        if twin.closed or twin.caps.stop_screening(site.index):
            return
        screen(twin, site)


def _intensity(twin: Twin, site: int) -> Any:
    return twin.plan.sites.intensity[twin.plan.sites.pattern[site]]


def _day_of(twin: Twin, site: int, clock: Clock) -> int:
    """The day of the next arrival, by season, pauses and decay."""
    plan, days = twin.plan, twin.plan.calendar.days
    after = clock.operational / clock.rate
    if plan.sites.flat:
        if after >= days - clock.since:
            return days
        day = clock.since + int(after)
    else:
        level = clock.base + after * clock.slope
        day = first_day_reaching(_intensity(twin, site), 0, days, level)
    return max(weekday_after(day, plan.calendar.monday) if plan.sites.weekdays else day, 0)


def _give_initial_stock(twin: Twin, site: Site) -> None:
    for kit_type in range(twin.plan.kits.size):
        wanted = int(twin.plan.resupply.initial[site.index, kit_type])
        taken = twin.depots.take(site.depot, kit_type, site.country, wanted)
        twin.count(out.KITS_SHIPPED, sum(taken.values()))
        twin.count(out.COST_KITS, sum(taken.values()) * float(twin.plan.kits.cost[kit_type]))
        for lot, kits in taken.items():
            site.stock[lot] += kits
            twin.record(phases.LOTS, events.STOCKED, site.index, -1, kit_type, lot, kits)


def screen(twin: Twin, site: Site, replaces: Subject | None = None) -> None:
    """A person is screened, maybe in the place of one who left; the subject's process goes on from there."""
    subject = Subject(twin.subjects, site, site.screened, replaces=replaces)
    twin.subjects += 1
    twin.on_study += 1
    site.screened += 1
    if site.first_screened_on is None:
        site.first_screened_on = twin.day
    site.subjects.append(subject)
    twin.count(out.SCREENED)
    if replaces is None:
        twin.caps.count(site.index, randomized=False)
    twin.record(phases.SCREENINGS, events.SCREENED, site.index, subject.index)
    twin.environment.process(in_screening(twin, subject))

"""A site: its stock, and the people who come to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.caps import cap_reached
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.simpy_twin.depot import lots_of, may_be_taken
from simulation.engines.simpy_twin.subject import Subject, on_study

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.twin import Twin


class Site:
    """The stock of a site by lot, what is on its way to it by kit type, and how many were screened."""

    def __init__(self, twin: Twin, index: int) -> None:
        self.twin = twin
        self.index = index
        self.depot = int(twin.plan.sites.depot[index])
        self.stock = [0] * twin.plan.lots.size
        self.ordered = [0] * twin.plan.kits.size
        self.screened = 0

    def usable(self, kit_type: int) -> int:
        """Kits of a type that may be dispensed today."""
        days = int(self.twin.plan.kits.dnd_days[kit_type])
        return sum(
            self.stock[lot] for lot in lots_of(self.twin, kit_type) if may_be_taken(self.twin, lot, days)
        )

    def take(self, kit_type: int, wanted: int) -> dict[int, int]:
        """Take `wanted` kits for a subject, earliest expiry first; gives how many of which lot."""
        days, taken = int(self.twin.plan.kits.dnd_days[kit_type]), {}
        for lot in lots_of(self.twin, kit_type):
            kits = min(self.stock[lot], wanted)
            if kits > 0 and may_be_taken(self.twin, lot, days):
                self.stock[lot] -= kits
                wanted -= kits
                taken[lot] = kits
        return taken


def recruiting(twin: Twin, site: Site) -> Any:
    """Stock the site, open it, and let people come as a Poisson process of the site's own rate."""
    plan, draws = twin.plan, twin.draws
    opened = max(int(plan.sites.planned_day[site.index]) + draws.opening_delay(site.index), 0)
    rate = draws.own_rate(site.index)
    yield twin.until(0, phases.EXPIRIES, site.index)
    _give_initial_stock(twin, site)
    arrival, operational = 0, 0.0
    while rate > 0:
        operational += draws.gap(site.index, arrival)
        arrival += 1
        after = operational / rate
        if after >= plan.calendar.days or opened + int(after) >= plan.calendar.days:
            return
        yield twin.until(opened + int(after), phases.SCREENINGS, site.index)
        if twin.closed:
            return
        _screen(twin, site)


def _give_initial_stock(twin: Twin, site: Site) -> None:
    for kit_type in range(twin.plan.kits.size):
        wanted = int(twin.plan.resupply.initial[site.index, kit_type])
        for lot, kits in twin.depots.take(site.depot, kit_type, wanted).items():
            site.stock[lot] += kits
            twin.record(phases.LOTS, events.STOCKED, site.index, -1, kit_type, lot, kits)


def _screen(twin: Twin, site: Site) -> None:
    """A person is screened, and randomized on the same day; at the cap nobody else is screened."""
    subject = Subject(twin.subjects, site, site.screened)
    twin.subjects += 1
    site.screened += 1
    twin.count(out.SCREENED)
    twin.record(phases.SCREENINGS, events.SCREENED, site.index, subject.index)
    twin.on_study += 1
    twin.count(out.RANDOMIZED)
    cap = twin.plan.subjects.cap
    if cap >= 0 and cap_reached(int(twin.tally[out.RANDOMIZED]), cap):
        twin.closed = True
    twin.environment.process(on_study(twin, subject))

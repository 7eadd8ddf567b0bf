"""One replicate in SimPy: its clock, its processes and its books.

SimPy's time is one whole number for (day, phase, rank): processes wait for a place in the order of phases.py, such as the visits of
day 40 for subject 7, so that what happens on one day happens in that order.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import simpy

from simulation.engines import outcomes as out
from simulation.engines import phases
from simulation.engines.outcomes import N_OUTCOMES, N_SERIES, Replicate
from simulation.engines.plan import TrialPlan
from simulation.engines.simpy_twin.allocation import Allocator
from simulation.engines.simpy_twin.caps import Caps
from simulation.engines.simpy_twin.depot import Depots, expiries, lot_arrivals
from simulation.engines.simpy_twin.draws import Draws
from simulation.engines.simpy_twin.present import resume
from simulation.engines.simpy_twin.production import production
from simulation.engines.simpy_twin.replacing import Replacements
from simulation.engines.simpy_twin.resupply import reviews
from simulation.engines.simpy_twin.returns import returns
from simulation.engines.simpy_twin.site import Site, recruiting
from simulation.engines.trace import canonical

RANKS: Final = 1 << 40
"""Places within a phase: subjects, sites, shipments."""


class Twin:
    """A replicate that is being played. `events` is its trace so far, `tally` its outcomes."""

    def __init__(self, plan: TrialPlan, seed: int, replicate: int) -> None:
        self.plan = plan
        self.draws = Draws(plan, seed, replicate)
        self.environment = simpy.Environment()
        self.tally: dict[int, float] = dict.fromkeys(range(N_OUTCOMES), 0)
        self.tally[out.DAY_LAST_RANDOMIZED] = self.tally[out.DAY_LAST_VISIT] = -1
        self.events: list[tuple[int, ...]] = []
        self.weekly = np.zeros((plan.calendar.weeks, N_SERIES), dtype=np.int64)
        self.depots = Depots(self)
        self.sites = [Site(self, index) for index in range(len(plan.sites.words))]
        self.changed: set[int] = set()
        self.subjects = self.on_study = self.in_transit = self.shipments = 0
        self.allocator = Allocator(self)
        self.replacements = Replacements(self)
        self.caps = Caps(self)
        self.closed = False

    @property
    def day(self) -> int:
        """The day that the simulation has reached."""
        return int(self.environment.now) // (len(phases.PHASES) * RANKS)

    @property
    def today(self) -> int:
        """The same day as the rules take it, an ordinal."""
        return self.plan.calendar.first_ordinal + self.day

    @property
    def over(self) -> bool:
        """Whether nobody can be screened any more and nobody is in screening or on study."""
        return self.closed and self.on_study == 0

    def until(self, day: int, phase: int, rank: int = 0) -> simpy.events.Timeout:
        """Wait for a place in the order of things; at once where it is now."""
        at = (day * len(phases.PHASES) + phase) * RANKS + rank
        return self.environment.timeout(at - self.environment.now)

    def record(
        self,
        phase: int,
        kind: int,
        site: int,
        subject: int = -1,
        kit_type: int = -1,
        lot: int = -1,
        quantity: int = 1,
    ) -> None:
        """Write an event of today down."""
        self.events.append((self.day, phase, kind, site, subject, kit_type, lot, quantity))

    def count(self, outcome: int, by: float = 1) -> None:
        """Add to an outcome."""
        self.tally[outcome] += by

    @property
    def kits_at_sites(self) -> int:
        """Kits at all sites, those in quarantine too."""
        return sum(sum(site.stock) + sum(site.quarantine) for site in self.sites)

    def start(self) -> simpy.Process:
        """Begin all that goes on by itself; the process that is given back ends with the trial."""
        environment = self.environment
        environment.process(lot_arrivals(self))
        for made in range(self.plan.production.size):
            environment.process(production(self, made))
        environment.process(expiries(self))
        if self.plan.present.there:
            resume(self)
        else:
            for site in self.sites:
                environment.process(recruiting(self, site))
        environment.process(returns(self))
        environment.process(reviews(self))
        return environment.process(self._books())

    def run(self, trace: bool) -> Replicate:
        """Play from the first day to the end."""
        self.environment.run(until=self.start())
        return Replicate(self._outcomes(), self.weekly, canonical(self.events) if trace else None)

    def _books(self) -> Any:
        """At the close of each day: kit days, the week's row on its last day, and whether the trial has ended."""
        calendar = self.plan.calendar
        for day in range(calendar.days):
            yield self.until(day, phases.CLOSE)
            at_sites, at_depots = self.kits_at_sites, self.depots.kits
            self.count(out.KIT_DAYS, at_sites + at_depots)
            ended = self.over
            if ended or day % 7 == 6 or day == calendar.days - 1:
                row = self.weekly[day // 7]
                row[:] = self._week(at_sites, at_depots)
                if ended:
                    self.weekly[day // 7 :] = row
                    return

    def _week(self, at_sites: int, at_depots: int) -> list[float]:
        tally = self.tally
        series = {
            out.WEEKLY_SCREENED: tally[out.SCREENED],
            out.WEEKLY_RANDOMIZED: tally[out.RANDOMIZED],
            out.WEEKLY_ENDED: tally[out.COMPLETED] + tally[out.DISCONTINUED],
            out.WEEKLY_DISPENSED: tally[out.KITS_DISPENSED],
            out.WEEKLY_MISSED: tally[out.MISSED_DISPENSINGS] + tally[out.OUT_OF_STOCK],
            out.WEEKLY_SHIPMENTS: tally[out.SHIPMENTS],
            out.WEEKLY_EXPIRED: tally[out.KITS_EXPIRED_SITE] + tally[out.KITS_EXPIRED_DEPOT],
            out.WEEKLY_AT_SITES: at_sites,
            out.WEEKLY_IN_TRANSIT: self.in_transit,
            out.WEEKLY_AT_DEPOTS: at_depots,
            out.WEEKLY_LOST: tally[out.KITS_LOST] + tally[out.KITS_DAMAGED],
            out.WEEKLY_RETURNED: tally[out.KITS_RETURNED_UNUSED],
            out.WEEKLY_REJECTED: tally[out.KITS_EXCURSION_REJECTED],
        }
        return [series[column] for column in range(N_SERIES)]

    def _outcomes(self) -> Any:
        tally, costs = self.tally, self.plan.costs
        tally[out.KITS_LEFT] = self.depots.kits
        tally[out.KITS_LEFT_SITES] = self.kits_at_sites
        tally[out.KITS_LEFT_TRANSIT] = self.in_transit
        destroyed = sum(
            tally[outcome]
            for outcome in (
                out.KITS_EXPIRED_SITE,
                out.KITS_EXPIRED_DEPOT,
                out.KITS_DAMAGED,
                out.KITS_RETURNED_UNUSED,
                out.KITS_EXCURSION_REJECTED,
            )
        )
        tally[out.COST_STORAGE] = tally[out.KIT_DAYS] * costs.storage_per_kit_day
        tally[out.COST_DESTRUCTION] = destroyed * costs.destruction_per_kit
        tally[out.COST_LOST_SUBJECTS] = tally[out.SUBJECTS_LOST_TO_STOCKOUT] * costs.lost_subject
        return np.array([tally[outcome] for outcome in range(N_OUTCOMES)], dtype=np.float64)

"""RTSM-BENCH-100 (bench100.py) as a competent user of SimPy would write it: the peer that the compiled engine is compared with.

Time is in days. Recruitment, subjects and shipments are processes; one process reviews all sites at the end of every day. It has no
feature beyond the trial, and knows nothing of this project. `only_changed` makes it faster by keeping a set of the sites to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from random import Random

import simpy

from benchmarks.bench100 import (
    BLOCK,
    DAYS_BETWEEN_VISITS,
    JITTER_DAYS,
    LEAD_DAYS,
    LEAVES,
    OPENS_WITHIN_DAYS,
    RATE_PER_DAY,
    RATE_SHAPE,
    SITES,
    SUBJECTS,
    VISITS,
    Outcome,
    Thresholds,
)

END_OF_DAY = 1 - 1e-6


class Site:
    """Kits on hand and on the way, by arm."""

    def __init__(self, up_to: int) -> None:
        self.on_hand = [up_to, up_to]
        self.on_the_way = [0, 0]


class Trial:
    """One replicate."""

    def __init__(
        self, env: simpy.Environment, rng: Random, thresholds: Thresholds, only_changed: bool
    ) -> None:
        self.env, self.rng, self.thresholds, self.only_changed = env, rng, thresholds, only_changed
        self.sites = [Site(thresholds.up_to) for _ in range(SITES)]
        self.changed: set[Site] = set()
        self.block: list[int] = []
        self.enrolled = self.finished = 0
        self.dispensed = self.stock_outs = self.shipments = 0
        self.kits = 2 * SITES * thresholds.up_to
        self.over = env.event()
        for site in self.sites:
            env.process(self.recruit(site))
        env.process(self.review())

    def recruit(self, site: Site) -> Iterator[simpy.Event]:
        """Open the site, and enrol at its own rate until the trial is full."""
        yield self.env.timeout(self.rng.uniform(0, OPENS_WITHIN_DAYS))
        rate = self.rng.gammavariate(RATE_SHAPE, RATE_PER_DAY / RATE_SHAPE)
        while True:
            yield self.env.timeout(self.rng.expovariate(rate))
            if self.enrolled == SUBJECTS:
                return
            self.enrolled += 1
            self.env.process(self.treat(site, self.next_arm()))

    def next_arm(self) -> int:
        """The next entry of the central list."""
        if not self.block:
            self.block = self.rng.sample(BLOCK, len(BLOCK))
        return self.block.pop()

    def treat(self, site: Site, arm: int) -> Iterator[simpy.Event]:
        """A subject's visits."""
        first_day = floor(self.env.now)
        for visit in range(VISITS):
            if visit > 0:
                day = first_day + DAYS_BETWEEN_VISITS * visit + self.rng.randint(-JITTER_DAYS, JITTER_DAYS)
                yield self.env.timeout(day + 0.5 - self.env.now)
            if site.on_hand[arm] > 0:
                site.on_hand[arm] -= 1
                self.dispensed += 1
                self.changed.add(site)
            else:
                self.stock_outs += 1
            if self.rng.random() < LEAVES:
                break
        self.finished += 1
        if self.finished == SUBJECTS:
            self.over.succeed()

    def review(self) -> Iterator[simpy.Event]:
        """At the end of every day, order for each site that has come down to the trigger."""
        yield self.env.timeout(END_OF_DAY)
        while True:
            for site in self.changed if self.only_changed else self.sites:
                positions = [site.on_hand[arm] + site.on_the_way[arm] for arm in (0, 1)]
                if min(positions) <= self.thresholds.trigger:
                    self.env.process(self.ship(site, [self.thresholds.up_to - one for one in positions]))
            self.changed.clear()
            yield self.env.timeout(1)

    def ship(self, site: Site, quantities: list[int]) -> Iterator[simpy.Event]:
        """A shipment, from its order to the shelf."""
        self.shipments += 1
        self.kits += sum(quantities)
        for arm in (0, 1):
            site.on_the_way[arm] += quantities[arm]
        yield self.env.timeout(floor(self.env.now) + self.rng.choice(LEAD_DAYS) - self.env.now)
        for arm in (0, 1):
            site.on_the_way[arm] -= quantities[arm]
            site.on_hand[arm] += quantities[arm]


def play(thresholds: Thresholds, seed: int, only_changed: bool = False) -> Outcome:
    """One replicate; the order in which a set of sites is looked at changes which draws they get, not their law."""
    env = simpy.Environment()
    trial = Trial(env, Random(seed), thresholds, only_changed)  # noqa: S311 (a simulation, no secret)
    env.run(until=trial.over)
    return Outcome(trial.dispensed, trial.stock_outs, trial.shipments, trial.kits)

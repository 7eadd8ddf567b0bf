"""The random numbers of the readable engine: `simulation.streams`, addressed by names, and the shared laws on them."""

from __future__ import annotations

from functools import partial

from simulation.engines.draws import (
    ALLOCATION,
    ARRIVAL,
    LANE_DELAY,
    OPENING,
    RATE,
    RATE_DRAWS,
    SITE_PURPOSES,
    TRIAL,
    VISIT_DAY,
    VISIT_DROP_OUT,
    exponential_gap,
    gamma_attempt,
    place_in,
    subject_index,
)
from simulation.engines.plan import TrialPlan
from simulation.streams import Streams, word_of


class Draws:
    """What chance decides in one replicate."""

    def __init__(self, plan: TrialPlan, seed: int, replicate: int) -> None:
        self.plan = plan
        self.streams = Streams(seed, replicate)

    def _of_site(self, site: int, purpose: int, index: int) -> float:
        return self.streams.uniform_of_words(
            int(self.plan.sites.words[site]), word_of(SITE_PURPOSES[purpose]), index
        )

    def _days(self, law: int, site: int, purpose: int, index: int) -> int:
        laws = self.plan.laws
        begin, first = int(laws.start[law]), int(laws.first[law])
        count = int(laws.start[law + 1]) - begin
        if count == 1:
            return first
        return first + place_in(laws.cumulative, begin, count, self._of_site(site, purpose, index))

    def opening_delay(self, site: int) -> int:
        """Days from the planned activation of a site to its opening."""
        return self._days(self.plan.sites.opening_law, site, OPENING, 0)

    def own_rate(self, site: int) -> float:
        """A site's screenings in a day."""
        mean, shape = float(self.plan.sites.rate[site]), self.plan.sites.gamma_shape
        if shape <= 0:
            return mean
        u = partial(self._of_site, site, RATE)
        attempt = 0
        while True:
            drawn = gamma_attempt(shape, *(u(attempt * RATE_DRAWS + index) for index in range(RATE_DRAWS)))
            if drawn >= 0:
                return mean * (drawn / shape)
            attempt += 1

    def gap(self, site: int, arrival: int) -> float:
        """The gap before an arrival, in the time in which arrivals come at rate 1."""
        return exponential_gap(self._of_site(site, ARRIVAL, arrival))

    def allocation(self, entry: int) -> float:
        """The uniform of an allocation."""
        return self.streams.uniform(TRIAL, ALLOCATION, entry)

    def drops_out(self, site: int, number: int, visit: int) -> bool:
        """Whether a subject leaves instead of coming to a visit."""
        chance = self.plan.subjects.per_visit_drop_out
        if chance <= 0 or chance >= 1:
            return chance >= 1
        return self._of_site(site, VISIT_DROP_OUT, subject_index(number, visit)) < chance

    def visit_offset(self, site: int, number: int, visit: int) -> int:
        """Days from the target of a visit to the day on which the subject comes."""
        law = int(self.plan.visits.day_law[visit])
        return self._days(law, site, VISIT_DAY, subject_index(number, visit))

    def lane_delay(self, site: int, day: int) -> int:
        """Days that a shipment of that day takes beyond the lead time."""
        return self._days(int(self.plan.lanes.delay_law[site]), site, LANE_DELAY, day)

"""The random numbers of the readable engine: `simulation.streams`, addressed by names, and the shared laws on them."""

from __future__ import annotations

from functools import partial

from simulation.engines.draws import (
    ALLOCATION,
    ALLOCATIONS_PER_GROUP,
    APPROVAL_DAYS,
    ARRIVAL,
    BLOCK_SIZE,
    CUSTOMS_DAYS,
    CUSTOMS_HOLD,
    DISPATCH_DAYS,
    DROP_OUT,
    KIT_DAMAGED,
    KIT_REPLACED,
    KITS_PER_SHIPMENT,
    KITS_PER_VISIT,
    LANE_DELAY,
    LATE_DAYS,
    LEAVES_UNSERVED,
    NEVER_OPENS,
    OPENING,
    PRODUCTION_PURPOSES,
    RATE,
    RATE_DRAWS,
    REPLACED,
    REPLACEMENT_DAYS,
    REVIEW_DAYS,
    REVIEW_RELEASES,
    REVIEWS,
    SCREEN_FAILURE,
    SCREENING_DAYS,
    SHIPMENT_EXCURSION,
    SHIPMENT_LOST,
    SITE_PURPOSES,
    STORAGE_EXCURSION,
    STRATUM,
    TITRATION,
    TRIAL,
    VISIT_DAY,
    VISIT_DROP_OUT,
    VISIT_LATE,
    VISIT_MISSED,
    exponential_gap,
    gamma_attempt,
    place_in,
    subject_index,
)
from simulation.engines.plan import NOT_LEAVING, TrialPlan
from simulation.streams import Streams, word_of


class Draws:
    """What chance decides in one replicate."""

    def __init__(self, plan: TrialPlan, seed: int, replicate: int) -> None:
        self.plan = plan
        self.streams = Streams(seed, replicate)

    def _of_site(self, site: int, purpose: int, index: int) -> float:
        """`site` is a depot where it is below -1, as in a trace."""
        word = self.plan.sites.words[site] if site >= 0 else self.plan.refills.words[-2 - site]
        return self.streams.uniform_of_words(int(word), word_of(SITE_PURPOSES[purpose]), index)

    def _days(self, law: int, site: int, purpose: int, index: int) -> int:
        laws = self.plan.laws
        begin, first = int(laws.start[law]), int(laws.first[law])
        count = int(laws.start[law + 1]) - begin - 1
        if count == 1:
            return first
        return first + place_in(laws.cumulative, begin, count, self._of_site(site, purpose, index))

    def _happens(self, chance: float, site: int, purpose: int, index: int) -> bool:
        if chance <= 0 or chance >= 1:
            return chance >= 1
        return self._of_site(site, purpose, index) < chance

    def never_opens(self, site: int) -> bool:
        """Whether a site is never activated."""
        present = self.plan.present
        chance = float(present.never_opens[site]) if present.there else self.plan.sites.never_opens
        return self._happens(chance, site, NEVER_OPENS, 0)

    def opening_delay(self, site: int) -> int:
        """Days from the planned activation of a site to its opening."""
        return self._days(self.plan.sites.opening_law, site, OPENING, 0)

    def own_rate(self, site: int, mean: float, shape: float) -> float:
        """A site's screenings in a day: gamma with that mean and shape, or the mean where the shape is 0."""
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

    def screening_days(self, site: int, number: int) -> int:
        """Days from the screening of a subject to the decision."""
        return self._days(self.plan.subjects.screening_law, site, SCREENING_DAYS, number)

    def fails_screening(self, site: int, number: int) -> bool:
        """Whether a subject is not eligible."""
        return self._happens(self.plan.subjects.failure, site, SCREEN_FAILURE, number)

    def stratum(self, site: int, number: int) -> int:
        """The stratum of a subject."""
        subjects = self.plan.subjects
        if subjects.stratum_count == 1:
            return 0
        return place_in(subjects.strata, 0, subjects.stratum_count, self._of_site(site, STRATUM, number))

    def allocation(self, group: int, entry: int) -> float:
        """The uniform of an allocation in a group (stratum and holder)."""
        return self.streams.uniform(TRIAL, ALLOCATION, group * ALLOCATIONS_PER_GROUP + entry)

    def block_size(self, group: int, entry: int) -> int:
        """The size of a block that begins with an allocation."""
        sizes = self.plan.subjects.block_sizes
        if len(sizes) == 1:
            return int(sizes[0])
        u = self.streams.uniform(TRIAL, BLOCK_SIZE, group * ALLOCATIONS_PER_GROUP + entry)
        return int(sizes[int(u * len(sizes))])

    def days_on_study(self, site: int, number: int, arm: int) -> int | None:
        """Days from randomization until a subject leaves; None: it does not."""
        law = int(self.plan.subjects.drop_out_law[arm])
        return None if law == NOT_LEAVING else self._days(law, site, DROP_OUT, number)

    def drops_out(self, site: int, number: int, visit: int) -> bool:
        """Whether a subject leaves after a visit."""
        chance = self.plan.subjects.per_visit_drop_out
        return self._happens(chance, site, VISIT_DROP_OUT, subject_index(number, visit))

    def leaves_unserved(self, site: int, number: int, visit: int) -> bool:
        """Whether a subject leaves because a visit lacked a kit."""
        chance = self.plan.subjects.leaves_unserved
        return self._happens(chance, site, LEAVES_UNSERVED, subject_index(number, visit))

    def misses(self, site: int, number: int, visit: int) -> bool:
        """Whether a subject misses a visit."""
        return self._happens(self.plan.visits.missed, site, VISIT_MISSED, subject_index(number, visit))

    def days_late(self, site: int, number: int, visit: int) -> int | None:
        """Days after the window on which a subject comes to a visit; None: it comes in the window."""
        visits, index = self.plan.visits, subject_index(number, visit)
        if not self._happens(visits.late, site, VISIT_LATE, index):
            return None
        return self._days(visits.late_law, site, LATE_DAYS, index)

    def visit_offset(self, site: int, number: int, visit: int) -> int:
        """Days from the target of a visit to the day on which the subject comes."""
        law = int(self.plan.visits.day_law[visit])
        return self._days(law, site, VISIT_DAY, subject_index(number, visit))

    def dose_step(self, site: int, number: int, visit: int, arm: int, level: int) -> int:
        """By how many levels the site asks to move the dose: 1 up, 0, -1 down."""
        u = self._of_site(site, TITRATION, subject_index(number, visit))
        doses = self.plan.doses
        return 1 - place_in(doses.moves[arm * doses.levels + level], 0, 3, u)

    def is_replaced(self, site: int, number: int) -> bool:
        """Whether somebody is sought for the place of a subject who left."""
        return self._happens(self.plan.replacing.probability, site, REPLACED, number)

    def replacement_days(self, site: int, number: int) -> int:
        """Days from the leaving of a subject to the screening of its replacement."""
        return self._days(self.plan.replacing.law, site, REPLACEMENT_DAYS, number)

    def kits_replaced(self, site: int, number: int, visit: int, kits: range) -> int:
        """How many of these kits of a visit (by their place in it) the subject loses or damages."""
        first = subject_index(number, visit) * KITS_PER_VISIT
        chance = self.plan.replacing.kit_probability
        return sum(self._happens(chance, site, KIT_REPLACED, first + kit) for kit in kits)

    def dispatch_days(self, site: int, ordered: int) -> int:
        """Days from an order to its dispatch."""
        return self._days(self.plan.lanes.dispatch_law, site, DISPATCH_DAYS, ordered)

    def approval_days(self, site: int, ordered: int) -> int:
        """Days from an order to its approval."""
        return self._days(self.plan.ordering.approval_law, site, APPROVAL_DAYS, ordered)

    def travel_days(self, site: int, ordered: int) -> int:
        """Days from the dispatch of a shipment to its receipt."""
        lanes, to = (self.plan.lanes, site) if site >= 0 else (self.plan.refills, -2 - site)
        days = int(lanes.lead_days[to]) + self._days(int(lanes.delay_law[to]), site, LANE_DELAY, ordered)
        if self._happens(float(lanes.customs_hold[to]), site, CUSTOMS_HOLD, ordered):
            days += self._days(int(lanes.customs_law[to]), site, CUSTOMS_DAYS, ordered)
        return max(days, 0)

    def is_lost(self, site: int, ordered: int) -> bool:
        """Whether a shipment is lost."""
        return self._happens(self.plan.lanes.lost, site, SHIPMENT_LOST, ordered)

    def shipment_exposed(self, site: int, ordered: int) -> bool:
        """Whether the logger of a shipment shows an excursion."""
        return self._happens(self.plan.excursions.in_transit, site, SHIPMENT_EXCURSION, ordered)

    def days_to_excursion(self, site: int, number: int) -> float:
        """Days between a site's excursion in storage and the one before it."""
        gap = exponential_gap(self._of_site(site, STORAGE_EXCURSION, number))
        return gap / self.plan.excursions.per_day

    def review_days(self, site: int, review: int) -> int:
        """Days that the review of an excursion takes."""
        return max(self._days(self.plan.excursions.review_law, site, REVIEW_DAYS, review), 1)

    def review_releases(self, site: int, review: int) -> bool:
        """Whether the review of an excursion releases the kits."""
        return self._happens(self.plan.excursions.released, site, REVIEW_RELEASES, review)

    @staticmethod
    def review_of(index: int, *, in_storage: bool) -> int:
        """The place of the review of an excursion: of a shipment by the day of its order, in storage by its number."""
        return index * REVIEWS + in_storage

    def production_days(self, made: int) -> int:
        """Days that the manufacture, labelling and release of a lot take."""
        plan, word = self.plan, int(self.plan.production.words[made])
        laws = plan.production.laws[made * len(PRODUCTION_PURPOSES) :]
        days = 0
        for law, purpose in zip(laws, PRODUCTION_PURPOSES, strict=False):
            begin, count = int(plan.laws.start[law]), int(plan.laws.start[law + 1] - plan.laws.start[law]) - 1
            days += int(plan.laws.first[law])
            if count > 1:
                u = self.streams.uniform_of_words(word, word_of(purpose), 0)
                days += place_in(plan.laws.cumulative, begin, count, u)
        return days

    def damaged(self, site: int, ordered: int, kits: range) -> int:
        """How many of these kits of a shipment (by their place in it) are damaged."""
        chance = self.plan.lanes.damaged
        return sum(
            self._happens(chance, site, KIT_DAMAGED, ordered * KITS_PER_SHIPMENT + kit) for kit in kits
        )

    def day_of(self, law: int, site: int, purpose: int, index: int) -> int:
        """The day of something that was under way when day 0 began."""
        return self._days(law, site, purpose, index)

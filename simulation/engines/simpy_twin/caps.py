"""Caps on those screened and those randomized, of the study, its countries and its sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.rules.caps import cap_reached
from simulation.engines.plan import SCOPE_COUNTRY, SCOPE_SITE, SCOPE_STUDY, TrialPlan
from simulation.engines.plan_arrays import Ints

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.twin import Twin


def caps_at(plan: TrialPlan, site: int, scopes: Ints, places: Ints) -> list[int]:
    """Which caps, of so many scopes and places, are on the site, its country or the study."""
    own = {SCOPE_COUNTRY: int(plan.sites.country[site]), SCOPE_SITE: site}
    return [
        cap
        for cap, (scope, place) in enumerate(zip(scopes.tolist(), places.tolist(), strict=True))
        if own.get(scope, place) == place
    ]


class Caps:
    """How many count toward each cap. The trial closes when a cap of the study is reached."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.counts = [0] * twin.plan.caps.size

    def _of(self, site: int) -> list[int]:
        return caps_at(self.twin.plan, site, self.twin.plan.caps.scope, self.twin.plan.caps.place)

    def _reached(self, cap: int) -> bool:
        return cap_reached(self.counts[cap], int(self.twin.plan.caps.limit[cap]))

    def stop_screening(self, site: int) -> bool:
        """Whether a cap of whatever kind is reached, so that nobody new is screened at the site."""
        reached = [cap for cap in self._of(site) if self._reached(cap)]
        self._close(reached)
        return bool(reached)

    def refuse_randomization(self, site: int) -> bool:
        """Whether a cap on those randomized is reached that refuses those in screening too."""
        caps = self.twin.plan.caps
        reached = [
            cap
            for cap in self._of(site)
            if caps.on_randomized[cap] and caps.refuses[cap] and self._reached(cap)
        ]
        self._close(reached)
        return bool(reached)

    def refuse_replacement(self, site: int, *, of_randomization: bool) -> bool:
        """Whether a cap refuses whoever takes the place of a subject of the site: that subject does not count."""
        caps = self.twin.plan.caps
        return any(
            cap_reached(self.counts[cap] - 1, int(caps.limit[cap]))
            for cap in self._of(site)
            if not of_randomization or (caps.on_randomized[cap] and caps.refuses[cap])
        )

    def count(self, site: int, *, randomized: bool) -> None:
        """One more is screened, or randomized."""
        for cap in self._of(site):
            if bool(self.twin.plan.caps.on_randomized[cap]) == randomized:
                self.counts[cap] += 1
                self._close([cap] if self._reached(cap) else [])

    def resume(self, counts: list[int]) -> None:
        """Go on from these counts."""
        self.counts = counts
        self._close([cap for cap in range(len(counts)) if self._reached(cap)])

    def _close(self, reached: list[int]) -> None:
        if any(int(self.twin.plan.caps.scope[cap]) == SCOPE_STUDY for cap in reached):
            self.twin.closed = True

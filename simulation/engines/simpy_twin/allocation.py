"""Which arm a subject gets: by the next entry of its run, by a draw of a restricted design, or by minimization, as supply allows.

Nothing is counted where the site is turned away, as the service keeps nothing of a randomization that it refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from allocation.rules.draws import arm_at
from allocation.rules.forced import FR1, FR2, NONE, forced_arms, forced_indexes
from allocation.rules.minimization_chances import next_chances, unit_in_turn
from allocation.rules.restricted.probabilities import next_probabilities
from simulation.engines.plan_allocation import MINIMIZED
from simulation.engines.simpy_twin.arm_supply import ArmSupply

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.subject import Subject
    from simulation.engines.simpy_twin.twin import Twin


class Given(NamedTuple):
    """The arm that a subject gets, and the one that was scheduled: another where the subject was forced. Numbered as in the plan."""

    arm: int
    scheduled: int


@dataclass
class Run:
    """A run of entries or counts: what was allocated in its open block (or in all), the entries made, and those that nobody has."""

    taken: list[int]
    size: int = 0
    allocated: int = 0
    base: int | None = None
    unused: list[int] = field(default_factory=list)


class Allocator:
    """The runs of the event, and the counts that minimization looks at. `supply` tells what a site can supply, and counts the forced."""

    def __init__(self, twin: Twin) -> None:
        plan = twin.plan
        self.twin = twin
        self.supply = ArmSupply(twin)
        self.runs = [Run([0] * plan.allocation.arm_count) for _ in range(plan.allocation.groups)]
        self.central_next = 0
        minimization = plan.minimization
        self.margins = np.zeros((minimization.margins, minimization.units), dtype=np.int64)
        self.turns = [0] * plan.allocation.arm_count
        self.minimized = 0

    def allocate(self, subject: Subject) -> Given | None:
        """The arm of a subject; None where its site cannot supply."""
        allocation, site = self.twin.plan.allocation, subject.site.index
        suppliable = None
        if self.twin.plan.arm_supply.looked_at:
            if self.supply.gate_closed(subject.site):
                return None
            suppliable = self.supply.suppliable(subject.site)
        stratum = subject.stratum
        if stratum < 0:
            stratum = self.twin.draws.stratum(site, subject.number)
        run = int(allocation.group[site, stratum])
        if allocation.method == MINIMIZED:
            found = self._minimized(site, stratum, suppliable)
        elif allocation.live:
            found = self._drawn(site, run, suppliable)
        elif suppliable is None or self.twin.plan.arm_supply.forced == NONE:
            arm = self._next_entry(run)
            while (
                self.twin.plan.closings.day[arm] <= self.twin.day
            ):  # entries of a closed arm are passed over
                arm = self._next_entry(run)
            found = (arm, arm)
        else:
            found = self._from_list(site, run, suppliable)
        return None if found is None else Given(*(int(allocation.arms[one]) for one in found))

    def take_arm(self, site: Site, arm: int) -> Given | None:
        """The arm of the subject who is replaced: without an entry or a draw. Where the event forces, its kits must be there."""
        plan = self.twin.plan
        if plan.arm_supply.looked_at:
            if self.supply.gate_closed(site):
                return None
            place = plan.allocation.arms.tolist().index(arm)
            if plan.arm_supply.forced != NONE and not self.supply.suppliable(site)[place]:
                return None
        return Given(arm, arm)

    def _may_not_force(self, site: int, arm: int, scheduled: int) -> bool:
        return arm < 0 or (arm != scheduled and self.supply.forcing_capped(site))

    def _open_block(self, group: int) -> None:
        """Begin the next block or sequence of a run where the one before is full."""
        run = self.runs[group]
        lengths = self.twin.plan.subjects.block_sizes
        if not len(lengths) or sum(run.taken) < run.size:
            return
        if self.twin.plan.allocation.central:
            run.base = self.central_next
            run.size = self.twin.draws.block_size(0, run.base)
            self.central_next += run.size
        else:
            run.size = self.twin.draws.block_size(group, run.allocated)
        run.taken = [0] * len(run.taken)

    def _uniform(self, group: int) -> float:
        run = self.runs[group]
        if run.base is not None:
            return self.twin.draws.allocation(0, run.base + sum(run.taken))
        return self.twin.draws.allocation(group, run.allocated)

    def _chances(self, group: int) -> np.ndarray:
        """The design's probabilities of the arms after the counts of a run."""
        allocation, run = self.twin.plan.allocation, self.runs[group]
        return next_probabilities(
            allocation.method,
            np.array(run.taken, dtype=np.int64),
            self.twin.plan.subjects.ratio,
            allocation.parameters,
            run.size,
            allocation.table.reshape(allocation.table_rows, allocation.table_columns),
        )

    def _count(self, group: int, arm: int) -> None:
        self.runs[group].taken[arm] += 1
        self.runs[group].allocated += 1

    def _next_entry(self, group: int) -> int:
        self._open_block(group)
        arm = arm_at(self._chances(group), self._uniform(group))
        self._count(group, arm)
        return arm

    def _forced(self, chances: np.ndarray, uniform: float, suppliable: list[bool] | None) -> tuple[int, int]:
        """The scheduled arm of a draw, and the assigned one (below 0: refused)."""
        supply = self.twin.plan.arm_supply
        there = [True] * len(chances) if suppliable is None else suppliable
        scheduled, arm, _ = forced_arms(
            supply.forced,
            chances,
            uniform,
            np.array(there, dtype=np.bool_),
            all(there),
            supply.shares,
            np.zeros(len(chances)),
        )
        return int(scheduled), int(arm)

    def _drawn(self, site: int, group: int, suppliable: list[bool] | None) -> tuple[int, int] | None:
        """A draw at randomization. The design counts what it drew, not what was given."""
        self._open_block(group)
        scheduled, arm = self._forced(self._chances(group), self._uniform(group), suppliable)
        if self._may_not_force(site, arm, scheduled):
            return None
        self._count(group, scheduled)
        return arm, scheduled

    def _from_list(self, site: int, group: int, suppliable: list[bool]) -> tuple[int, int] | None:
        """The unused entries of a run, looked through as far as the mode may skip. Those passed over are lost, but under FR2."""
        mode, unused = self.twin.plan.arm_supply.forced, self.runs[group].unused
        searches = mode in (FR1, FR2) and any(suppliable)
        while not unused or (searches and not any(suppliable[arm] for arm in unused)):
            unused.append(self._next_entry(group))
        scheduled, assigned = forced_indexes(
            mode,
            np.zeros(len(unused), dtype=np.bool_),
            np.array([suppliable[arm] for arm in unused], dtype=np.bool_),
            all(suppliable),
        )
        if self._may_not_force(site, assigned, scheduled):
            return None
        given = unused[assigned], unused[scheduled]
        del unused[assigned if mode == FR2 else 0 : assigned + 1]
        return given

    def _minimized(self, site: int, stratum: int, suppliable: list[bool] | None) -> tuple[int, int] | None:
        """Minimization by the counts of all before; who was forced is put into the unit arms of its arm in turn."""
        plan, minimization = self.twin.plan, self.twin.plan.minimization
        own = minimization.margin[site * plan.subjects.stratum_count + stratum]
        by_unit = next_chances(
            self.margins[own],
            minimization.weights,
            minimization.shares,
            minimization.measure,
            minimization.by_rank,
            minimization.probability,
            minimization.simple_first,
        )
        chances = np.zeros(plan.allocation.arm_count)
        for unit, arm in enumerate(minimization.arm_of_unit):
            chances[arm] += by_unit[unit]
        uniform = self.twin.draws.allocation(0, self.minimized)
        scheduled, arm = self._forced(chances, uniform, suppliable)
        if self._may_not_force(site, arm, scheduled):
            return None
        unit = arm_at(by_unit, uniform)
        if arm != scheduled:
            unit = unit_in_turn(minimization.arm_of_unit, arm, self.turns[arm])
            self.turns[arm] += 1
        self.margins[own, unit] += 1
        self.minimized += 1
        return arm, scheduled

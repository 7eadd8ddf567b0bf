"""The exact law of a restricted design: its operating characteristics by dynamic programming over the counts.

The probabilities are those of `next_probabilities`, the function that allocates real subjects. Each state (the open block's size, counts
by arm) has its probability, and with two arms 1:1 that probability is split by the largest imbalance so far; expectations
are sums over the states. Nothing is sampled, so every figure is exact up to the rounding of floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from allocation.rules.restricted.design import RestrictedDesign
from simulation.errors import SimulationError
from simulation.randomization.measures import facts_of_state

MOST_STATES: Final = 150_000
"""States over all allocations that a law may have; beyond it, simulation is the better use of time."""

_LOOK_AHEAD: Final = 20
"""A design that can be in every state after so many subjects has no bound on its imbalance: its states can be counted ahead."""

State = tuple[int, tuple[int, ...]]
"""Size of the open block or sequence (0: none), and the counts in it, or all counts for a design without blocks."""

Floats = NDArray[np.float64]


class LawTooLarge(SimulationError):
    """The exact law of a design with so many arms and subjects has too many states: simulate it."""

    default_code = "law-too-large"


@dataclass(frozen=True)
class Law:
    """The characteristics of one design for 0 to n subjects of one stratum.

    Index j of `distance`, `squared` (Euclidean length of the deviations, and its square) and `pearson` (chi square over its degrees of
    freedom) is after j subjects; index j of `correct`, `gain`, `forced` and `determined` is the allocation after j subjects: the
    chance of a right guess, its excess over complete randomization, the distance from the ratio, the chance of certainty.
    `balanced` is the chance of exact balance after j subjects; `largest` is E max|D| over the n allocations, for two arms 1:1 only.
    """

    design: RestrictedDesign
    distance: Floats
    squared: Floats
    pearson: Floats
    correct: Floats
    gain: Floats
    forced: Floats
    determined: Floats
    balanced: Floats
    largest: float | None

    @property
    def n(self) -> int:
        """Subjects."""
        return len(self.correct)

    @property
    def even(self) -> bool:
        """Two arms, 1:1."""
        return self.design.ratio == (1, 1)

    def absolute_imbalance(self) -> float:
        """E|D| after n subjects, with two arms 1:1."""
        return float(np.sqrt(2) * self.distance[-1])

    def variance(self) -> float:
        """Var D after n subjects, with two arms 1:1 (the mean of D is 0 by symmetry)."""
        return float(2 * self.squared[-1])

    def forcing_index(self) -> float:
        """(4/n) sum E|phi - 1/2| for two arms 1:1, 1 for certainty half of the time; else the mean distance from the ratio."""
        return float(self.forced.mean() * (2 * np.sqrt(2) if self.even else 1))

    def allocation_spread(self) -> float:
        """ASD, the spread of the allocation proportions after n subjects: sqrt(n sum Var(N_k / n))."""
        return float(np.sqrt(self.squared[-1] / self.n))


Evaluate = Callable[..., tuple[Any, float, float, float, bool, float, float]]


def law_of(
    design: RestrictedDesign, n: int, evaluate: Evaluate = facts_of_state, most_states: int = MOST_STATES
) -> Law:
    """The exact law of `design` for n subjects. `evaluate` may be `facts_of_state` compiled. Raises LawTooLarge beyond `most_states`.

    The arithmetic is that of a forward pass: all states after j subjects, then their successors.
    """
    ratio, numbers, table = design.ratio_array(), design.numbers(), np.array(design.table())
    code = design.rule.code
    nothing = (0,) * len(ratio)
    even = design.ratio == (1, 1)
    width = n + 1 if even else 1
    start = np.zeros(width)
    start[0] = 1.0
    states = _opened(design, {(0, nothing): start})
    per_state = np.zeros((8, n + 1))
    known: dict[State, Any] = {}
    visited = 0
    for j in range(n + 1):
        visited += len(states)
        everywhere = len(states) == comb(j + len(ratio) - 1, len(ratio) - 1)
        if visited > most_states or (
            j == _LOOK_AHEAD and everywhere and comb(n + len(ratio), len(ratio)) > most_states
        ):
            raise LawTooLarge(
                f"{design.label} with {len(ratio)} arms has too many states for {n} subjects",
                fix="simulate it",
            )
        after: dict[State, Floats] = {}
        sums = [0.0] * len(per_state)
        for state, masses in states.items():
            size, counts = state
            facts = known.get(state)
            if facts is None:
                facts = evaluate(code, np.array(counts, dtype=np.int64), ratio, numbers, size, table)
                if design.sizes:
                    known[state] = facts
            mass = float(masses.sum()) if even else float(masses[0])
            chances, right, gained, forced, certain, squared, pearson = facts
            measured = (right, gained, forced, certain, sqrt(squared), squared, pearson, squared < 1e-9)
            for row, value in enumerate(measured):
                sums[row] += mass * value
            for arm in range(len(ratio) if j < n else 0):
                if chances[arm] > 0:
                    _arrive(after, size, counts, arm, masses * chances[arm], even)
        per_state[:, j] = sums
        if j < n:
            states = _opened(design, after)
    subjects = np.arange(n + 1)
    return Law(
        design=design,
        distance=per_state[4],
        squared=per_state[5],
        pearson=np.divide(per_state[6], subjects, out=np.zeros(n + 1), where=subjects > 0),
        correct=per_state[0, :n],
        gain=per_state[1, :n],
        forced=per_state[2, :n],
        determined=per_state[3, :n],
        balanced=per_state[7],
        largest=float(sum(masses @ np.arange(width) for masses in states.values())) if even else None,
    )


def _arrive(
    after: dict[State, Floats], size: int, counts: tuple[int, ...], arm: int, masses: Floats, even: bool
) -> None:
    """Add the mass of a state's successor; with two arms 1:1, the largest imbalance rises to the new one where it was less."""
    reached = (*counts[:arm], counts[arm] + 1, *counts[arm + 1 :])
    if even:
        imbalance = abs(reached[0] - reached[1])
        masses[imbalance] += masses[:imbalance].sum()
        masses[:imbalance] = 0.0
    key = (0, (0,) * len(counts)) if size and sum(reached) == size else (size, reached)
    there = after.get(key)
    after[key] = masses if there is None else there + masses


def _opened(design: RestrictedDesign, states: dict[State, Floats]) -> dict[State, Floats]:
    """The states with a block open wherever the next allocation needs one: each size is equally likely."""
    if not design.sizes:
        return states
    opened: dict[State, Floats] = {}
    for (size, counts), masses in states.items():
        for each in (size,) if size else design.sizes:
            share = masses if size else masses / len(design.sizes)
            there = opened.get((each, counts))
            opened[(each, counts)] = share if there is None else there + share
    return opened

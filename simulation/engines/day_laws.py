"""The laws of whole days of a scenario as cumulative tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from scipy.special import gammainc, gammaincinv

from simulation.engines.plan import Laws
from simulation.engines.plan_arrays import floats, ints
from simulation.scenario import DayLaw

TAIL = 1e-12
"""A gamma law without `max_days` is cut where this probability is left above."""


def shares_of(law: DayLaw) -> tuple[int, list[float]]:
    """The first day of a law, and the probabilities of it and each day after it."""
    if law.law == "fixed":
        return law.min_days, [1.0]
    if law.law == "uniform":
        count = (law.max_days if law.max_days is not None else law.min_days) - law.min_days + 1
        return law.min_days, [1 / count] * count
    shape = law.shape or 1.0
    scale = (law.mean_days or 1.0) / shape
    longest = int(np.ceil(gammaincinv(shape, 1 - TAIL) * scale))
    last = max(law.max_days if law.max_days is not None else longest, law.min_days)
    days = np.arange(law.min_days, last)
    below = [float(one) for one in gammainc(shape, np.maximum(days + 0.5, 0) / scale)] + [1.0]
    return law.min_days, [below[0], *(b - a for a, b in pairwise(below))]


class LawTables:
    """Collects laws, each distinct one once; gives their indexes."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, tuple[float, ...]], int] = {}

    def add(self, law: DayLaw) -> int:
        """The index of a law of the scenario."""
        return self.add_shares(*shares_of(law))

    def add_shares(self, first: int, shares: Sequence[float]) -> int:
        """The index of the law that takes `first`, `first` + 1, ... with these probabilities."""
        return self._places.setdefault((first, tuple(shares)), len(self._places))

    def largest(self, law: int) -> int:
        """The largest number of days that a law takes."""
        first, shares = list(self._places)[law]
        return first + len(shares) - 1

    def laws(self) -> Laws:
        """The tables of all laws so far; each begins with 0 and ends in exactly 1."""
        counts = [len(shares) + 1 for _, shares in self._places]
        cumulative = [
            value for _, shares in self._places for value in [0.0, *list(accumulate(shares))[:-1], 1.0]
        ]
        return Laws(
            start=ints([0, *accumulate(counts)]),
            first=ints([first for first, _ in self._places]),
            cumulative=floats(cumulative),
        )


def joined(laws: Laws, more: Laws) -> Laws:
    """The tables of both; those of `more` come after the others."""
    return Laws(
        start=np.concatenate([laws.start, laws.start[-1] + more.start[1:]]),
        first=np.concatenate([laws.first, more.first]),
        cumulative=np.concatenate([laws.cumulative, more.cumulative]),
    )

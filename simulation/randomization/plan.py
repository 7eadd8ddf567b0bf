"""The trial that designs are compared on: ratio, subjects, factors with the share of each level, replicates and seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

_CHUNK_DRAWS = 2_000_000
"""Numbers of one chunk of replicates (subjects x arms x replicates): bounds the memory."""


@dataclass(frozen=True)
class PlannedFactor:
    """A stratification factor: `levels` are (code, share of the subjects), the shares summing to 1."""

    code: str
    levels: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class TrialPlan:
    """What is simulated. Factors are independent of each other; a stratum is a combination of their levels.

    `arms` are (code, share of the ratio). Every design meets the same subjects and the same uniform numbers (common random numbers),
    so differences between designs are not differences of luck. `trend` and `guessing` are what responses may be biased by, in their
    standard deviations (bias.py); 0: not looked at.
    """

    name: str
    arms: tuple[tuple[str, int], ...]
    subjects: int
    factors: tuple[PlannedFactor, ...]
    replicates: int
    seed: int
    trend: float = 0.0
    guessing: float = 0.0

    @property
    def ratio(self) -> tuple[int, ...]:
        """The shares in the order of the arms."""
        return tuple(share for _, share in self.arms)

    @property
    def even(self) -> bool:
        """Two arms, 1:1: imbalances are |N1 - N2|."""
        return self.ratio == (1, 1)

    @cached_property
    def prevalences(self) -> NDArray[np.float64]:
        """The share of each stratum, the last factor's levels changing fastest; one stratum where there is no factor."""
        shares = [[share for _, share in factor.levels] for factor in self.factors]
        return np.array([prod(combination) for combination in product(*shares)], dtype=np.float64)

    @cached_property
    def margins(self) -> NDArray[np.int64]:
        """Strata x factors: which level a stratum belongs to, counted over the levels of all factors."""
        starts = np.cumsum([0, *(len(factor.levels) for factor in self.factors)])
        ranges = [
            range(start, start + len(factor.levels))
            for start, factor in zip(starts, self.factors, strict=False)
        ]
        return np.array(list(product(*ranges)), dtype=np.int64).reshape(
            len(self.prevalences), len(self.factors)
        )

    @property
    def margin_count(self) -> int:
        """Levels of all factors together."""
        return sum(len(factor.levels) for factor in self.factors)

    def arrivals(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """The trials in chunks: strata and uniform numbers, replicates x subjects each; the same for every design."""
        chunk = max(1, min(self.replicates, _CHUNK_DRAWS // (self.subjects * len(self.arms))))
        generator = np.random.Generator(np.random.Philox(self.seed))
        edges = np.cumsum(self.prevalences)[:-1]
        for start in range(0, self.replicates, chunk):
            shape = (min(chunk, self.replicates - start), self.subjects)
            strata = np.searchsorted(edges, generator.random(shape), side="right").astype(np.int64)
            yield strata, generator.random(shape)

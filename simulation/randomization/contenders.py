"""What can be compared: a contender allocates the subjects of simulated trials, and says exactly what can be known exactly.

To add methods of another kind, add a `Family` for their names to families.py: how their entry in a comparison is checked, and how the
contender is made. Balance and predictability are then measured as for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from allocation.rules.restricted.design import DesignProblem, RestrictedDesign, design_problems
from allocation.rules.restricted.methods import METHODS
from simulation.randomization.compiled import compiled
from simulation.randomization.exact import Law, LawTooLarge, law_of
from simulation.randomization.kernels import allocate
from simulation.randomization.measures import facts_of_state
from simulation.randomization.plan import TrialPlan

Within = Literal["strata", "study"]
"""Whose allocations a design looks at: those of the subject's stratum, or all of the study."""

_NEGLIGIBLE = 1e-13
"""Chance of a stratum's size that is left out: there are at most thousands of sizes."""


@dataclass(frozen=True)
class Entry:
    """A method as a comparison names it. `parameters` and `block_sizes` are those of a protocol's randomization event.

    `measure`, `ratio_rule` and `weights` (factor -> weight, 1 where it is left out) are of minimization alone.
    """

    method: str
    parameters: Mapping[str, float]
    block_sizes: tuple[int, ...] = ()
    within: Within = "strata"
    label: str = ""
    measure: str = "range"
    ratio_rule: str = "unit_arms"
    weights: Mapping[str, float] = field(default_factory=dict)


class Contender(Protocol):
    """A method that can allocate simulated subjects. `watched` says on which counts the next arm is guessed."""

    @property
    def label(self) -> str:
        """A short name for table and plot."""

    @property
    def watched(self) -> Within:
        """Whose allocations the one who guesses follows."""

    def allocate(
        self,
        plan: TrialPlan,
        strata: NDArray[np.int64],
        uniforms: NDArray[np.float64],
        arms: NDArray[np.int64],
        chances: NDArray[np.float64],
    ) -> None:
        """Fill in the arm of each subject (replicates x subjects) and the probabilities it was drawn by (the same x arms)."""

    def exact(self, plan: TrialPlan) -> Mapping[str, float]:
        """The outcomes (names of `kernels.OUTCOMES`) that are known exactly, in the same units as `kernels.measure` gives."""


def trials(
    plan: TrialPlan, contender: Contender
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """The simulated trials in chunks: strata and arms, replicates x subjects each, and the probabilities drawn by, the same x arms."""
    for strata, uniforms in plan.arrivals():
        arms = np.empty(strata.shape, dtype=np.int64)
        chances = np.empty((*strata.shape, len(plan.arms)), dtype=np.float64)
        contender.allocate(plan, strata, uniforms, arms, chances)
        yield strata, arms, chances


@dataclass(frozen=True)
class RestrictedContender:
    """A restricted design, run in each stratum or over the whole study."""

    design: RestrictedDesign
    within: Within
    name: str = ""

    @property
    def label(self) -> str:
        """The design's short name, or the one given; a design that is not run by stratum says so."""
        return self.name or self.design.label

    @property
    def watched(self) -> Within:
        """The allocations that the design itself looks at."""
        return self.within

    def allocate(
        self,
        plan: TrialPlan,
        strata: NDArray[np.int64],
        uniforms: NDArray[np.float64],
        arms: NDArray[np.int64],
        chances: NDArray[np.float64],
    ) -> None:
        """Allocate by the rule that the service draws by, compiled."""
        design = self.design
        by_stratum = self.within == "strata"
        compiled(allocate)(
            design.rule.code,
            design.ratio_array(),
            design.numbers(),
            np.array(design.sizes, dtype=np.int64),
            np.array(design.table()),
            strata if by_stratum else np.zeros_like(strata),
            len(plan.prevalences) if by_stratum else 1,
            uniforms,
            arms,
            chances,
        )

    def exact(self, plan: TrialPlan) -> Mapping[str, float]:
        """From the exact law: everything without strata, and with them what does not depend on several strata at once."""
        certain = {"gain": 0.0, "determined": 0.0, "forcing": 0.0} if self.design.method == "complete" else {}
        alone = len(plan.prevalences) == 1
        whole = alone or self.within == "study" or self.design.method == "complete"
        try:
            if alone or self.within == "study":
                law = self._law(plan.subjects)
                return {**self._overall(law), **_guesses(law), **certain}
            return {
                **self._by_stratum(plan),
                **(self._overall(self._law(plan.subjects)) if whole else {}),
                **certain,
            }
        except LawTooLarge:
            return certain

    def _law(self, n: int) -> Law:
        return law_of(self.design, n, compiled(facts_of_state))

    @staticmethod
    def _overall(law: Law) -> dict[str, float]:
        """What holds at the end of the study for a design that looks at all of it."""
        known = {"overall": float(law.distance[-1]), "loss": float(law.pearson[-1])}
        return known if law.largest is None else {**known, "largest": law.largest / float(np.sqrt(2))}

    def _by_stratum(self, plan: TrialPlan) -> dict[str, float]:
        """Means over the strata, whose sizes are binomial: each is a trial of its own."""
        chances = np.array([_binomial(plan.subjects, float(share)) for share in plan.prevalences])
        longest = int(np.flatnonzero(chances.max(axis=0) > _NEGLIGIBLE).max())
        law = self._law(max(longest, 1))
        weights = chances[:, : law.n + 1]

        def of_all(chance: NDArray[np.float64]) -> float:
            """A figure of each allocation, summed along a stratum, per subject of the study."""
            return float((weights @ np.concatenate(([0.0], np.cumsum(chance)))).sum() / plan.subjects)

        return {
            "stratum": float((weights @ law.distance).mean()),
            "correct": of_all(law.correct),
            "gain": of_all(law.gain),
            "determined": of_all(law.determined),
            "forcing": of_all(law.forced),
        }


def _binomial(n: int, share: float) -> NDArray[np.float64]:
    """The chances of 0 to n successes. By logarithms, so that a large n does not overflow."""
    if share >= 1:
        return (np.arange(n + 1) == n).astype(np.float64)
    factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    hits = np.arange(n + 1)
    ways = factorials[n] - factorials - factorials[::-1]
    if share <= 0:
        return (hits == 0).astype(np.float64)
    return np.asarray(np.exp(ways + hits * np.log(share) + (n - hits) * np.log1p(-share)), dtype=np.float64)


def _guesses(law: Law) -> dict[str, float]:
    return {
        "correct": float(law.correct.mean()),
        "gain": float(law.gain.mean()),
        "determined": float(law.determined.mean()),
        "forcing": float(law.forced.mean()),
    }


@dataclass(frozen=True)
class Family:
    """How the methods of one kind are checked and made."""

    problems: Callable[[Entry, TrialPlan], list[DesignProblem]]
    contender: Callable[[Entry, TrialPlan], Contender]


def _restricted_problems(entry: Entry, plan: TrialPlan) -> list[DesignProblem]:
    return design_problems(entry.method, plan.ratio, entry.parameters, entry.block_sizes)


def _restricted(entry: Entry, plan: TrialPlan) -> Contender:
    design = RestrictedDesign(entry.method, plan.ratio, entry.parameters, entry.block_sizes)
    apart = "" if entry.within == "strata" or len(plan.prevalences) == 1 else ", not by stratum"
    return RestrictedContender(design, entry.within, entry.label or f"{design.label}{apart}")


RESTRICTED_FAMILIES: dict[str, Family] = {name: Family(_restricted_problems, _restricted) for name in METHODS}
"""The restricted methods by name; families.py joins them with those of other kinds."""

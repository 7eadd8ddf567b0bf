"""Minimization in the comparison: the rule that the service draws by, compiled, over simulated subjects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocation.rules.compilable import IntArray
from allocation.rules.draws import FloatArray, arm_at
from allocation.rules.imbalance import CODES
from allocation.rules.minimization_chances import next_chances
from allocation.rules.minimization_design import ChanceRule, MinimizationDesign
from allocation.rules.restricted.design import DesignProblem
from allocation.study.minimization_settings import MinimizationSettings
from simulation.randomization.compiled import compiled
from simulation.randomization.contenders import Contender, Entry, Family, Within
from simulation.randomization.plan import TrialPlan


def minimize(
    strata: NDArray[np.int64],
    stratum_count: int,
    margins: NDArray[np.int64],
    margin_count: int,
    weights: FloatArray,
    shares: IntArray,
    arm_of_unit: IntArray,
    measure: int,
    by_rank: bool,
    chance: float,
    simple_first: int,
    uniforms: NDArray[np.float64],
    arms: NDArray[np.int64],
    chances: NDArray[np.float64],
) -> None:
    """Allocate every subject of every replicate by minimization; numba compiles it.

    The arrays are those of `kernels.allocate`; `margins` is strata x factors, the level of each stratum among all levels. Columns of the
    counts are unit arms, with `shares`, and `arm_of_unit` is the arm of each.
    """
    units = len(shares)
    factors = margins.shape[1]
    for replicate in range(strata.shape[0]):
        whole = np.zeros(units, dtype=np.int64)
        by_stratum = np.zeros((stratum_count, units), dtype=np.int64)
        by_level = np.zeros((margin_count, units), dtype=np.int64)
        rows = np.zeros((2 + factors, units), dtype=np.int64)
        for i in range(strata.shape[1]):
            stratum = strata[replicate, i]
            for one in range(units):
                rows[0, one] = whole[one]
                rows[1, one] = by_stratum[stratum, one]
                for factor in range(factors):
                    rows[2 + factor, one] = by_level[margins[stratum, factor], one]
            probabilities = next_chances(rows, weights, shares, measure, by_rank, chance, simple_first)
            unit = arm_at(probabilities, uniforms[replicate, i])
            whole[unit] += 1
            by_stratum[stratum, unit] += 1
            for factor in range(factors):
                by_level[margins[stratum, factor], unit] += 1
            arms[replicate, i] = arm_of_unit[unit]
            for arm in range(chances.shape[2]):
                chances[replicate, i, arm] = 0.0
            for one in range(units):
                chances[replicate, i, arm_of_unit[one]] += probabilities[one]


@dataclass(frozen=True)
class MinimizationContender:
    """A minimization over the whole study. Nothing of it is known exactly but by enumeration, so all is simulated."""

    design: MinimizationDesign
    name: str

    @property
    def label(self) -> str:
        """The name in table and plot."""
        return self.name

    @property
    def watched(self) -> Within:
        """One guesses from all allocations of the study: minimization looks at all of them."""
        return "study"

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
        compiled(minimize)(
            strata,
            len(plan.prevalences),
            plan.margins,
            plan.margin_count,
            np.array(design.weights, dtype=np.float64),
            np.array(design.unit_ratio, dtype=np.int64),
            np.array(design.arm_of_unit, dtype=np.int64),
            CODES[design.measure],
            design.chance is ChanceRule.RANK,
            design.probability,
            design.simple_first,
            uniforms,
            arms,
            chances,
        )

    def exact(self, plan: TrialPlan) -> Mapping[str, float]:
        """Nothing."""
        return {}


def _settings(entry: Entry, plan: TrialPlan) -> MinimizationSettings:
    """What the entry asks for, on the plan's arms and factors; a factor without a weight has 1."""
    return MinimizationSettings(
        entry.method,
        plan.arms,
        tuple((factor.code, entry.weights.get(factor.code, 1.0)) for factor in plan.factors),
        entry.parameters,
        entry.measure,
        entry.ratio_rule,
        entry.block_sizes,
    )


def _problems(entry: Entry, plan: TrialPlan) -> list[DesignProblem]:
    """In a comparison the factors are the trial's, so that without any it is the method that does not fit."""
    unfit = DesignProblem(("method",), entry.method, "has nothing to balance without factors", "give factors")
    return [
        unfit if problem.path == ("factors",) else problem for problem in _settings(entry, plan).problems()
    ]


def _contender(entry: Entry, plan: TrialPlan) -> Contender:
    design = _settings(entry, plan).design()
    short = "HuHu" if entry.method == "hu_hu" else "MIN"
    return MinimizationContender(design, entry.label or f"{short}({design.probability:.3g})")


MINIMIZATION_FAMILIES: dict[str, Family] = {
    name: Family(_problems, _contender) for name in ("minimization", "hu_hu")
}
"""The covariate-adaptive methods, for families.py."""

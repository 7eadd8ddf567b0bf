"""What a design lets through: how often a t-test finds an effect that is not there, under a time trend or a guessing investigator.

Responses are normal with standard deviation 1, the same in every arm, and shifted by what the design may not have balanced. The
analysis does not adjust for the shift. Sources: Berger et al. 2021, "A roadmap to using randomization in clinical trials" (both, by
simulation); Proschan 1994 and Kennes et al. 2011 (selection bias by the convergence strategy); Uschner et al. 2018 (the shifts as
vectors of expected responses).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from simulation.randomization.contenders import Contender, trials
from simulation.randomization.plan import TrialPlan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL: Final = 0.05
"""The nominal error of the test."""


def linear_trend(subjects: int, theta: float) -> Floats:
    """The expected response of each subject under a trend from 0 for the first to `theta` for the last."""
    return theta * np.arange(subjects) / max(subjects - 1, 1)


def selection_bias(arms: Ints, eta: float, groups: Ints | None = None) -> Floats:
    """The expected response of each subject (replicates x subjects) where an investigator who guesses enrols by it.

    Two arms, 0 and 1, 1:1. `eta` for whom arm 0 is guessed (it is behind), -eta for arm 1, 0 at a tie; the guess is the convergence
    strategy. `groups`, like `arms`, are the strata whose counts are watched (None: all subjects).
    """
    step = np.where(arms == 0, 1, -1)
    watched = np.zeros_like(arms) if groups is None else groups
    ahead = np.zeros_like(arms)
    for group in np.unique(watched):
        inside = watched == group
        steps = step * inside
        ahead += (np.cumsum(steps, axis=1) - steps) * inside
    return -eta * np.sign(ahead).astype(np.float64)


def rejected(arms: Ints, responses: Floats, arm_count: int = 2, level: float = LEVEL) -> NDArray[np.bool_]:
    """Whether the test of equal means rejects, for each replicate (rows), by the arms 0 to `arm_count` - 1.

    With two arms it is the two-sided t-test with pooled variance, with more the F-test of the one-way analysis of variance, of which
    the former is the case of two. A trial where an arm has no subject, or too few to estimate the variance, cannot reject.
    """
    subjects = arms.shape[1]
    within = subjects - arm_count
    if within < 1:
        return np.zeros(len(arms), dtype=np.bool_)
    centred = responses - responses.mean(axis=1, keepdims=True)
    between = np.zeros(len(arms))
    enough = np.ones(len(arms), dtype=np.bool_)
    for arm in range(arm_count):
        held = arms == arm
        size = held.sum(axis=1)
        enough &= size > 0
        between += (centred * held).sum(axis=1) ** 2 / np.maximum(size, 1)
    left = (centred**2).sum(axis=1) - between
    threshold = float(fdtri(arm_count - 1, within, 1 - level))
    return np.asarray(enough & (between * within > threshold * left * (arm_count - 1)), dtype=np.bool_)


def false_positives(plan: TrialPlan, contender: Contender) -> dict[str, NDArray[np.bool_]]:
    """Whether each simulated trial's test rejects though no arm differs: under `trend` and under `guessing`, those that the plan has.

    Every design meets the same responses. The one who guesses watches the counts that the design looks at.
    """
    if not (plan.trend or plan.guessing):
        return {}
    found: dict[str, list[NDArray[np.bool_]]] = {}
    generator = np.random.Generator(np.random.Philox([plan.seed, 1]))
    drift = linear_trend(plan.subjects, plan.trend)
    for strata, arms, _ in trials(plan, contender):
        responses = generator.standard_normal(arms.shape)
        if plan.trend:
            found.setdefault("trend", []).append(rejected(arms, responses + drift, len(plan.arms)))
        if plan.guessing:
            watched = strata if contender.watched == "strata" else None
            shift = selection_bias(arms, plan.guessing, watched)
            found.setdefault("guessing", []).append(rejected(arms, responses + shift, len(plan.arms)))
    return {name: np.concatenate(parts) for name, parts in found.items()}

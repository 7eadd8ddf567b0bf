"""The roadmap paper's study of a real time trend: survival times tested by Cox's model, under seven designs of the rules.

Berger et al. 2021, "A roadmap to using randomization in clinical trials", BMC Med Res Methodol 21:168, and its repository
(yevgenryeznik/restricted-two-arm, case-study01-example3): 238 subjects; u is the cusum of baseline log bilirubin in the azathioprine
trial (Altman & Royston 1988, fig. 1), here to two digits, which falls nearly linearly to -51; a survival time is exponential with
hazard exp(0.1 u + delta log HR), HR 1 or 0.6, none censored; the test is Wald's, two-sided at 5 %, of Cox's model with or without u;
10,000 trials a design. The randomization tests are those of 1,000 trials, each against the sequences of the 999 others.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from simulation.randomization.contenders import RestrictedContender, trials
from simulation.randomization.plan import TrialPlan
from tests.simulation.randomization.published import design

TREND = np.loadtxt(
    Path(__file__).parent / "azathioprine_trend.csv", delimiter=",", skiprows=1, usecols=1, dtype=np.float64
)
SUBJECTS = len(TREND)
TRIALS = 10_000
NORMAL_975 = 1.959963985

TYPE_I_ERROR = {
    ("CRD",): (0.0522, 0.050),
    ("RAND", SUBJECTS): (0.0460, 0.051),
    ("TBD", SUBJECTS): (0.3804, 0.050),
    ("PBD", 2): (0.0015, 0.044),
    ("PBD", 4): (0.0018, 0.041),
    ("BSD", 3): (0.0024, 0.047),
    ("GBCD", 2): (0.0255, 0.047),
}
"""Design -> published error of the unadjusted test, of the randomization test."""


@cache
def treated(key: tuple[str | float, ...]) -> np.ndarray:
    """Whether each subject of each trial (rows) gets the first arm, allocated by the rule."""
    plan = TrialPlan("trend", (("A", 1), ("B", 1)), SUBJECTS, (), TRIALS, 88)
    contender = RestrictedContender(design(*key), "study")
    return np.concatenate([arms == 0 for _, arms, _ in trials(plan, contender)])


def in_order_of_death(arms: np.ndarray, hazard_ratio: float) -> np.ndarray:
    """The subjects of each trial by their survival times."""
    hazards = np.exp(0.1 * TREND + arms * np.log(hazard_ratio))
    return np.argsort(np.random.default_rng(1988).exponential(size=arms.shape) / hazards, axis=1)


def at_risk(values: np.ndarray) -> np.ndarray:
    """The sums over those who are still alive, at each death; deaths are in order along the last axis."""
    return np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]


def wald(arms: np.ndarray, order: np.ndarray) -> np.ndarray:
    """z of the treatment in Cox's model without u, for each trial: Newton's method on the partial likelihood."""
    died = np.take_along_axis(arms, order, axis=1)
    first = at_risk(died.astype(np.float64))
    others = np.arange(SUBJECTS, 0, -1) - first
    effect, step = np.zeros(len(arms)), np.full(len(arms), np.inf)
    while abs(step).max() > 1e-6:
        weighted = first * np.exp(effect)[:, None]
        shares = weighted / (weighted + others)
        information = (shares * (1 - shares)).sum(axis=1)
        step = (first[:, 0] - shares.sum(axis=1)) / information
        effect += step
    return effect * np.sqrt(information)


def wald_adjusted(arms: np.ndarray, order: np.ndarray) -> np.ndarray:
    """z of the treatment in Cox's model with u, for each trial."""
    died = np.take_along_axis(arms, order, axis=1).astype(np.float64)
    covariates = np.stack([died, (TREND - TREND.mean())[order] / TREND.std()], axis=1)
    effects, step = np.zeros((len(arms), 2)), np.full((len(arms), 2), np.inf)
    while abs(step).max() > 1e-6:
        weights = np.exp((effects[:, :, None] * covariates).sum(axis=1))
        alive = at_risk(weights)[:, None]
        means = at_risk(weights[:, None] * covariates) / alive
        products = covariates[:, [0, 0, 1]] * covariates[:, [0, 1, 1]]
        spread = at_risk(weights[:, None] * products) / alive - means[:, [0, 0, 1]] * means[:, [0, 1, 1]]
        a, b, c = spread.sum(axis=2).T
        information = np.stack([np.stack([a, b], 1), np.stack([b, c], 1)], 1)
        score = (covariates - means).sum(axis=2)
        step = np.linalg.solve(information, score[:, :, None])[:, :, 0]
        effects += step
    return effects[:, 0] / np.sqrt(np.linalg.inv(information)[:, 0, 0])


def error(rate: float, trials: int, published_trials: int) -> float:
    """Four standard errors of the difference of two estimates of one rate."""
    return 4 * float(np.sqrt(rate * (1 - rate) * (1 / trials + 1 / published_trials)))


@pytest.mark.parametrize("key", TYPE_I_ERROR, ids=str)
def test_the_error_of_the_unadjusted_test_under_the_trend_is_the_published_one(key) -> None:
    arms = treated(key)
    found = float((abs(wald(arms, in_order_of_death(arms, 1.0))) > NORMAL_975).mean())
    assert found == pytest.approx(TYPE_I_ERROR[key][0], abs=error(found, TRIALS, 10_000) + 5e-5)


@pytest.mark.parametrize("key", TYPE_I_ERROR, ids=str)
def test_a_randomization_test_keeps_its_level_under_the_trend(key) -> None:
    """Each of 2,000 trials against the sequences of the others, as published, on its own deaths.

    The statistic here is the logrank sum, the score of their Cox model: linear in the sequence, and a randomization test has its
    level whatever its statistic. The trials share their sequences, so the error is that of both samples.
    """
    trials = 2_000
    arms = treated(key)[:trials]
    order = in_order_of_death(arms, 1.0)
    scores = np.empty(arms.shape)
    np.put_along_axis(scores, order, 1 - np.cumsum(1 / np.arange(SUBJECTS, 0, -1))[None, :], axis=1)
    centred = arms - arms.mean(axis=1, keepdims=True)
    sums = abs(scores @ centred.T)
    beyond = (sums >= np.diag(sums)[:, None] - 1e-9).sum(axis=1) - 1
    found = float((beyond / (trials - 1) < 0.05).mean())
    assert found == pytest.approx(0.05, abs=error(0.05, trials, trials))
    published = TYPE_I_ERROR[key][1]
    assert published == pytest.approx(0.05, abs=error(0.05, 1_000, 1_000))
    assert published == pytest.approx(found, abs=error(0.05, trials, 1_000) + 5e-4)


def test_the_power_with_complete_randomization_is_the_published_one_without_and_with_adjustment() -> None:
    arms = treated(("CRD",))
    plain = float((abs(wald(arms, in_order_of_death(arms, 0.6))) > NORMAL_975).mean())
    assert plain == pytest.approx(0.465, abs=error(plain, TRIALS, 10_000) + 5e-4)
    some = arms[:2_000]
    adjusted = float((abs(wald_adjusted(some, in_order_of_death(some, 0.6))) > NORMAL_975).mean())
    assert adjusted == pytest.approx(0.973, abs=error(adjusted, len(some), 10_000) + 5e-4)


def test_coxs_model_is_fitted_as_its_likelihood_says() -> None:
    """The partial likelihood, written out, is no higher beside the estimate of each trial."""
    arms = treated(("PBD", 4))[:5]
    order = in_order_of_death(arms, 0.6)

    def log_likelihood(trial: int, effect: float) -> float:
        by_death = arms[trial][order[trial]]
        return sum(
            effect * by_death[i] - float(np.log(np.exp(effect * by_death[i:]).sum())) for i in range(SUBJECTS)
        )

    for trial, z in enumerate(wald(arms, order)):
        best = max(np.linspace(-2, 1, 301), key=lambda effect: log_likelihood(trial, effect))
        step = 0.05
        curve = [log_likelihood(trial, best + shift) for shift in (-step, 0, step)]
        information = (2 * curve[1] - curve[0] - curve[2]) / step**2
        assert z == pytest.approx(best * np.sqrt(information), abs=0.1)

"""A study that goes on recruits as its posterior says: two published cases of accrual by a single stream (Gajewski, Jiang and others).

Their prior has the worth of a share of the study: shape P n and rate P T, which m subjects in t make Gamma(P n + m, P T + t). The number
by T is m + NegBin(P n + m, (P T + t) / (P T + T)); the time to n is t + (P T + t) BetaPrime(n - m, P n + m).
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import betaprime, nbinom

from simulation.engines import compiled
from simulation.engines.outcomes import DAY_LAST_RANDOMIZED, RANDOMIZED
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import names_of, plan_of
from simulation.live_start.present_state import with_present
from simulation.live_start.study_state import StudyState, SubjectFacts
from tests.simulation.reference.inventory_cases import STARTS_ON, Policy, protocol_of, scenario_of
from tests.simulation.reference.test_engine_recruitment import check_times

REPLICATES = 4_000
CASES = [
    # n, T, P, m, t, days a unit of time; quantiles .025, .5, .975 of the number by T and of the time to n
    (300, 36, 0.5, 100, 10, 30, (292, 332, 375), (28.576658, 32.392528, 36.957582)),
    (350, 1095, 0.5, 41, 239, 1, (234, 276, 321), (1185.7041, 1364.6551, 1579.8285)),
]


def going_on(
    n: int, total: int, worth: float, seen: int, at: int, unit: int, days: int, cap: int
) -> TrialPlan:
    """A study of one site that has recruited `seen` by `at`, for so many days more or until `cap` are randomized."""
    a, b = worth * n, worth * total
    scenario = scenario_of(a / b / unit, days)
    recruitment = scenario.recruitment.model_copy(update={"gamma_shape": a})
    scenario = scenario.model_copy(update={"recruitment": recruitment})
    caps = [{"kind": "randomization", "scope": "study", "limit": cap, "at_cap": "refuse"}]
    protocol = protocol_of(Policy(0, 0, below=True), 1, 1, caps=caps)
    opened = STARTS_ON - timedelta(days=at * unit)
    state = StudyState("INVENTORY", STARTS_ON - timedelta(days=1), 1, opened, sites={"S0001": opened})
    state.subjects = [
        SubjectFacts(
            str(one), "S0001", opened, "completed", True, {}, opened, "A", None, {"V1": (True, opened)}
        )
        for one in range(seen)
    ]
    scenario = scenario.model_copy(update={"lots": ()})
    lots = names_of(protocol, scenario).lots
    return with_present(state, protocol, scenario, plan_of(protocol, scenario), lots, STARTS_ON)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "total", "worth", "seen", "at", "unit", "numbers", "times"), CASES)
def test_number_and_time_are_those_of_the_published_cases(
    n: int,
    total: int,
    worth: float,
    seen: int,
    at: int,
    unit: int,
    numbers: tuple[int, ...],
    times: tuple[float, ...],
) -> None:
    shape, rate = worth * n + seen, worth * total + at
    number = nbinom(shape, rate / (worth * total + total))
    time_left = betaprime(n - seen, shape, scale=rate)
    shares = (0.025, 0.5, 0.975)
    # The laws are those of the publications.
    assert tuple(seen + number.ppf(shares)) == numbers
    assert at + time_left.ppf(shares) == pytest.approx(times, abs=1e-3)

    plan = going_on(n, total, worth, seen, at, unit, (total - at) * unit, 100 * n)
    found = compiled.play_batch(plan, 5, 0, REPLICATES).outcomes[:, RANDOMIZED] - seen
    assert abs(found.mean() - number.mean()) < 4 * number.std() / REPLICATES**0.5
    assert found.std() == pytest.approx(number.std(), rel=0.05)
    for quantile in numbers:
        share = number.cdf(quantile - seen)
        error = (share * (1 - share) / REPLICATES) ** 0.5
        assert abs((found <= quantile - seen).mean() - share) < 4 * error

    plan = going_on(n, total, worth, seen, at, unit, 3 * total * unit, n)
    ended = compiled.play_batch(plan, 5, 0, REPLICATES).outcomes
    assert np.all(ended[:, RANDOMIZED] == n)
    check_times(ended[:, DAY_LAST_RANDOMIZED], unit, time_left)

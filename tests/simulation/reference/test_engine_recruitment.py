"""The compiled engine recruits as the exact laws say: times, numbers, sites that open late, shares of sites and regions, visits attended.

A time unit of a case is so many days of the engine. An arrival's day is the floor of its time, so half a day is added; what is left is
a spread of a day's length, below 0.1 % of the times here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.bench100 import Thresholds
from benchmarks.bench100_study import bench100_study
from simulation.engines import compiled
from simulation.engines.day_laws import shares_of
from simulation.engines.events import RANDOMIZED as RANDOMIZED_EVENT
from simulation.engines.outcomes import DAY_LAST_RANDOMIZED, RANDOMIZED, SCREENED, VISITS
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from simulation.engines.trace import COLUMNS
from simulation.scenario import DayLaw
from tests.simulation.reference.inventory_cases import STARTS_ON, Policy, measured, protocol_of, scenario_of
from tests.simulation.reference.recruitment import (
    PoissonGamma,
    poisson_time_to,
    time_to_at_rising_rate,
    visits_attended,
)

pytestmark = pytest.mark.slow

NO_SUPPLY = Policy(0, 0, below=True)


def plan_for(
    process: PoissonGamma,
    unit_days: float,
    days: int,
    subjects: int | None = None,
    spread: bool = True,
    **other: Any,
) -> TrialPlan:
    """A plan that recruits by `process`, until `subjects` are randomized or the days are over."""
    caps = (
        []
        if subjects is None
        else [{"kind": "randomization", "scope": "study", "limit": subjects, "at_cap": "refuse"}]
    )
    scenario = scenario_of(process.shape / process.rate / unit_days, days, **other)
    if spread:
        recruitment = scenario.recruitment.model_copy(update={"gamma_shape": process.shape})
        scenario = scenario.model_copy(update={"recruitment": recruitment})
    return plan_of(protocol_of(NO_SUPPLY, 1, process.sites, caps=caps), scenario)


def last_arrivals(plan: TrialPlan, replicates: int, subjects: int) -> NDArray[np.float64]:
    """The day on which the last subject was randomized, from 0; fails where a replicate ended before."""
    outcomes = compiled.play_batch(plan, 3, 0, replicates).outcomes
    assert (outcomes[:, RANDOMIZED] == subjects).all()
    return outcomes[:, DAY_LAST_RANDOMIZED]


def check_times(days: NDArray[np.float64], unit_days: float, law: Any) -> None:
    """Mean and spread, and the share of times up to some quantiles of the law, each within four standard errors."""
    times = (days + 0.5) / unit_days
    assert abs(measured(times).distance(law.mean())) < 4
    error_of_sd = law.std() * (0.5 / len(days)) ** 0.5 * 1.2
    assert abs(times.std(ddof=1) - law.std()) < 4 * error_of_sd
    for share in (0.05, 0.5, 0.95):
        below = np.clip(law.ppf(share) * unit_days - days, 0, 1).mean()
        assert abs(below - share) < 4 * (share * (1 - share) / len(days)) ** 0.5, share


@pytest.mark.parametrize(
    ("process", "subjects", "unit_days"),
    [(PoissonGamma(20, 2, 2), 100, 200), (PoissonGamma(60, 1.2, 4), 600, 30)],
)
def test_the_time_to_the_last_subject_is_pearson_vi(
    process: PoissonGamma, subjects: int, unit_days: int
) -> None:
    plan = plan_for(process, unit_days, 4000, subjects)
    check_times(last_arrivals(plan, 1000, subjects), unit_days, process.time_to(subjects))


def test_without_a_spread_of_rates_it_is_a_gamma_law() -> None:
    plan = plan_for(PoissonGamma(60, 1.2, 4), 30, 4000, 600, spread=False)
    check_times(last_arrivals(plan, 1000, 600), 30, poisson_time_to(600, 60 * 0.3))


def test_the_number_by_a_day_is_negative_binomial() -> None:
    process = PoissonGamma(60, 1.2, 4)
    law = process.recruited_by(24)
    found = compiled.play_batch(plan_for(process, 30, 24 * 30), 3, 0, 1500).outcomes[:, SCREENED]
    assert abs(measured(found).distance(law.mean())) < 4
    assert found.var(ddof=1) == pytest.approx(law.var(), rel=4 * (2 / 1500) ** 0.5 * 1.2)
    for quantile in (331, 345, 430, 504, 526, 546):
        share = law.cdf(quantile)
        assert abs((found <= quantile).mean() - share) < 4 * (share * (1 - share) / 1500) ** 0.5


@pytest.mark.parametrize("time", [24, 3])
def test_sites_that_open_late(time: int) -> None:
    """They open on whole days, half a day early on average: less than 1 % of the exposure at 3 units, 0.1 % at 24."""
    process, unit_days = PoissonGamma(60, 1.2, 4), 60
    opening = {"delay_days": {"law": "uniform", "min_days": 0, "max_days": 6 * unit_days - 1}}
    mean, variance = process.recruited_with_uniform_opening(time, 6)
    plan = plan_for(process, unit_days, time * unit_days, activation=opening)
    found = compiled.play_batch(plan, 3, 0, 1500).outcomes[:, SCREENED]
    open_sites = min(time / 6, 1) * process.sites
    half_a_day = open_sites * process.shape / process.rate * 0.5 / unit_days
    assert half_a_day < 0.01 * mean
    assert abs(measured(found).distance(mean + half_a_day)) < 4
    assert found.var(ddof=1) == pytest.approx(variance, rel=4 * (2 / 1500) ** 0.5 * 1.3)


@pytest.mark.parametrize(
    ("process", "opening", "time", "replicates"),
    [
        (PoissonGamma(100, 2, 0.4), 30, 120, 60),
        (PoissonGamma(50, 2, 0.2), 30, 120, 60),
        (PoissonGamma(50, 4, 0.4), 60, 240, 40),
        (PoissonGamma(50, 2, 4), 280, 365, 600),
    ],
)
def test_the_number_at_sites_that_open_after_an_exponential_time(
    process: PoissonGamma, opening: int, time: int, replicates: int
) -> None:
    """A gamma law of shape 1 is exponential. Its whole days, the nearest, change mean and spread by less than 0.1 %: how much is exact."""
    law = {"law": "gamma", "mean_days": opening, "shape": 1, "min_days": 0}
    _, shares = shares_of(DayLaw.model_validate(law))
    open_for = np.maximum(time - np.arange(len(shares)), 0)
    mean, variance = process.recruited_in(float(shares @ open_for), float(shares @ open_for**2))
    textbook, textbook_variance = process.recruited_with_exponential_opening(time, opening)
    assert mean == pytest.approx(textbook, rel=0.001)
    assert variance == pytest.approx(textbook_variance, rel=0.001)
    plan = plan_for(process, 1, time, activation={"delay_days": law})
    found = compiled.play_batch(plan, 8, 0, replicates).outcomes[:, SCREENED]
    assert measured(found).error < 0.015 * mean
    assert abs(measured(found).distance(mean)) < 4
    assert found.var(ddof=1) == pytest.approx(variance, rel=4 * (2 / (replicates - 1)) ** 0.5)


def test_fifty_sites_that_open_after_an_exponential_time() -> None:
    """Reference: 200,000 runs of an independent program in continuous time, mean 309.608 (se 0.077), sd 34.41."""
    opening = {"delay_days": {"law": "gamma", "mean_days": 280, "shape": 1, "min_days": 0}}
    plan = plan_for(PoissonGamma(50, 2, 4), 1, 1500, 3000, activation=opening)
    days = last_arrivals(plan, 200, 3000) + 0.5
    found = measured(days)
    assert abs(found.mean - 309.608) < 4 * np.hypot(found.error, 0.077)
    assert abs(days.std(ddof=1) - 34.41) < 4 * 34.41 / (2 * 200) ** 0.5
    for share, quantile in ((0.05, 256.3), (0.5, 307.8), (0.95, 368.8)):
        assert abs((days <= quantile).mean() - share) < 4 * (share * (1 - share) / 200) ** 0.5


def test_the_recruitment_of_rtsm_bench_100() -> None:
    """Reference: mean 368.554 (se 0.052), sd 32.81, from sites that open at U(0, 90): on whole days, half a day earlier."""
    plan = plan_of(*bench100_study(Thresholds(5, 14), visits=1))
    days = last_arrivals(plan, 1000, 600) + 0.5 + 0.5
    found = measured(days)
    assert abs(found.mean - 368.554) < 4 * np.hypot(found.error, 0.052)
    assert abs(days.std(ddof=1) - 32.81) < 4 * 32.81 / (2 * 1000) ** 0.5
    for share, quantile in ((0.05, 318.28), (0.5, 366.58), (0.95, 425.59)):
        assert abs((days <= quantile).mean() - share) < 4 * (share * (1 - share) / 1000) ** 0.5


def test_a_rate_that_rises_month_by_month() -> None:
    """Nine sites, each of which adds 26/9 a month; they open on whole days, at most half a day from a month's beginning."""
    month = 30.4375
    sites = [
        {
            "code": f"S{k}",
            "name": f"Site {k}",
            "country": "DEU",
            "planned_activation": STARTS_ON + timedelta(days=round(k * month)),
        }
        for k in range(9)
    ]
    cap = {"kind": "randomization", "scope": "study", "limit": 300, "at_cap": "refuse"}
    protocol = protocol_of(NO_SUPPLY, 1, caps=[cap], sites=sites)
    plan = plan_of(protocol, scenario_of(26 / 9 / month, 1500))
    days = last_arrivals(plan, 1000, 300)
    mean, quantiles = time_to_at_rising_rate(300, np.full(9, 26 / 9 / month), month)
    assert abs(measured(days + 0.5).distance(mean)) < 4
    for share in (0.05, 0.5, 0.95):
        below = np.clip(quantiles(share)[0] - days, 0, 1).mean()
        assert abs(below - share) < 4 * (share * (1 - share) / 1000) ** 0.5


def counts_by_site(plan: TrialPlan, replicates: int) -> NDArray[np.int64]:
    """Subjects randomized at each site: replicates x sites."""
    found = []
    for replicate in range(replicates):
        trace = compiled.play(plan, 9, replicate, trace=True).trace
        randomized = trace[trace[:, COLUMNS.index("kind")] == RANDOMIZED_EVENT]
        found.append(np.bincount(randomized[:, COLUMNS.index("site")], minlength=len(plan.sites.rate)))
    return np.array(found)


def test_how_many_sites_recruit_how_many_of_720() -> None:
    process = PoissonGamma(60, 1.2, 4)
    counts = counts_by_site(plan_for(process, 30, 7000, 720), 200)
    assert (counts.sum(axis=1) == 720).all()
    for of_each in (0, 5, 10, 12, 20):
        found = measured((counts == of_each).sum(axis=1))
        assert abs(found.distance(process.sites_with(of_each, 720))) < 4, of_each


def test_a_region_of_four_sites_recruits_a_beta_binomial_share() -> None:
    process = PoissonGamma(30, 1.2, 1)
    counts = counts_by_site(plan_for(process, 60, 7000, 200), 400)[:, :4].sum(axis=1)
    law = process.at_some_sites(4, 200)
    assert abs(measured(counts).distance(law.mean())) < 4
    assert counts.std(ddof=1) == pytest.approx(law.std(), rel=4 * 1.2 / (2 * 400) ** 0.5)


@pytest.mark.parametrize(("block", "published"), [(2, 28.618378), (4, 47.703903), (6, 66.699919)])
def test_imbalance_of_blocks_within_sites(block: int, published: float) -> None:
    """The sum over sites of the arms' squared differences, where each site has blocks of its own."""
    process = PoissonGamma(60, 1.2, 4)
    assert process.squared_imbalance(block, 24) == pytest.approx(published, abs=1e-6)
    event = {"code": "RAND", "visit": "V1", "method": "permuted_block", "held_by": "site"}
    protocol = protocol_of(NO_SUPPLY, 1, process.sites, randomization=[event | {"block_sizes": [block]}])
    scenario = scenario_of(0.3 / 30, 24 * 30)
    recruitment = scenario.recruitment.model_copy(update={"gamma_shape": process.shape})
    plan = plan_of(protocol, scenario.model_copy(update={"recruitment": recruitment}))
    found = []
    for replicate in range(100):
        trace = compiled.play(plan, 12, replicate, trace=True).trace
        randomized = trace[trace[:, COLUMNS.index("kind")] == RANDOMIZED_EVENT]
        arm, site = (randomized[:, COLUMNS.index(name)] for name in ("quantity", "site"))
        found.append((np.bincount(site, 2 * arm - 1, minlength=process.sites) ** 2).sum())
    assert abs(measured(np.array(found)).distance(published)) < 4


@pytest.mark.parametrize(("leaves", "visits"), [(0.02, 12), (0.05, 8), (0.01, 26)])
def test_visits_of_subjects_who_may_leave(leaves: float, visits: int) -> None:
    protocol, scenario = bench100_study(Thresholds(5, 14), visits=visits)
    drop_out = scenario.drop_out.model_copy(update={"per_visit_probability": leaves})
    plan = plan_of(protocol, scenario.model_copy(update={"drop_out": drop_out}))
    found = compiled.play_batch(plan, 4, 0, 150).outcomes[:, VISITS]
    mean, variance = visits_attended(leaves, visits)
    assert abs(measured(found).distance(600 * mean)) < 4
    assert found.var(ddof=1) == pytest.approx(600 * variance, rel=4 * (2 / 150) ** 0.5)

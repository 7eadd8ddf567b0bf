"""Risks are read, estimated and bounded; the bounds have their confidence."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.tuning.certificate import CONFIDENCE, confidence_of
from forecasting.tuning.errors import BadTuning
from forecasting.tuning.figures import SUMS, figure
from forecasting.tuning.risk import Risk, betting_bound, parse_risk, skewed_bound
from simulation.engines import outcomes as out
from simulation.engines.outcomes import N_OUTCOMES
from simulation.replicates.summary import WASTE


def outcomes_with(missed: np.ndarray, visits: float = 100.0) -> np.ndarray:
    found = np.zeros((len(missed), N_OUTCOMES))
    found[:, out.MISSED_DISPENSINGS] = missed // 2
    found[:, out.OUT_OF_STOCK] = missed - missed // 2
    found[:, out.VISITS] = visits
    return found


@pytest.mark.parametrize(
    ("text", "measure", "at_most"),
    [
        ("missed_share<=0.001", "missed_share", 0.001),
        (" any_missed <= 10 % ", "any_missed", 0.1),
        ("any_missed<=1e-2", "any_missed", 0.01),
    ],
)
def test_a_risk_is_read(text: str, measure: str, at_most: float) -> None:
    assert parse_risk(text) == Risk(measure, pytest.approx(at_most))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("missed<=0.1", "no measure missed"),
        ("any_missed<0.1", "is no risk"),
        ("any_missed<=0", "not between 0 and 1"),
        ("any_missed<=100%", "not between 0 and 1"),
        ("any_missed<=1e", "no number"),
        ("", "is no risk"),
    ],
)
def test_what_is_no_risk_is_refused_with_the_fix(text: str, told: str) -> None:
    with pytest.raises(BadTuning, match=told) as refused:
        parse_risk(text)
    assert refused.value.field == "--risk"
    assert refused.value.fix


def test_missed_doses_count_whatever_the_reason() -> None:
    outcomes = outcomes_with(np.array([0, 3, 0, 1]))
    assert parse_risk("any_missed<=0.1").estimate(outcomes) == pytest.approx(0.5)
    assert parse_risk("missed_share<=0.1").estimate(outcomes) == pytest.approx(0.01)
    assert figure(outcomes, "missed").tolist() == [0, 3, 0, 1]


def test_waste_is_that_of_the_summary_with_what_is_still_out() -> None:
    causes = {name for names in WASTE.values() for name in names}
    assert set(SUMS["waste"]) == causes | {"kits_left_sites", "kits_left_transit"}


@pytest.mark.parametrize(("events", "bound"), [(0, 0.00299125), (30, 0.04047224), (45, 0.05732626)])
def test_the_bound_of_a_chance_is_clopper_and_pearsons(events: int, bound: float) -> None:
    missed = np.zeros(1000)
    missed[:events] = 2
    assert parse_risk("any_missed<=0.1").upper_bound(outcomes_with(missed), 0.95) == pytest.approx(
        bound, abs=1e-8
    )


def test_the_bound_of_a_skewed_mean_covers_it_where_students_does_not() -> None:
    draw = np.random.default_rng(5)
    rate, count, covered, student = 0.02, 2_000, 0, 0
    for _ in range(200):
        values = (draw.poisson(rate, count) * draw.geometric(0.4, count)).astype(float)
        mean = rate / 0.4
        covered += skewed_bound(values, 0.95) >= mean
        student += values.mean() + 1.6456 * values.std(ddof=1) / np.sqrt(count) >= mean
    assert student < covered
    assert covered >= 0.93 * 200


def test_with_few_events_the_bound_is_exact_for_any_law() -> None:
    none = np.zeros(1000)
    visits = np.full(1000, 100.0)
    # (1 + r)^1000 = 20
    assert betting_bound(none, visits, 0.95) == pytest.approx(20 ** (1 / 1000) - 1, rel=1e-6)
    draw = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        missed = 100.0 * (draw.random(400) < 0.004)  # a whole trial without kits, once in 250
        covered += betting_bound(missed, visits[:400], 0.95) >= 0.004
    assert covered >= 0.95 * 300
    few = np.zeros(1000)
    few[:3] = 4
    risk = parse_risk("missed_share<=0.01")
    assert risk.upper_bound(outcomes_with(few), 0.95) == pytest.approx(betting_bound(few, visits, 0.95))


def test_all_tries_together_keep_the_confidence() -> None:
    errors = [1 - confidence_of(attempt) for attempt in range(1, 200)]
    assert sum(errors) == pytest.approx(1 - CONFIDENCE)
    assert confidence_of(1) == pytest.approx(0.96)

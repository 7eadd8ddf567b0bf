"""The search finds what looking at everything finds, with fewer replicates; close rivals alone get more of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.tuning.candidates import Candidate
from forecasting.tuning.choosing import Judge
from forecasting.tuning.close_rivals import MISTAKE, settle, standing_of
from forecasting.tuning.evaluations import BATCH, LimitReached
from forecasting.tuning.families import Family
from forecasting.tuning.line_search import LineSearch
from forecasting.tuning.screening import Screening
from forecasting.tuning.trial import Trial
from tests.forecasting.tuning.small_tuning import family_over, judge_of, made_up, small_trial


@cache
def expectations() -> Screening:
    """What closed forms expect of the small trial; it has the trial with it."""
    with TemporaryDirectory() as folder:
        trial = small_trial(Path(folder))
    shape = 3, 2
    return Screening(trial, np.full(shape, 7.0), np.full(shape, 0.1), 200.0)


@cache
def five_lines() -> Family:
    """Spans 1 to 5, levels 0 to 8."""
    return family_over(expectations().trial, {span: range(9) for span in range(1, 6)})


@pytest.fixture
def trial() -> Trial:
    return expectations().trial


def searched(judge: Judge, family: Family) -> LineSearch:
    search = LineSearch(judge, expectations(), keep_back=0)
    search.search(family)
    return search


@settings(max_examples=15, deadline=None)
@given(
    needed=st.lists(st.integers(0, 9), min_size=2, max_size=5),
    prices=st.lists(st.integers(1, 60), min_size=5, max_size=5),
    slope=st.integers(1, 9),
)
def test_it_finds_what_looking_at_every_point_finds(needed: list[int], prices: list[int], slope: int) -> None:
    """On line `span` the risk is met from level `needed[span - 1]` on (never where that is 9, since levels end at 8)."""

    def risk(least: int, most: int) -> float:
        return 0.4 * 0.55 ** (least - needed[most - least - 1] + 1)

    def cost(least: int, most: int) -> float:
        return 10 * prices[most - least - 1] + slope * least

    trial = expectations().trial
    judge = judge_of(trial, "any_missed<=0.3", made_up(risk, cost))
    family = five_lines()
    family = Family(family.groups, family.lines[: len(needed)])
    search = searched(judge, family)
    used, points = judge.evaluations.used, [one for line in family.lines for one in line.candidates]
    judge.evaluations.evaluate([(one, search.replicates) for one in points])
    best = judge.best(points)
    if best is None:
        assert search.best is None
    else:
        assert search.best is not None
        assert judge.value(search.best) == judge.value(best)
    assert used <= judge.evaluations.used


def test_bisection_and_giving_up_dear_lines_save_most_of_the_work(trial: Trial) -> None:
    def risk(least: int, most: int) -> float:
        return 0.9 if least < 17 else 0.02

    def cost(least: int, most: int) -> float:
        return 100.0 * abs(most - least - 6) + least

    judge = judge_of(trial, "any_missed<=0.1", made_up(risk, cost))
    family = family_over(trial, {span: range(30) for span in range(1, 13)})
    search = searched(judge, family)
    assert search.best is not None
    assert search.best.label == "(17, 23)"
    assert len(search.seen) < 0.15 * 12 * 30


def test_where_more_stock_is_riskier_again_the_valley_is_found(trial: Trial) -> None:
    """Depots with little: from level 12 on the risk rises, and the closed forms point far beyond."""

    def risk(least: int, _: int) -> float:
        return min(0.9, 0.05 + 0.12 * abs(least - 9))

    play = made_up(risk, lambda least, most: 10.0 * (most - least) + least, upstream=False)
    judge = judge_of(trial, "any_missed<=0.1", play)
    (line,) = family_over(trial, {2: range(20)}).lines
    for guess in (0, 13, 19):
        assert LineSearch(judge, expectations(), keep_back=0)._line(line, guess) == 9


def two_points(
    trial: Trial, risks: tuple[float, float, float], costs: tuple[float, float, float]
) -> tuple[Judge, list[Candidate]]:
    """Candidates (0, 1), (0, 2) and (0, 3) with these risks and costs, with 500 replicates each."""
    judge = judge_of(
        trial,
        "any_missed<=0.1",
        made_up(lambda _, most: risks[most - 1], lambda _, most: costs[most - 1]),
        limit=60_000,
    )
    family = family_over(trial, {span: range(1) for span in (1, 2, 3)})
    points = [line.candidates[0] for line in family.lines]
    judge.evaluations.evaluate([(one, 500) for one in points])
    return judge, points


def test_replicates_go_to_rivals_that_are_hard_to_tell_from_the_best(trial: Trial) -> None:
    """The cheapest is about as risky as the limit: whether it is within it decides; the third is out of the question."""
    judge, points = two_points(trial, (0.112, 0.05, 0.01), (100, 130, 300))
    standing = settle(judge, points, 0.001, keep_back=0)
    assert standing is not None
    assert standing.best == points[1]
    assert standing.mistake <= MISTAKE
    counts = [judge.evaluations.count(one) for one in points]
    assert counts[0] > 3 * counts[1]
    assert counts[2] == 500


def test_a_difference_below_the_indifference_is_not_settled_at_any_price(trial: Trial) -> None:
    judge, points = two_points(trial, (0.02, 0.02, 0.01), (100.0, 100.05, 300))
    settle(judge, points, 0.01, keep_back=0)
    assert judge.evaluations.used == 1500


def test_where_nothing_meets_the_risk_there_is_no_best(trial: Trial) -> None:
    judge, points = two_points(trial, (0.9, 0.8, 0.7), (1, 2, 3))
    assert standing_of(judge, points, 0.001) is None
    assert judge.safest(points) == points[2]


def test_no_more_replicates_than_allowed(trial: Trial) -> None:
    judge, points = two_points(trial, (0.1, 0.1, 0.1), (100, 101, 102))
    settle(judge, points, 0.0, keep_back=20_000)
    assert judge.evaluations.used <= 40_000
    with pytest.raises(LimitReached):
        judge.evaluations.evaluate([(points[0], 60_000)])
    assert judge.evaluations.count(points[0]) % BATCH == 0

"""Laws of whole days by maximum likelihood: no law of the family is likelier, and the right family is found."""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.fitting.day_laws import day_shares, fit_days, log_likelihood, moved_to_monday
from simulation.laws import days_from
from simulation.scenario import DayLaw


def drawn(law: DayLaw, n: int, seed: int = 1) -> list[tuple[int, int | None]]:
    days = [days_from(law, u) for u in np.random.default_rng(seed).random(n)]
    return [(day, day) for day in days]


@pytest.mark.parametrize(
    "law",
    [
        DayLaw(law="gamma", min_days=3, mean_days=14, shape=6),
        DayLaw(law="gamma", min_days=0, mean_days=18, shape=2),
        DayLaw(law="uniform", min_days=-1, max_days=3),
        DayLaw(law="uniform", min_days=0, max_days=1),
        DayLaw(law="fixed", min_days=2),
    ],
    ids=lambda law: f"{law.law} from {law.min_days}",
)
def test_the_law_that_days_were_drawn_from_is_found(law: DayLaw) -> None:
    fit = fit_days(drawn(law, 600))
    assert fit is not None
    assert fit.law.law == law.law
    if law.law == "gamma":
        assert law.mean_days is not None
        assert fit.law.mean_days == pytest.approx(law.mean_days, abs=4 * fit.errors["mean_days"])
        assert fit.law.shape == pytest.approx(law.shape, abs=4 * fit.errors["shape"])
    else:
        assert (fit.law.min_days, fit.law.max_days) == (law.min_days, law.max_days)


def test_the_shares_of_a_law_are_those_of_its_draws() -> None:
    law = DayLaw(law="gamma", min_days=3, max_days=28, mean_days=14, shape=6)
    days, shares = day_shares(law)
    grid = Counter(days_from(law, (u + 0.5) / 20000) for u in range(20000))
    assert shares.sum() == pytest.approx(1)
    for day, share in zip(days, shares, strict=True):
        assert grid[int(day)] / 20000 == pytest.approx(share, abs=2e-4)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0, 0, 0, 2])), min_size=3, max_size=40),
    st.floats(2, 30),
    st.floats(0.5, 10),
)
def test_no_gamma_law_is_likelier_than_the_law_found(
    days: list[tuple[int, int]], mean: float, shape: float
) -> None:
    observed = [(max(day - back, 0), day) for day, back in days]
    fit = fit_days(observed)
    assert fit is not None
    other = DayLaw(law="gamma", min_days=min(day for day, _ in days), mean_days=mean, shape=shape)
    # One more parameter than uniform (AIC), and the rounding of what is reported.
    assert log_likelihood(Counter(observed), *day_shares(other)) <= fit.log_likelihood + 1 + 1e-3


def test_what_has_not_ended_yet_makes_the_law_longer() -> None:
    law = DayLaw(law="gamma", min_days=0, mean_days=20, shape=2)
    whole = drawn(law, 500)
    # Whoever takes more than 20 days is still under way on day 20.
    cut = [(low, high) if low < 20 else (20, None) for low, high in whole]
    without = fit_days([one for one in cut if one[1] is not None])
    with_open = fit_days(cut)
    assert without is not None
    assert with_open is not None
    assert with_open.open == sum(high is None for _, high in cut)
    assert without.mean < 0.8 * 20
    assert with_open.mean == pytest.approx(20, rel=0.15)


def test_a_monday_may_have_been_due_at_the_weekend() -> None:
    assert moved_to_monday(5, date(2026, 3, 2)) == (3, 5)
    assert moved_to_monday(5, date(2026, 3, 3)) == (5, 5)


def test_without_an_end_there_is_no_law() -> None:
    assert fit_days([(3, None), (9, None)]) is None
    assert fit_days([]) is None

"""How far stock lasts: against a ledger that is kept day by day."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.supply_plan.cover import Stock, least_share, meet

DAYS = 12


def by_day(asked: list[int], lots: list[tuple[int, int, int]], until: int) -> tuple[list[int], int]:
    """Kits taken of each lot (kits, comes, last), and the first day at whose end anything waited."""
    left, waiting, short = [kits for kits, _, _ in lots], 0, -1
    for day in range(until):
        waiting += asked[day]
        for at in sorted(range(len(lots)), key=lambda at: lots[at][2]):
            if lots[at][1] <= day <= lots[at][2]:
                take = min(left[at], waiting)
                left[at] -= take
                waiting -= take
        short = day if waiting > 0 and short < 0 else short
    return [lot[0] - rest for lot, rest in zip(lots, left, strict=True)], short


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(0, 4), st.integers(0, DAYS))
def test_whole_intervals_give_what_days_give(seed: int, trials: int, lots_there: int, until: int) -> None:
    random = np.random.default_rng(seed)
    asked = random.integers(0, 5, (trials, DAYS))
    lots = [
        (int(random.integers(16)), int(random.integers(DAYS + 4)), int(random.integers(-2, DAYS + 4)))
        for _ in range(lots_there)
    ]
    tape = np.concatenate([np.zeros((trials, 1), dtype=np.int64), np.cumsum(asked, axis=1)], axis=1)
    stocks = [Stock(kits, np.full(trials, comes, dtype=np.int64), last) for kits, comes, last in lots]
    met = meet(tape, stocks, np.full(trials, until, dtype=np.int64))
    for trial, row in enumerate(asked.tolist()):
        taken, short = by_day(row, lots, until)
        assert met.taken[:, trial].tolist() == taken
        assert met.short_from[trial] == short


def test_each_trial_has_its_own_day_of_release() -> None:
    tape = np.array([[0, 1, 2, 3, 4]] * 2, dtype=np.int64)
    stocks = [Stock(2, np.zeros(2, dtype=np.int64), 9), Stock(5, np.array([2, 3], dtype=np.int64), 9)]
    met = meet(tape, stocks, np.full(2, 4, dtype=np.int64))
    assert met.taken.tolist() == [[2, 2], [2, 2]]
    assert met.short_from.tolist() == [-1, 2]


def test_a_share_is_the_least_number_that_so_many_do_not_exceed() -> None:
    values = np.arange(1, 101)
    assert [least_share(values, share) for share in (0.0, 0.5, 0.95, 0.951, 1.0, 1.5)] == [
        1,
        50,
        95,
        96,
        100,
        150,
    ]

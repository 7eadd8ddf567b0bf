"""How far stock lasts: what is asked of one depot of one kit type, met from lots that come, and may no longer be shipped, on their days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.supply_plan.demand_tape import Array

ENDLESS = 1 << 40
"""Kits of a lot that covers whatever is asked."""


@dataclass(frozen=True)
class Stock:
    """A lot at a depot: kits that can be used, the day of its arrival in each trial, and the last day on which it may be shipped."""

    kits: int
    comes: Array
    last: int


class Met(NamedTuple):
    """What came of it: kits taken of each lot (lots x trials), and the day from which on something was short (trials; -1: never)."""

    taken: Array
    short_from: Array


def meet(asked: Array, stocks: Sequence[Stock], until: Array) -> Met:
    """Meet what is asked before the day `until` of each trial, the earliest expiry first.

    What cannot be met waits until kits come, as sites ask again. `asked` (trials x days + 1) is cumulative, as in DemandTape. Days on which
    nothing comes and nothing expires are taken together.
    """
    trials, days = len(asked), asked.shape[1] - 1
    until = np.clip(until, 0, days)
    marks = [np.zeros(trials, dtype=np.int64), until]
    for one in stocks:
        marks += [one.comes, np.full(trials, one.last + 1)]
    edges = np.sort(np.clip(np.stack(marks), 0, until), axis=0)
    rows = np.arange(trials)
    left = np.array([[one.kits] * trials for one in stocks], dtype=np.int64).reshape(len(stocks), trials)
    first = left.copy()
    in_order = sorted(range(len(stocks)), key=lambda at: stocks[at].last)
    waiting = np.zeros(trials, dtype=np.int64)
    short_from = np.full(trials, -1, dtype=np.int64)
    for begin, end in pairwise(edges):
        waiting += asked[rows, end] - asked[rows, begin]
        some: NDArray[np.bool_] = end > begin
        if not some.any():
            continue
        for at in in_order:
            there = some & (stocks[at].comes <= begin) & (begin <= stocks[at].last)
            take = np.where(there, np.minimum(left[at], waiting), 0)
            left[at] -= take
            waiting -= take
        new = np.flatnonzero(some & (waiting > 0) & (short_from < 0))
        # What was asked until then could be met; the first day on which more was.
        met = asked[new, end[new]] - waiting[new]
        days_asked = np.argmax(asked[new] > met[:, None], axis=1) - 1
        short_from[new] = np.maximum(days_asked, begin[new])
    return Met(first - left, short_from)


def least_share(values: Array, share: float) -> int:
    """The least number that at least that share of the values do not exceed; above 1, so many times the largest one."""
    if share > 1:
        return int(np.ceil(values.max() * share))
    return int(np.quantile(values, share, method="inverted_cdf"))

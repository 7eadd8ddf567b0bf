"""RTSM-BENCH-100 (bench100.py) as a hand-written numba kernel without any feature: the floor that the compiled engine is compared with.

Time goes day by day; arrivals, visits and shipments wait in linked lists, one list for each day. Random numbers come from one
SplitMix64 sequence a replicate (Steele, Lea & Flood 2014), not from addresses, and no rule is asked: what a trial costs at least.
"""

from __future__ import annotations

from math import floor, log
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.bench100 import (
    DAYS_BETWEEN_VISITS,
    JITTER_DAYS,
    LEAD_DAYS,
    LEAVES,
    OPENS_WITHIN_DAYS,
    RATE_PER_DAY,
    RATE_SHAPE,
    SITES,
    SUBJECTS,
    VISITS,
    Thresholds,
)

LAST_DAY: Final = 8000
"""Calendars are as long; no trial of RTSM-BENCH-100 comes near it (the recruitment takes a year)."""
MOST_SHIPMENTS: Final = 8000
SHORTEST_LEAD: Final = LEAD_DAYS[0]
LEADS: Final = len(LEAD_DAYS)
NONE: Final = -1

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


@numba.njit(error_model="numpy")
def _uniform(state: NDArray[np.uint64]) -> float:
    state[0] += _GOLDEN
    word = state[0]
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    word ^= word >> np.uint64(31)
    return ((word >> np.uint64(11)) + 0.5) * 1.1102230246251565e-16


@numba.njit(error_model="numpy")
def _normal(state: NDArray[np.uint64]) -> float:
    return np.sqrt(-2.0 * log(_uniform(state))) * np.cos(2.0 * np.pi * _uniform(state))


@numba.njit(error_model="numpy")
def _gamma(state: NDArray[np.uint64], shape: float) -> float:
    """Gamma(shape >= 1, scale 1), by Marsaglia & Tsang 2000."""
    d = shape - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    while True:
        x = _normal(state)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and log(_uniform(state)) < 0.5 * x * x + d - d * v + d * log(v):
            return d * v


@numba.njit(error_model="numpy")
def _trial(
    trigger: int, up_to: int, state: NDArray[np.uint64], first: NDArray[np.int32], follows: NDArray[np.int32]
) -> tuple[int, int, int, int]:
    """(dispensed, stock-outs, shipments, kits) of one replicate. `first` and `follows`: arrivals, visits and shipments by day."""
    on_hand = np.full((SITES, 2), up_to, np.int64)
    position = np.full((SITES, 2), up_to, np.int64)
    rate, comes = np.empty(SITES), np.empty(SITES)
    site_of, arm_of = np.empty(SUBJECTS, np.int32), np.empty(SUBJECTS, np.int32)
    began, visits = np.empty(SUBJECTS, np.int32), np.zeros(SUBJECTS, np.int32)
    to_site, carries = np.empty(MOST_SHIPMENTS, np.int32), np.empty((MOST_SHIPMENTS, 2), np.int32)
    changed, is_changed = np.empty(SITES, np.int32), np.zeros(SITES, np.bool_)
    first[:] = NONE
    for site in range(SITES):
        rate[site] = _gamma(state, RATE_SHAPE) * RATE_PER_DAY / RATE_SHAPE
        comes[site] = OPENS_WITHIN_DAYS * _uniform(state) - log(_uniform(state)) / rate[site]
        day = int(comes[site])
        if day < LAST_DAY:
            follows[0, site] = first[0, day]
            first[0, day] = site
    enrolled = finished = left_a = left_b = dispensed = stock_outs = shipments = day = 0
    kits = 2 * SITES * up_to
    while finished < SUBJECTS:
        one = first[2, day]
        while one != NONE:
            for arm in range(2):
                on_hand[to_site[one], arm] += carries[one, arm]
            one = follows[2, one]
        site = first[0, day]
        while site != NONE and enrolled < SUBJECTS:
            after = follows[0, site]
            while comes[site] < day + 1 and enrolled < SUBJECTS:
                if left_a + left_b == 0:
                    left_a = left_b = 2
                if _uniform(state) * (left_a + left_b) < left_a:
                    left_a -= 1
                    arm_of[enrolled] = 0
                else:
                    left_b -= 1
                    arm_of[enrolled] = 1
                site_of[enrolled], began[enrolled] = site, day
                follows[1, enrolled] = first[1, day]
                first[1, day] = enrolled
                enrolled += 1
                comes[site] -= log(_uniform(state)) / rate[site]
            if comes[site] < LAST_DAY:
                follows[0, site] = first[0, int(comes[site])]
                first[0, int(comes[site])] = site
            site = after
        some = 0
        subject = first[1, day]
        while subject != NONE:
            after = follows[1, subject]
            site, arm = site_of[subject], arm_of[subject]
            if on_hand[site, arm] > 0:
                on_hand[site, arm] -= 1
                position[site, arm] -= 1
                dispensed += 1
                if not is_changed[site]:
                    is_changed[site] = True
                    changed[some] = site
                    some += 1
            else:
                stock_outs += 1
            visits[subject] += 1
            if visits[subject] == VISITS or _uniform(state) < LEAVES:
                finished += 1
            else:
                jitter = floor((2 * JITTER_DAYS + 1) * _uniform(state)) - JITTER_DAYS
                then = began[subject] + DAYS_BETWEEN_VISITS * visits[subject] + jitter
                follows[1, subject] = first[1, then]
                first[1, then] = subject
            subject = after
        for at in range(some):
            site = changed[at]
            is_changed[site] = False
            if position[site, 0] <= trigger or position[site, 1] <= trigger:
                to_site[shipments] = site
                for arm in range(2):
                    carries[shipments, arm] = up_to - position[site, arm]
                    kits += up_to - position[site, arm]
                    position[site, arm] = up_to
                then = day + SHORTEST_LEAD + int(LEADS * _uniform(state))
                follows[2, shipments] = first[2, then]
                first[2, then] = shipments
                shipments += 1
        day += 1
    return dispensed, stock_outs, shipments, kits


@numba.njit(cache=True, error_model="numpy")
def _trials(trigger: int, up_to: int, seed: int, count: int) -> NDArray[np.int64]:
    outcomes = np.empty((count, 4), np.int64)
    first = np.empty((3, LAST_DAY + 1), np.int32)
    follows = np.empty((3, MOST_SHIPMENTS), np.int32)
    state = np.empty(1, np.uint64)
    for replicate in range(count):
        # Sequences of replicates start 2**32 steps apart, farther than a trial draws.
        state[0] = np.uint64(seed) + np.uint64(replicate) * np.uint64(4294967296) * _GOLDEN
        dispensed, stock_outs, shipments, kits = _trial(trigger, up_to, state, first, follows)
        outcomes[replicate, 0], outcomes[replicate, 1] = dispensed, stock_outs
        outcomes[replicate, 2], outcomes[replicate, 3] = shipments, kits
    return outcomes


def play(thresholds: Thresholds, seed: int, count: int) -> NDArray[Any]:
    """The outcomes of `count` replicates, a row each, with the columns of `bench100.Outcome`."""
    return _trials(thresholds.trigger, thresholds.up_to, seed, count)

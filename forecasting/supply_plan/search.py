"""The plan: the least kits that serve the trial as often as was asked, found by playing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from forecasting.supply_plan.demand_tape import record_demand
from forecasting.supply_plan.playing import Service, Trials
from forecasting.supply_plan.sizing import Sized, at_share, worthwhile_runs
from forecasting.supply_plan.supply_case import MadeRun, SupplyCase

_MOST_SHARE: Final = 2.0
"""Above 1, a run is so many times what the worst of the trials asks for."""
STEPS: Final = 8
_MOST_ROUNDS: Final = 3

Report = Callable[[int, int], None]
"""Is told (done, of so many)."""


class Found(NamedTuple):
    """A plan, the level of service that it reached in the trials that it was searched with, and whether that is what was asked."""

    sized: Sized
    service: Service
    reached: bool


def with_own_expiries(case: SupplyCase, level: float, seed: int, workers: int, report: Report) -> SupplyCase:
    """The case with the demand that a plan for this level causes itself: when its lots expire at sites, these order anew.

    The trials are played again with the plan's own lots, and beside them kits that do not expire for whatever is short, until the plan
    stays the same (or some rounds were made).
    """
    before = None
    for _ in range(_MOST_ROUNDS):
        sized = at_share(case, worthwhile_runs(case, level), level)
        if sized.amounts == before:
            break
        before = sized.amounts
        trial = case.beginning.unlimited(sized.campaigns(case))
        tape = record_demand(trial, set(case.tape.asked), seed, 0, case.tape.trials, workers, report)
        case = replace(case, tape=tape)
    return case


def find_plan(case: SupplyCase, trials: Trials, level: float, report: Report) -> Found:
    """The plan with the least cost of those that are tried: the share of the trials that each run is to be enough for is halved in on.

    Sites hold stock, so that an order that waits seldom means a dose that is missed: the share is mostly lower than the level. Where the
    largest plan does not reach the level, nothing that may be made does: then the one that serves best is given.
    """
    runs = worthwhile_runs(case, min(level, 1.0))
    highest = _tried(case, trials, runs, _MOST_SHARE, level)
    report(1, STEPS)
    whole = highest if highest.reached else _tried(case, trials, case.runs, _MOST_SHARE, level)
    if not whole.reached:
        report(STEPS, STEPS)
        return _leanest(case, trials, whole, level)
    if whole is not highest:
        runs = case.runs
    found, low, high = whole, 0.0, _MOST_SHARE
    for step in range(2, STEPS + 1):
        # First whether a share of 1 is enough, then half of what is left.
        share = 1.0 if step == 2 else (low + high) / 2
        one = _tried(case, trials, runs, share, level)
        low, high = (low, share) if one.reached else (share, high)
        if one.reached and one.sized.cost(case) <= found.sized.cost(case):
            found = one
        report(step, STEPS)
    return found


def _tried(case: SupplyCase, trials: Trials, runs: tuple[MadeRun, ...], share: float, level: float) -> Found:
    sized = at_share(case, runs, share)
    service = trials.played(sized.campaigns(case))
    return Found(sized, service, service.share >= level)


def _leanest(case: SupplyCase, trials: Trials, best: Found, level: float) -> Found:
    """Of the plans that serve as often as the largest one, as far as can be told, one with fewer kits: what cannot be served is no reason
    to make more."""
    found, least = best, best.service.interval[0]
    for share in (1.0, level):
        one = _tried(case, trials, case.runs, share, level)
        if one.service.share < least:
            break
        found = one
    return found

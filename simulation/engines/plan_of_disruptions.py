"""The days on which a lost depot opens again, and on which arms close."""

from __future__ import annotations

import numpy as np

from allocation.rules.forced import NONE
from allocation.study.protocol import Protocol
from simulation.engines.calendar_days import weekday_after
from simulation.engines.plan_allocation import MINIMIZED, Allocation, ArmSupply, Replacing
from simulation.engines.plan_arrays import ints
from simulation.engines.plan_disruptions import Closings, Outages
from simulation.engines.plan_of_production import days_from_start
from simulation.errors import NotSimulated
from simulation.scenario import Scenario


def outages_of(protocol: Protocol, scenario: Scenario) -> Outages:
    """When things leave depots and arrive there, in spite of outages."""
    days, monday = scenario.duration_days, scenario.starts_on.weekday()
    codes = [depot.code for depot in protocol.depots]
    lost = np.zeros((len(codes), days), dtype=np.bool_)
    for outage in scenario.shipping.outages:
        first, last = days_from_start(outage.first_day, scenario), days_from_start(outage.last_day, scenario)
        lost[codes.index(outage.depot), max(first, 0) : max(last + 1, 0)] = True
    if not lost.any():
        return Outages(any=False, leaves=ints([]), arrives=ints([]), longest=0)
    weekdays = scenario.shipping.weekday_receipt
    off = np.array([weekdays and weekday_after(day, monday) != day for day in range(days)])
    leaves, arrives = _first_after(lost | off), _first_after(lost)
    longest = int(max((table - np.arange(days)).max() for table in (leaves, arrives)))
    return Outages(any=True, leaves=ints(leaves), arrives=ints(arrives), longest=longest)


def _first_after(closed: np.ndarray) -> np.ndarray:
    """By row and day the first day from then on that is not closed."""
    days = closed.shape[1]
    found = np.where(closed, days, np.arange(days))
    return np.minimum.accumulate(found[:, ::-1], axis=1)[:, ::-1]


def closings_of(
    protocol: Protocol, scenario: Scenario, allocation: Allocation, supply: ArmSupply, replacing: Replacing
) -> Closings:
    """When arms close. Raises NotSimulated where an arm is not the next entry of a list, which can be passed over."""
    day = ints([scenario.duration_days] * allocation.arm_count)
    arms = [protocol.arms[int(arm)].code for arm in allocation.arms]
    for closing in scenario.arm_closings:
        day[arms.index(closing.arm)] = max(days_from_start(closing.on, scenario), 0)
    drawn = allocation.method == MINIMIZED or allocation.live
    same_arm = replacing.replaces and replacing.same_arm
    for used, where, fix in (
        (drawn, "where arms are drawn at randomization", "close it from the beginning (open: false)"),
        (supply.forced != NONE, "with forced randomization", "leave out one of the two"),
        (same_arm, "where replacements get the arm of whom they replace", "leave out one of the two"),
    ):
        if scenario.arm_closings and used:
            raise NotSimulated(f"an arm that closes is not played {where}", field="arm_closings", fix=fix)
    return Closings(any=bool(scenario.arm_closings), day=day)

"""The (r, Q) inventories as an engine of whole days plays them, exactly: what a day changes can be told from what an engine gets wrong.

Poisson demand of `rate` a day, met or not as it comes; at the end of a day a position at or below the trigger is ordered up to `up_to`
(by more than Q, where the day's demand has overshot the trigger), and arrives at the start of the `lead`-th day after it.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import poisson

from tests.simulation.reference.continuous_review import Backordered, Lost, base_stock_backordered
from tests.simulation.reference.periodic_review import renewals


def daily_reorder_backordered(rate: float, lead: int, trigger: int, up_to: int) -> Backordered:
    """At the ends of days: the position after a review follows the renewals of an order's cycle, the level is it less `lead` days' demand.

    `ready` is the chance of a level above 0.
    """
    weights = renewals(rate)[: up_to - trigger]
    levels = [base_stock_backordered(rate, lead, up_to - j) for j in range(up_to - trigger)]
    return Backordered(*(float(weights @ column / weights.sum()) for column in zip(*levels, strict=True)))


def daily_reorder_lost(rate: float, lead: int, trigger: int, up_to: int) -> Lost:
    """By the chain of levels after an arrival, where up_to - trigger > trigger, so that one order at most is on the way.

    `on_hand` is the mean at the ends of days.
    """
    levels = range(trigger + 1, up_to + 1)
    chance = poisson.pmf(np.arange(up_to + 1), rate)
    # From a level at the start of a day until the order: demands lost, days, kit days, and where the level then is.
    lost, days, held = np.zeros(up_to + 1), np.zeros(up_to + 1), np.zeros(up_to + 1)
    ordered_at = np.zeros((up_to + 1, trigger + 1))
    for level in levels:
        after = np.arange(level + 1)
        moves = np.where(after > 0, chance[level - after], poisson.sf(level - 1, rate))
        stays, goes_on = moves[level], after[(after > trigger) & (after < level)]
        short = rate * poisson.sf(level - 1, rate) - level * poisson.sf(level, rate)
        lost[level] = (short + moves[goes_on] @ lost[goes_on]) / (1 - stays)
        days[level] = (1 + moves[goes_on] @ days[goes_on]) / (1 - stays)
        held[level] = (moves @ after + moves[goes_on] @ held[goes_on]) / (1 - stays)
        ordered_at[level] = (moves[: trigger + 1] + moves[goes_on] @ ordered_at[goes_on]) / (1 - stays)
    # From the order, with a level, until its arrival: lead - 1 days of demand.
    waiting_lost, waiting_held = np.zeros(trigger + 1), np.zeros(trigger + 1)
    arrives_at = np.zeros((trigger + 1, up_to + 1))
    for level in range(trigger + 1):
        for day in range(1, lead):
            waiting_held[level] += base_stock_backordered(rate, day, level).on_hand
        waiting_lost[level] = base_stock_backordered(rate, lead - 1, level).backorders
        for left in range(level + 1):
            moves_to = left + up_to - level
            mean = rate * (lead - 1)
            arrives_at[level, moves_to] += (
                poisson.pmf(level - left, mean) if left else poisson.sf(level - 1, mean)
            )
        # The day of the arrival itself belongs to the next cycle.
    law = np.zeros(up_to + 1)
    law[up_to] = 1.0
    for _ in range(200):
        law = law @ ordered_at @ arrives_at
    at_order = law @ ordered_at
    cycle_days = law @ days + lead - 1
    lost_in_cycle = law @ lost + at_order @ waiting_lost
    on_hand = (law @ held + at_order @ waiting_held) / cycle_days
    return Lost(float(lost_in_cycle / (rate * cycle_days)), float(on_hand), float(1 / cycle_days))

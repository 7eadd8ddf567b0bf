"""How the rate of arrivals changes over time: seasons, pauses, changes and decay, summed up by day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from allocation.study.protocol import Protocol
from simulation.engines.plan_arrays import floats, ints
from simulation.scenario import DAYS_PER_MONTH, Scenario


def arrival_patterns(protocol: Protocol, scenario: Scenario) -> dict[str, Any]:
    """The fields flat, pattern, intensity and decay of a plan's sites: sites with the same pauses and changes share a pattern."""
    recruitment, days = scenario.recruitment, scenario.duration_days
    left = (1 - recruitment.monthly_decay) ** (1 / DAYS_PER_MONTH)
    decay = left ** np.arange(days + 1)
    calendar = [scenario.starts_on + timedelta(days=day) for day in range(days)]
    seasons = recruitment.month_factors or (1.0,) * 12
    patterns: dict[tuple[float, ...], int] = {}
    of_site = []
    for site in protocol.sites:
        left_by_day = tuple(recruitment.left_on(site.code, site.country, day) for day in calendar)
        of_site.append(patterns.setdefault(left_by_day, len(patterns)))
    rows = [
        np.concatenate(
            [
                [0.0],
                np.cumsum(
                    [seasons[day.month - 1] for day in calendar] * np.array(left_by_day) * decay[:days]
                ),
            ]
        )
        for left_by_day in patterns
    ]
    steady = not recruitment.month_factors and not recruitment.pauses and not recruitment.rate_changes
    flat = steady and recruitment.monthly_decay == 0
    return {"flat": flat, "pattern": ints(of_site), "intensity": floats(rows), "decay": floats(decay)}

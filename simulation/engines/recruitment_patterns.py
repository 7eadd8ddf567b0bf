"""How the rate of arrivals changes over time: seasons, pauses and decay, summed up by day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from allocation.study.protocol import Protocol
from allocation.study.supply import Site
from simulation.engines.plan_arrays import floats, ints
from simulation.scenario import DAYS_PER_MONTH, Scenario


def arrival_patterns(protocol: Protocol, scenario: Scenario) -> dict[str, Any]:
    """The fields flat, pattern, intensity and decay of a plan's sites: sites with the same pauses share a pattern."""
    recruitment, days = scenario.recruitment, scenario.duration_days
    left = (1 - recruitment.monthly_decay) ** (1 / DAYS_PER_MONTH)
    decay = left ** np.arange(days + 1)
    calendar = [scenario.starts_on + timedelta(days=day) for day in range(days)]
    seasons = recruitment.month_factors or (1.0,) * 12
    patterns: dict[tuple[bool, ...], int] = {}
    of_site = []
    for site in protocol.sites:
        open_days = tuple(not paused(scenario, site, day) for day in calendar)
        of_site.append(patterns.setdefault(open_days, len(patterns)))
    rows = [
        np.concatenate(
            [
                [0.0],
                np.cumsum([seasons[day.month - 1] for day in calendar] * np.array(open_days) * decay[:days]),
            ]
        )
        for open_days in patterns
    ]
    flat = not recruitment.month_factors and not recruitment.pauses and recruitment.monthly_decay == 0
    return {"flat": flat, "pattern": ints(of_site), "intensity": floats(rows), "decay": floats(decay)}


def paused(scenario: Scenario, site: Site, day: date) -> bool:
    """Whether nobody is screened at a site on a day, by the pauses."""
    return any(
        pause.site in (None, site.code)
        and pause.country in (None, site.country)
        and pause.first_day <= day <= pause.last_day
        for pause in scenario.recruitment.pauses
    )

"""How sites recruit from day 0 on, by what they have recruited: the Poisson-gamma model (Anisimov & Fedorov 2007), given its past.

A site's rate is gamma by the scenario; after k screenings where `expected` were expected at the mean rate, it is Gamma(a + k) with the mean
rate x (a + k) / (a + expected): in the units of simulation/fitting/site_rates.py, the posterior Gamma(a + k, b + tau).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from allocation.study.supply import Site
from simulation.scenario import DAYS_PER_MONTH, Scenario

SATURDAY = 5


@dataclass(frozen=True)
class GoingOn:
    """An open site as `plan_present.Present` has it: rate at the day of its opening, shape, and where its arrivals stand."""

    rate: float
    shape: float
    since: int
    base: float
    slope: float


def going_on(
    scenario: Scenario, site: Site, rate: float, opened_on: date, screened: int, day0: date
) -> GoingOn:
    """A site that opened before `day0`, with its mean `rate` a day by the scenario and the number screened there.

    Where people are screened on weekdays only, those who came on the weekend before day 0 are still to be screened.
    """
    since = 0
    while scenario.recruitment.weekdays_only and (day0 + timedelta(days=since - 1)).weekday() >= SATURDAY:
        since -= 1
    opened = (opened_on - day0).days
    since = max(since, opened)
    seen = sum(_intensity(scenario, site, day0, day) for day in range(opened, since))
    left = (1 - scenario.recruitment.monthly_decay) ** (1 / DAYS_PER_MONTH)
    slope = left**opened
    shape = scenario.recruitment.gamma_shape or 0.0
    expected = rate * seen / slope
    if shape > 0:
        rate *= (shape + screened) / (shape + expected)
        shape += screened
    base = -sum(_intensity(scenario, site, day0, day) for day in range(since, 0))
    return GoingOn(rate, shape, since, base, slope)


def _intensity(scenario: Scenario, site: Site, day0: date, day: int) -> float:
    """By season, pauses, changes and decay, on the scale of the plan, on which decay begins on day 0."""
    on = day0 + timedelta(days=day)
    seasons = scenario.recruitment.month_factors or (1.0,) * 12
    left = (1 - scenario.recruitment.monthly_decay) ** (1 / DAYS_PER_MONTH)
    unpaused = scenario.recruitment.left_on(site.code, site.country, on)
    return float(seasons[on.month - 1] * unpaused * left**day)

"""A site's life: it opens with a delay, then screens people as a Poisson process whose rate is the site's own."""

from __future__ import annotations

from collections.abc import Generator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from allocation.study.supply import Site
from simulation.laws import SATURDAY, days_from, gamma_quantile, poisson_quantile, weekday_after
from simulation.scenario import DAYS_PER_MONTH
from simulation.subject_path import subject_path

if TYPE_CHECKING:
    from simulation.twin import Twin

MINUTES_BETWEEN_SCREENINGS = 41


def recruiting_site(twin: Twin, site: Site) -> Generator[Any, Any, None]:
    """Open the site, then start a subject's process for each person screened, until the scenario ends or a cap is reached."""
    activation = twin.scenario.activation
    if twin.streams.uniform(site.code, "never-activated") < activation.never_probability:
        return
    planned = site.planned_activation or twin.scenario.starts_on
    opens = weekday_after(
        planned
        + timedelta(days=days_from(activation.delay_days, twin.streams.uniform(site.code, "activation")))
    )
    yield twin.until(site, opens)
    twin.trial.open_site(site.code)
    twin.tally.sites += 1
    rate = _own_rate(twin, site)
    waiting, number, day = 0, 0, opens
    while site.code not in twin.tally.stopped_sites:
        day += timedelta(days=1)
        yield twin.until(site, day)
        waiting += poisson_quantile(
            rate * _factor(twin, site, opens, day),
            twin.streams.uniform(site.code, "screenings", day.toordinal()),
        )
        if twin.scenario.recruitment.weekdays_only and day.weekday() >= SATURDAY:
            continue
        for position in range(waiting):
            number += 1
            twin.environment.process(
                subject_path(twin, site, number, day, position * MINUTES_BETWEEN_SCREENINGS % 480)
            )
        waiting = 0


def _own_rate(twin: Twin, site: Site) -> float:
    """The site's screenings per day before season and decay; drawn once (Anisimov & Fedorov 2007)."""
    recruitment = twin.scenario.recruitment
    mean = recruitment.screened_per_site_month / DAYS_PER_MONTH
    mean *= recruitment.country_factors.get(site.country, 1.0) * recruitment.profile_factors.get(
        site.profile or "", 1.0
    )
    if recruitment.gamma_shape is None:
        return mean
    return gamma_quantile(
        recruitment.gamma_shape, mean / recruitment.gamma_shape, twin.streams.uniform(site.code, "rate")
    )


def _factor(twin: Twin, site: Site, opened: date, day: date) -> float:
    """Season, decay since opening, what changes leave, and 0 in a pause."""
    recruitment = twin.scenario.recruitment
    left = recruitment.left_on(site.code, site.country, day)
    season = recruitment.month_factors[day.month - 1] if recruitment.month_factors else 1.0
    return float(season * left * (1 - recruitment.monthly_decay) ** ((day - opened).days / DAYS_PER_MONTH))

"""Recruitment as it was seen: exposure of each site in effective days, season, decay, pauses, and when recruitment closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import exp, log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, poisson

from simulation.fitting.estimate import FEW, Estimate, basis_of
from simulation.fitting.observed import Observed
from simulation.fitting.site_rates import Factors, log_likelihood_of_times, rates_by_group
from simulation.scenario import DAYS_PER_MONTH

_RARE: Final = 0.001
"""A gap without any screening is a pause, or the end, when one so long is rarer than this in the whole study."""
_MOST_A_MONTH: Final = 1000.0
"""The largest rate of a site that a scenario may have."""
_CONVINCING: Final = 0.01
"""Season and decay are in the scenario when the likelihood-ratio test against none is below it."""
_FEWEST_FOR_SEASON: Final = 240
"""Screenings, twenty a calendar month."""


@dataclass(frozen=True)
class FittedRecruitment:
    """The part `recruitment` of a scenario, its estimates, and what a plot shows.

    `closed_on`: recruitment was over from then on; None: it goes on. `observed`, `expected`: screenings by day since the first opening.
    """

    document: dict[str, Any]
    estimates: list[Estimate]
    closed_on: date | None
    days: list[date]
    observed: NDArray[np.int64]
    expected: NDArray[np.float64]
    log_likelihood_gain: dict[str, float]


@dataclass(frozen=True)
class _Grid:
    """Sites by days: `is_open`, `age` in months since the opening, `month` 0 to 11 by day; screenings by site, and for each its day."""

    is_open: NDArray[np.float64]
    age: NDArray[np.float64]
    month: NDArray[np.int64]
    counts: NDArray[np.float64]
    at_site: NDArray[np.int64]
    on_day: NDArray[np.int64]


def fit_recruitment(found: Observed) -> FittedRecruitment:
    """The recruitment of a study with at least one screening at a site that was opened.

    Days before a site's opening, in a pause of the whole study, and after recruitment closed are no exposure.
    """
    sites = list(found.sites.values())
    first = min(site.opened_on for site in sites)
    screened = [subject for subject in found.subjects.values() if subject.site in found.sites]
    on = sorted(subject.screened_on for subject in screened)
    closed_on, pauses = recruitment_gaps(on, found)
    last = closed_on or found.as_of
    pauses = [pause for pause in pauses if pause[1] < last]
    screened = [subject for subject in screened if subject.screened_on <= last]
    days = [first + timedelta(days=day) for day in range((last - first).days + 1)]
    index = {day: position for position, day in enumerate(days)}
    of_site = {site.code: position for position, site in enumerate(sites)}
    grid = _Grid(
        np.array(
            [[day > site.opened_on and not _paused(day, pauses) for day in days] for site in sites],
            dtype=np.float64,
        ),
        np.array([[(day - site.opened_on).days / DAYS_PER_MONTH for day in days] for site in sites]),
        np.array([day.month - 1 for day in days]),
        np.bincount([of_site[one.site] for one in screened], minlength=len(sites)).astype(np.float64),
        np.array([of_site[one.site] for one in screened]),
        np.array([index[max(one.screened_on, first)] for one in screened]),
    )
    decay, decay_estimate, decay_gain = _decay(grid)
    season, season_estimates, season_gain = _season(grid, decay)
    weights = (1 - decay) ** grid.age * grid.is_open * season[grid.month]
    # Whoever screened on the day of opening had that day.
    exposures = np.maximum(weights.sum(axis=1), np.where(grid.counts > 0, 1.0, 1e-9))
    groups = _groups(found)
    fit = rates_by_group(grid.counts, exposures, groups)
    document, estimates = _described(fit, int(grid.counts.sum()), groups)
    weekend = sum(day.weekday() >= 5 for day in on)
    document |= {
        "weekdays_only": weekend == 0,
        "monthly_decay": round(decay, 6),
        "month_factors": [round(float(one), 4) for one in season]
        if season_estimates[0].value == "fitted"
        else [],
        "pauses": [{"first_day": start, "last_day": end} for start, end in pauses],
    }
    estimates += [decay_estimate, *season_estimates]
    estimates.append(
        Estimate(
            "recruitment.weekdays_only",
            str(weekend == 0).lower(),
            "",
            len(on),
            basis_of(len(on)),
            note=f"{weekend} on weekends",
        )
    )
    estimates.append(_pauses_estimate(pauses, len(on)))
    rates = np.array([fit.mean * _factor(fit, of) for of in groups])
    own = grid.counts if fit.shape is None else (fit.shape + grid.counts) / (fit.shape / rates + exposures)
    own = rates if fit.shape is None else own
    observed = np.bincount(grid.on_day, minlength=len(days))
    return FittedRecruitment(
        document,
        estimates,
        closed_on,
        days,
        observed,
        own @ weights,
        {"decay": decay_gain, "season": season_gain},
    )


def _paused(day: date, pauses: list[tuple[date, date]]) -> bool:
    return any(start <= day <= end for start, end in pauses)


def recruitment_gaps(on: list[date], found: Observed) -> tuple[date | None, list[tuple[date, date]]]:
    """When recruitment closed, if it did, and the pauses of the whole study: gaps that are too long to be chance.

    A gap is judged by the screenings of an open site and day, in all the study or in the 90 days around it, whichever are fewer.
    """
    # The rate of a few is no rate: a study that has just begun is neither paused nor closed.
    if len(on) < FEW:
        return None, []
    opened = [site.opened_on for site in found.sites.values()]

    def site_days(first: date, last: date) -> int:
        return sum(max((last - max(first, day)).days + 1, 0) for day in opened)

    pauses = []
    days = sorted(set(on))
    for before, after in pairwise(days):
        start, end = before + timedelta(days=1), after - timedelta(days=1)
        first, last = max(start - timedelta(days=90), days[0]), min(end + timedelta(days=90), days[-1])
        near = sum(first <= day <= last for day in on) / max(site_days(first, last), 1)
        rate = min(near, len(on) / max(site_days(days[0], days[-1]), 1))
        if (end - start).days >= 3 and len(days) * exp(-rate * site_days(start, end)) < _RARE:
            pauses.append((start, end))
    return _closing(on, found.as_of), pauses


def _closing(on: list[date], as_of: date) -> date | None:
    """The first screening day after which so few came, at most one in a hundred, that at the rate of the 90 days before it is no chance."""
    for day in sorted(set(on)):
        later = sum(other > day for other in on)
        if later > len(on) // 100:
            continue
        before = sum(0 <= (day - other).days < 90 for other in on)
        rate = before / min(90, (day - on[0]).days + 1)
        if poisson.cdf(later, rate * (as_of - day).days) < _RARE:
            return day
    return None


def _groups(found: Observed) -> list[list[str]]:
    """For each opened site its country and its profile, where the sites differ in them."""
    sites = list(found.sites.values())
    groups: list[list[str]] = [[] for _ in sites]
    if len({site.country for site in sites}) > 1:
        groups = [[*of, f"country {site.country}"] for of, site in zip(groups, sites, strict=True)]
    known = {profile.code for profile in found.protocol.supply.profiles}
    if len({site.profile for site in sites}) > 1:
        groups = [
            [*of, f"profile {site.profile}"] if site.profile in known else of
            for of, site in zip(groups, sites, strict=True)
        ]
    return groups


def _factor(fit: Factors, of: list[str]) -> float:
    return float(np.prod([fit.factors[name][0] for name in of]))


def _described(
    fit: Factors, screenings: int, groups: list[list[str]]
) -> tuple[dict[str, Any], list[Estimate]]:
    months = DAYS_PER_MONTH
    document: dict[str, Any] = {
        "screened_per_site_month": round(min(fit.mean * months, _MOST_A_MONTH), 6),
        "gamma_shape": None if fit.shape is None else round(fit.shape, 4),
        "country_factors": {},
        "profile_factors": {},
    }
    rows = [
        Estimate(
            "recruitment.screened_per_site_month",
            fit.mean * months,
            "screenings per site and month",
            screenings,
            basis_of(screenings),
            fit.mean_low * months,
            fit.mean_high * months,
            "at a site whose country and profile have factor 1",
        )
    ]
    no_spread = (
        "the sites differ no more than Poisson: the likelihood rises without end, and the limit is taken"
    )
    rows.append(
        Estimate(
            "recruitment.gamma_shape",
            fit.shape if fit.shape is not None else "none",
            "",
            len(groups),
            basis_of(len(groups)),
            fit.shape_low,
            fit.shape_high,
            no_spread if fit.shape is None else f"{len(groups)} sites",
        )
    )
    for name, (value, low, high) in fit.factors.items():
        kind, code = name.split(" ", 1)
        document[f"{kind}_factors"][code] = round(value, 4)
        sites = sum(name in of for of in groups)
        basis = "fitted" if sites >= 5 else "few data"
        rows.append(
            Estimate(
                f"recruitment.{kind}_factors.{code}",
                value,
                "",
                sites,
                basis,  # type: ignore[arg-type]
                low,
                high,
                "sites; weak prior log-normal around 1, sd 0.5",
            )
        )
    return document, rows


def _decay(grid: _Grid) -> tuple[float, Estimate, float]:
    """The monthly decay of the rate since a site's opening, 0 unless the likelihood-ratio test is convincing."""
    ages = grid.age[grid.at_site, grid.on_day]

    def fit(hazard: float) -> float:
        exposures = (np.exp(-hazard * grid.age) * grid.is_open).sum(axis=1)
        return log_likelihood_of_times(-hazard * float(ages.sum()), grid.counts, exposures)

    best = minimize_scalar(lambda x: -fit(x), bounds=(0.0, 1.0), method="bounded")
    gain = -best.fun - fit(0.0)
    step = 1e-3
    curvature = (fit(best.x + step) - 2 * fit(best.x) + fit(best.x - step)) / step**2
    error = 1.96 / np.sqrt(max(-curvature, 1e-9))
    low, high = 1 - exp(-max(best.x - error, 0)), 1 - exp(-(best.x + error))
    convincing = chi2.sf(2 * gain, 1) < _CONVINCING
    value = 1 - exp(-float(best.x)) if convincing else 0.0
    note = (
        f"likelihood ratio {2 * gain:.1f} on 1 degree of freedom"
        if convincing
        else f"no convincing decay (likelihood ratio {2 * gain:.1f}); likeliest {1 - exp(-float(best.x)):.4f}"
    )
    n = int(grid.counts.sum())
    return (
        value,
        Estimate("recruitment.monthly_decay", value, "per month", n, basis_of(n), low, high, note),
        gain,
    )


def _season(grid: _Grid, decay: float) -> tuple[NDArray[np.float64], list[Estimate], float]:
    """The factors of the calendar months with mean 1; all 1 unless there are enough screenings and the test is convincing."""
    flat = np.ones(12)
    n = int(grid.counts.sum())
    weights = (1 - decay) ** grid.age * grid.is_open

    def left(note: str) -> list[Estimate]:
        return [
            Estimate(
                "recruitment.month_factors",
                "none",
                "",
                n,
                "few data" if n < _FEWEST_FOR_SEASON else "fitted",
                note=note,
            )
        ]

    by_month = np.bincount(grid.month[grid.on_day], minlength=12).astype(np.float64)
    exposed = np.array([weights[:, grid.month == month].sum() for month in range(12)])
    if n < _FEWEST_FOR_SEASON or (exposed <= 0).any():
        return flat, left(f"needs {_FEWEST_FOR_SEASON} screenings over all twelve months"), 0.0
    per_site = grid.counts / np.maximum(weights.sum(axis=1), 1e-9)
    season = flat
    # Each site keeps its own rate (as the gamma does): months and sites in turn until they agree.
    for _ in range(100):
        expected = np.array(
            [(per_site[:, None] * weights[:, grid.month == month]).sum() for month in range(12)]
        )
        season = (by_month + 1) / (expected + 1)
        season /= season.mean()
        per_site = grid.counts / np.maximum((weights * season[grid.month]).sum(axis=1), 1e-9)
    gain = float(
        sum(by_month[m] * log(season[m]) for m in range(12))
        - (grid.counts * np.log(np.maximum((weights * season[grid.month]).sum(axis=1), 1e-9))).sum()
        + (grid.counts * np.log(np.maximum(weights.sum(axis=1), 1e-9))).sum()
    )
    p = float(chi2.sf(2 * gain, 11))
    if p >= _CONVINCING:
        return (
            flat,
            left(
                f"no convincing season (likelihood ratio {2 * gain:.1f} on 11 degrees of freedom, p {p:.3f})"
            ),
            gain,
        )
    rows = [
        Estimate(
            "recruitment.month_factors",
            "fitted",
            "",
            n,
            "fitted",
            note=f"likelihood ratio {2 * gain:.1f}, p {p:.4f}",
        )
    ]
    for month in range(12):
        error = 1.96 / np.sqrt(max(by_month[month], 1))
        value = float(season[month])
        rows.append(
            Estimate(
                f"recruitment.month_factors.{month + 1}",
                value,
                "",
                int(by_month[month]),
                basis_of(int(by_month[month])),
                value * exp(-error),
                value * exp(error),
            )
        )
    return season, rows, gain


def _pauses_estimate(pauses: list[tuple[date, date]], n: int) -> Estimate:
    value = ", ".join(f"{start} to {end}" for start, end in pauses) or "none"
    return Estimate(
        "recruitment.pauses",
        value,
        "",
        n,
        basis_of(n),
        note="gaps of the whole study rarer than 0.1 %; a pause of one country or site is not looked for",
    )

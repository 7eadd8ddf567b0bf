"""The probability laws of a scenario, each as the inverse of its distribution function at a uniform number.

One uniform gives one value, so two scenarios that differ in a parameter stay comparable draw by draw (common random numbers).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from math import exp, floor

from scipy.special import gammaincinv, ndtri

from simulation.scenario import DayLaw

SATURDAY = 5


def days_from(law: DayLaw, u: float) -> int:
    """A whole number of days from `law` at the uniform number `u`."""
    if law.law == "fixed":
        return law.min_days
    if law.law == "uniform":
        highest = law.max_days if law.max_days is not None else law.min_days
        return law.min_days + floor(u * (highest - law.min_days + 1))
    shape, mean = law.shape or 1.0, law.mean_days or 1.0
    days = floor(gamma_quantile(shape, mean / shape, u) + 0.5)
    return min(max(days, law.min_days), law.max_days if law.max_days is not None else days)


def gamma_quantile(shape: float, scale: float, u: float) -> float:
    """The `u`-quantile of a gamma law with mean shape x scale."""
    return float(gammaincinv(shape, u)) * scale


def poisson_quantile(mean: float, u: float) -> int:
    """The `u`-quantile of a Poisson law, by summing its probabilities (for the small means of a site's day)."""
    count, probability = 0, exp(-mean)
    cumulative = probability
    while cumulative < u and probability > 0:
        count += 1
        probability *= mean / count
        cumulative += probability
    return count


def normal_quantile(mean: float, sd: float, u: float) -> float:
    """The `u`-quantile of a normal law."""
    return mean + sd * float(ndtri(u))


def pick(shares: Mapping[str, float], u: float) -> str:
    """The name at `u` when the names are laid end to end by their shares (which sum to 1)."""
    reached = 0.0
    for name, share in shares.items():
        reached += share
        if u < reached:
            return name
    return next(reversed(list(shares)))


def window_shares(before: int, after: int, law: str = "triangular") -> list[float]:
    """The probability of each day of a window that reaches so many days `before` and `after` the target.

    `triangular`: rising by equal steps from each end to the target; `uniform`: the same on each day.
    """
    weights = [1.0] * (before + 1 + after)
    if law == "triangular":
        weights[:before] = [(day + 1) / (before + 1) for day in range(before)]
        weights[before + 1 :] = [(after - day) / (after + 1) for day in range(after)]
    total = sum(weights)
    return [weight / total for weight in weights]


def day_in_window(opens: date, target: date, closes: date, u: float, law: str = "triangular") -> date:
    """A day of the window, by the law of `window_shares`."""
    reached = 0.0
    for offset, share in enumerate(window_shares((target - opens).days, (closes - target).days, law)):
        reached += share
        if u < reached:
            return opens + timedelta(days=offset)
    return closes


def weekday_near(day: date, opens: date | None = None, closes: date | None = None) -> date:
    """The nearest weekday: Saturday goes to Friday, Sunday to Monday, unless that leaves the window and the other does not."""
    if day.weekday() < SATURDAY:
        return day
    friday, monday = day - timedelta(days=day.weekday() - 4), day + timedelta(days=7 - day.weekday())
    nearest, other = (friday, monday) if day.weekday() == SATURDAY else (monday, friday)
    if _inside(nearest, opens, closes) or not _inside(other, opens, closes):
        return nearest
    return other


def weekday_after(day: date) -> date:
    """The day itself, or the Monday after a weekend day."""
    return day if day.weekday() < SATURDAY else day + timedelta(days=7 - day.weekday())


def _inside(day: date, opens: date | None, closes: date | None) -> bool:
    return (opens is None or day >= opens) and (closes is None or day <= closes)

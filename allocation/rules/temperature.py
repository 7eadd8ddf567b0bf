"""What a temperature curve did to a kit: time out of range, mean kinetic temperature, and the stability budget.

A curve is the readings of a logger. Between two readings the temperature runs in a straight line, so that the time above a limit begins
where that line crosses it; at the limit itself a kit is in range. Before the first and after the last reading nothing is known, and
nothing is counted: a curve that does not cover a stay says so (`covers`).

Mean kinetic temperature (USP <1079.2>, ICH Q1A(R2) glossary), for times t and absolute temperatures T:

    T_K = (dH/R) / -ln( sum(t_i exp(-dH / (R T_i))) / sum(t_i) )       dH = 83.144 kJ/mol, R = 8.3144 J/(mol K)

where each reading stands for half the time to the one before and half the time to the one after (the trapezoidal rule); with equal
intervals that is the pharmacopoeia's mean, but for the first and the last reading, which count half.

Stability budget: the minutes above and below the storage range that a kit type may spend in all, over every excursion of the kit. Part
of a minute counts as a whole one: what is not known to be harmless is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from allocation.errors import DomainRefusal, InvalidParameter

RULE_VERSION: Final = "linear-between-readings/1"

ACTIVATION_OVER_GAS_CONSTANT: Final = 83_144.0 / 8.3144
"""dH/R in kelvin: 10 000 K."""
ZERO_CELSIUS: Final = 273.15

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Readings in the order of time: `seconds` since the epoch (UTC), `celsius` at each. Raises InvalidParameter unless times rise."""

    seconds: Floats
    celsius: Floats

    def __post_init__(self) -> None:
        """Check that there are two readings or more, and that time goes forward."""
        if len(self.seconds) != len(self.celsius) or len(self.seconds) < 2:
            raise InvalidParameter(
                "a curve needs two readings or more", field="readings", fix="give the whole file"
            )
        if not np.all(np.diff(self.seconds) > 0):
            raise InvalidParameter(
                "times must rise from reading to reading", field="readings", fix="sort the readings"
            )

    def between(self, start: float, end: float) -> Curve | None:
        """The part of the curve from `start` to `end` (seconds), its ends interpolated; None where the two do not meet."""
        start, end = max(start, float(self.seconds[0])), min(end, float(self.seconds[-1]))
        if start >= end:
            return None
        inside = (self.seconds > start) & (self.seconds < end)
        ends = np.interp([start, end], self.seconds, self.celsius)
        return Curve(
            np.concatenate([[start], self.seconds[inside], [end]]),
            np.concatenate([ends[:1], self.celsius[inside], ends[1:]]),
        )

    def covers(self, start: float, end: float) -> bool:
        """Whether something is known of all the time from `start` to `end`."""
        return float(self.seconds[0]) <= start and end <= float(self.seconds[-1])

    @property
    def longest_gap(self) -> float:
        """Seconds of the longest time between two readings."""
        return float(np.max(np.diff(self.seconds)))


@dataclass(frozen=True, slots=True)
class StorageRange:
    """What kits may be exposed to. The last three are None where nothing is stated: minutes in all above and below, and the highest MKT."""

    min_celsius: float
    max_celsius: float
    minutes_above: int | None = None
    minutes_below: int | None = None
    mkt_celsius: float | None = None


def strictest(ranges: Iterable[StorageRange]) -> StorageRange | None:
    """The range that keeps all of `ranges`, or None of none.

    Kit types that look alike are judged by one range: by their own, which kits of a box are flagged would tell the type.
    """
    several = list(ranges)
    if not several:
        return None

    def least(values: Iterable[float | None]) -> float | None:
        return min((value for value in values if value is not None), default=None)

    above, below = least(one.minutes_above for one in several), least(one.minutes_below for one in several)
    return StorageRange(
        max(one.min_celsius for one in several),
        min(one.max_celsius for one in several),
        None if above is None else int(above),
        None if below is None else int(below),
        least(one.mkt_celsius for one in several),
    )


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a curve did: whole minutes above and below the range, the coldest and the warmest, and the mean kinetic temperature."""

    minutes_above: int
    minutes_below: int
    lowest: float
    highest: float
    mean_kinetic: float

    def breaches(self, limits: StorageRange) -> bool:
        """Whether the range was left at all, or the mean kinetic temperature is too high."""
        too_warm = limits.mkt_celsius is not None and self.mean_kinetic > limits.mkt_celsius
        return self.minutes_above > 0 or self.minutes_below > 0 or too_warm


def exposure(curve: Curve, limits: StorageRange) -> Exposure:
    """What the curve did to a kit with these limits."""
    return Exposure(
        _whole_minutes(seconds_above(curve, limits.max_celsius)),
        _whole_minutes(seconds_above(Curve(curve.seconds, -curve.celsius), -limits.min_celsius)),
        float(np.min(curve.celsius)),
        float(np.max(curve.celsius)),
        mean_kinetic_temperature(curve),
    )


def seconds_above(curve: Curve, limit: float) -> float:
    """Seconds that the curve is above `limit` degrees Celsius, with straight lines between readings."""
    over = curve.celsius - limit
    left, right = over[:-1], over[1:]
    positive = np.maximum(left, 0.0) + np.maximum(right, 0.0)
    span = np.abs(left) + np.abs(right)
    # The share of an interval above the limit: all, nothing, or the part on that side of the crossing.
    share = np.divide(positive, span, out=np.zeros_like(span), where=span > 0)
    return float(np.sum(np.diff(curve.seconds) * share))


def _whole_minutes(seconds: float) -> int:
    # Crossings are computed: what is a whole minute but for rounding is not a minute more.
    return math.ceil(round(seconds, 3) / 60)


def mean_kinetic_temperature(curve: Curve) -> float:
    """The mean kinetic temperature of a curve, in degrees Celsius (formula and source: see the module)."""
    intervals = np.diff(curve.seconds)
    weights = (np.concatenate([intervals, [0.0]]) + np.concatenate([[0.0], intervals])) / 2
    exponents = -ACTIVATION_OVER_GAS_CONSTANT / (curve.celsius + ZERO_CELSIUS)
    # Scaled by the largest term: exp(-10000 / T) alone is near the end of what a float can hold when it is very cold.
    largest = float(np.max(exponents))
    mean = float(np.sum(weights * np.exp(exponents - largest)) / np.sum(weights))
    return ACTIVATION_OVER_GAS_CONSTANT / -(largest + math.log(mean)) - ZERO_CELSIUS


@dataclass(frozen=True, slots=True)
class Budget:
    """Minutes that a kit has spent above and below its range over all its excursions, and those that it may; None: nothing is stated."""

    spent_above: int
    spent_below: int
    allowed_above: int | None
    allowed_below: int | None

    @property
    def is_spent(self) -> bool:
        """Whether more was spent than is allowed."""
        return _over(self.spent_above, self.allowed_above) or _over(self.spent_below, self.allowed_below)

    @property
    def in_words(self) -> str:
        """The numbers, for a refusal."""
        sides = (
            ("above", self.spent_above, self.allowed_above),
            ("below", self.spent_below, self.allowed_below),
        )
        return ", ".join(
            f"{spent} minutes {side} the range" + ("" if allowed is None else f" of {allowed} allowed")
            for side, spent, allowed in sides
        )


def _over(spent: int, allowed: int | None) -> bool:
    return allowed is not None and spent > allowed


def budget(spent: Sequence[tuple[int, int]], limits: StorageRange) -> Budget:
    """The budget of a kit after all its excursions, each as (minutes above, minutes below)."""
    return Budget(
        sum(above for above, _ in spent),
        sum(below for _, below in spent),
        limits.minutes_above,
        limits.minutes_below,
    )


def require_releasable(kit: str, has: Budget, mean_kinetic: float, limits: StorageRange) -> None:
    """Raise DomainRefusal, with the numbers, for a kit whose budget is spent or whose excursion was too warm on the whole."""
    if has.is_spent:
        raise DomainRefusal(
            f"the stability budget of kit {kit} is spent: {has.in_words}",
            code="budget-spent",
            field="kit_numbers",
            fix="reject the kit",
        )
    if limits.mkt_celsius is not None and mean_kinetic > limits.mkt_celsius:
        raise DomainRefusal(
            f"kit {kit} had a mean kinetic temperature of {mean_kinetic:.2f} °C, above {limits.mkt_celsius:g} °C",
            code="mean-kinetic-temperature",
            field="kit_numbers",
            fix="reject the kit",
        )

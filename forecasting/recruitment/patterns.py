"""How the sites' rates may run over time: constant, decaying, in two pieces, or as in the last periods only.

A pattern says what each past period weighs against a period at the census, and what lies ahead in the same unit; the sites' own rates are
then Poisson-gamma on the weighted exposures. Its one parameter, where it has one, is the likeliest given how many each site had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from forecasting.recruitment.record import AccrualRecord
from simulation.fitting.site_rates import log_likelihood_of_times

Array = NDArray[np.float64]
Ahead = Callable[[Array, float, float], Array]
"""(ages at the start, start, end) -> each site's exposure between two moments after the census."""

WINDOWS: Final = (4, 8, 12)
"""Periods that a moving window looks at."""
_FASTEST: Final = 0.5
"""The largest decay, per period."""
_LARGEST_STEP: Final = 3.0
"""Of the logarithm of the level before a change against after it."""
_SHORTEST_PIECE: Final = 4
"""Periods on each side of a change."""
_MOST_CHANGES: Final = 40
"""Moments at which a change is looked for; in a longer record they are spread out."""
_STEP: Final = 1e-3


@dataclass(frozen=True)
class Pattern:
    """A pattern as it was fitted: `weights` by period and centre (0: not looked at), what lies `ahead`, its parameter's error.

    `error(end)`: the relative standard error of all that lies ahead until `end`, that comes from the parameter.
    """

    code: str
    says: str
    weights: Array
    ahead: Ahead
    error: Callable[[float], float]


@dataclass(frozen=True)
class _Family:
    """A pattern by its parameter, with the `span` in which that is looked for; at 0 the pattern is constant."""

    code: str
    weights: Callable[[float], Array]
    ahead: Callable[[float], Ahead]
    span: tuple[float, float]


def constant(record: AccrualRecord) -> Pattern:
    """The rates are what they were from the first day on."""
    return Pattern("constant", "constant rates", np.ones_like(record.counts), _level, _certain)


def windows(record: AccrualRecord) -> list[Pattern]:
    """Moving windows: the rates are constant, but only the last periods tell of them."""
    rows = np.arange(record.periods)[:, None] * np.ones_like(record.counts)
    return [
        Pattern(
            f"window-{last}",
            f"rates of the last {last} periods",
            (rows >= record.periods - last).astype(np.float64),
            _level,
            _certain,
        )
        for last in WINDOWS
        if last < record.periods
    ]


def decays(record: AccrualRecord) -> list[Pattern]:
    """Rates that decay exponentially, with the study's time or with each centre's own; they never grow."""
    to_census = np.arange(record.periods)[:, None] + 0.5 - record.periods + np.zeros_like(record.counts)
    age = np.cumsum(record.is_open, axis=0) - 0.5

    def with_study(decay: float) -> Ahead:
        return lambda ages, start, end: _decayed(decay, start, end) * np.ones_like(ages)

    def with_centre(decay: float) -> Ahead:
        return lambda ages, start, end: np.exp(-decay * ages) * _decayed(decay, 0.0, end - start)

    families = (
        _Family("decay", lambda decay: np.exp(-decay * to_census), with_study, (0.0, _FASTEST)),
        _Family("decay-by-age", lambda decay: np.exp(-decay * age), with_centre, (0.0, _FASTEST)),
    )
    names = (
        "rates that decay by {:.1%} a period",
        "rates that decay by {:.1%} a period of each centre's own time",
    )
    found = []
    for family, name in zip(families, names, strict=True):
        _, value = _likeliest(record, family)
        found.append(_fitted(record, family, value, name.format(1 - np.exp(-value))))
    return found


def piecewise(record: AccrualRecord) -> list[Pattern]:
    """Two levels with a change between them, where that makes the times likeliest; none where the record is too short."""
    rows = np.arange(record.periods)[:, None] + np.zeros_like(record.counts)
    candidates = []
    changes = range(_SHORTEST_PIECE, record.periods - _SHORTEST_PIECE + 1)
    for change in spread_out(changes, _MOST_CHANGES):

        def weights(step: float, change: int = change) -> Array:
            return np.where(rows < change, np.exp(step), 1.0)

        family = _Family("piecewise", weights, lambda _: _level, (-_LARGEST_STEP, _LARGEST_STEP))
        candidates.append((*_likeliest(record, family), change, family))
    if not candidates:
        return []
    _, step, change, family = max(candidates, key=lambda one: one[0])
    says = f"rates that changed after period {change}, to {np.exp(-step):.0%}"
    return [_fitted(record, family, step, says)]


def all_patterns(record: AccrualRecord) -> list[Pattern]:
    """Every pattern that the record is long enough for, the simplest first."""
    return [constant(record), *windows(record), *decays(record), *piecewise(record)]


def spread_out(values: range, most: int) -> list[int]:
    """All of the values, or so many of them at even distances, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[int(at)] for at in np.linspace(0, len(values) - 1, most).round()]


def _level(ages: Array, start: float, end: float) -> Array:
    return np.full(len(ages), end - start)


def _certain(_: float) -> float:
    return 0.0


def _decayed(decay: float, start: float, end: float) -> float:
    """The integral of exp(-decay t)."""
    if decay < 1e-9:
        return end - start
    return float((np.exp(-decay * start) - np.exp(-decay * end)) / decay)


def _log_likelihood(record: AccrualRecord, family: _Family, value: float) -> float:
    weights = family.weights(value)
    logs = float((record.counts * np.log(weights)).sum())
    return log_likelihood_of_times(logs, record.counts.sum(axis=0), (weights * record.is_open).sum(axis=0))


def _likeliest(record: AccrualRecord, family: _Family) -> tuple[float, float]:
    """(log-likelihood, parameter); 0 where nothing is likelier."""
    best = minimize_scalar(
        lambda value: -_log_likelihood(record, family, value), bounds=family.span, method="bounded"
    )
    nothing = _log_likelihood(record, family, 0.0)
    return (-float(best.fun), float(best.x)) if -best.fun > nothing + 1e-9 else (nothing, 0.0)


def _fitted(record: AccrualRecord, family: _Family, value: float, says: str) -> Pattern:
    """The pattern with the error of its parameter: its standard error from the curvature, times what a change of it would change."""
    middle = max(value, _STEP) if family.span[0] == 0 else value
    low, high = middle - _STEP, middle + _STEP
    curvature = (
        _log_likelihood(record, family, low)
        - 2 * _log_likelihood(record, family, middle)
        + _log_likelihood(record, family, high)
    ) / _STEP**2
    # Without any curvature the span itself is what is known.
    deviation = min(1 / np.sqrt(max(-curvature, 1e-9)), (family.span[1] - family.span[0]) / 4)
    by_centre, ages = record.counts.sum(axis=0), record.ages

    def expected(parameter: float, end: float) -> float:
        exposures = (family.weights(parameter) * record.is_open).sum(axis=0)
        forward = family.ahead(parameter)(ages, 0.0, end)
        return float(((by_centre * forward / exposures)[record.goes_on]).sum())

    def error(end: float) -> float:
        below, above = expected(low, end), expected(high, end)
        if below <= 0 or above <= 0:
            return 0.0
        return abs(float(np.log(above / below))) / (2 * _STEP) * float(deviation)

    return Pattern(family.code, says, family.weights(value), family.ahead(value), error)

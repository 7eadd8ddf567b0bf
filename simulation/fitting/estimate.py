"""One estimate with what it rests on, and the two laws of counting that most of them share.

Where data are few an estimate leans on a weak prior, and says so. A probability has a Beta prior worth twenty trials, a rate a Gamma
prior worth half an event, shares a Dirichlet prior worth one observation in all. The intervals of the first two are of
the data alone (Jeffreys).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, Final, Literal

from scipy.stats import beta, gamma

FEW: Final = 20
"""Below so many observations the basis of an estimate is called few data."""
PRIOR_TRIALS: Final = 20
LEVEL: Final = 0.95
"""Of every interval."""

Basis = Literal["fitted", "few data", "prior", "recorded", "not in a ledger"]


@dataclass(frozen=True)
class Estimate:
    """An assumption as it was estimated. `path` is its place in the scenario; `low` to `high` its 95 % interval, None without one.

    `basis`: fitted from the observations; few data, so that the weak prior weighs; prior: no data at all; recorded: taken as it is in
    the ledger; not in a ledger: left at the scenario's default. `note` says what else is to be known.
    """

    path: str
    value: float | str
    unit: str
    observations: int
    basis: Basis
    low: float | None = None
    high: float | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """As a mapping of plain values."""
        return asdict(self)


def basis_of(observations: int) -> Basis:
    """What an estimate from so many observations is called."""
    return "prior" if observations == 0 else "few data" if observations < FEW else "fitted"


def probability(
    path: str, events: int, trials: int, prior_mean: float, unit: str, note: str = ""
) -> Estimate:
    """A probability and its interval.

    The prior has mean `prior_mean` and is worth 20 trials; the interval is Jeffreys', of the data alone.
    """
    value = (events + prior_mean * PRIOR_TRIALS) / (trials + PRIOR_TRIALS)
    note = note or f"{events} of {trials}"
    if not trials:
        return Estimate(path, prior_mean, unit, 0, "prior", note="no observation: the prior's mean")
    low, high = beta.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], events + 0.5, trials - events + 0.5)
    return Estimate(
        path, value, unit, trials, basis_of(trials), min(float(low), value), max(float(high), value), note
    )


def shares(path: str, counts: Mapping[str, int], note: str = "") -> tuple[dict[str, float], list[Estimate]]:
    """The means of the Dirichlet posterior of the shares of `counts`, which sum to 1; the prior spreads one observation evenly.

    They are rounded to six decimals, the largest so that the sum stays 1.
    """
    total = sum(counts.values())
    each = 1 / len(counts)
    found = {name: round((count + each) / (total + 1), 6) for name, count in counts.items()}
    largest = max(found, key=lambda name: found[name])
    found[largest] = round(found[largest] + 1 - sum(found.values()), 9)
    rows = []
    for name, count in counts.items():
        a, b = count + each, total - count + 1 - each
        # One name alone: as far below 1 as so many observations without another name allow.
        alone = ((1 - LEVEL) / 2) ** (1 / (total + 1)), 1.0
        bounds = beta.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], a, b) if len(counts) > 1 else alone
        low, high = float(bounds[0]), float(bounds[1])
        rows.append(Estimate(f"{path}.{name}", found[name], "share", total, basis_of(total), low, high, note))
    return found, rows


def event_rate(events: float, exposure: float, prior_rate: float) -> tuple[float, float, float]:
    """A rate and its interval. The prior is worth half an event at `prior_rate`; the interval is Jeffreys', of the data alone.

    Without exposure the interval has no upper end.
    """
    value = (events + 0.5) / (exposure + 0.5 / prior_rate)
    if exposure <= 0:
        return value, 0.0, inf
    low, high = gamma.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], events + 0.5, scale=1 / exposure)
    return value, min(float(low), value), max(float(high), value)

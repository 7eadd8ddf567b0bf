"""One estimate with what it rests on, and the two laws of counting that most of them share.

Where data are few an estimate leans on a weak prior, and says so. A probability has a Beta prior and a rate a Gamma prior that is worth
half an event, in as many trials or as much time as its mean makes of it; shares have a Dirichlet prior worth one observation in all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from scipy.stats import beta, gamma

FEW: Final = 20
"""Below so many observations the basis of an estimate is called few data."""
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
    """The mean of the Beta posterior of a probability and its interval; the prior has mean `prior_mean` and is worth half an event."""
    a, b = events + 0.5, trials - events + 0.5 / prior_mean - 0.5
    note = note or f"{events} of {trials}; prior worth half an event in {0.5 / prior_mean:.0f}"
    low, high = beta.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], a, b)
    return Estimate(path, a / (a + b), unit, trials, basis_of(trials), float(low), float(high), note)


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
    """The mean of the Gamma posterior of a rate and its interval; the prior is worth half an event at `prior_rate`."""
    shape, scale = events + 0.5, 1 / (exposure + 0.5 / prior_rate)
    low, high = gamma.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], shape, scale=scale)
    return shape * scale, float(low), float(high)

"""Sites that are still to open: the mean of the time that each will have been open, and of its square (Anisimov 2009)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.errors import ForecastError

_NODES: Final = np.polynomial.legendre.leggauss(48)


@dataclass(frozen=True)
class Opening:
    """`sites` that open between `first` and `last` periods after the census, any moment as likely as another.

    With `mean` instead, each opens after an exponential time of that mean.
    """

    sites: int
    first: float = 0.0
    last: float = 0.0
    mean: float | None = None

    @staticmethod
    def parse(text: str) -> Opening:
        """From COUNT:FROM:TO, as the command line has it. Raises ForecastError."""
        found: Opening | None = None
        with suppress(ValueError):
            count, first, last = text.split(":")
            found = Opening(int(count), float(first), float(last))
        if found is None or found.sites < 1 or not 0 <= found.first <= found.last < np.inf:
            raise ForecastError(
                f"{text!r} is not COUNT:FROM:TO with a count of 1 or more and 0 <= FROM <= TO",
                field="--new-sites",
                fix="write 5:2:10 for five sites that open between 2 and 10 periods after the census",
            )
        return found

    def exposure(self, weight: Callable[[float], float], until: float) -> tuple[float, float]:
        """(mean, mean of the square) of one site's exposure by `until`, where it is weight(u) if the site opens at u."""
        if self.mean is None and self.last <= self.first:
            found = weight(self.first) if until > self.first else 0.0
            return found, found**2
        end = until if self.mean is not None else min(until, self.last)
        if end <= self.first:
            return 0.0, 0.0
        nodes, weights = _NODES
        half = (end - self.first) / 2
        at = self.first + half * (nodes + 1)
        even = 1 / max(self.last - self.first, 1e-300)
        density = np.full(len(at), even) if self.mean is None else np.exp(-at / self.mean) / self.mean
        values = np.array([weight(float(u)) for u in at])
        shares = half * weights * density
        return float(shares @ values), float(shares @ values**2)

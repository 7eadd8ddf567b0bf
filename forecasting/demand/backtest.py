"""Back-test: the forecast is made again from earlier days of the same data, and compared with what came until the cut."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np

from forecasting.demand.forecast import Models, covered, crps, forecast_demand
from forecasting.demand.interim import InterimCut

FIRST_DAYS: Final = 126
EVERY: Final = 28
HORIZONS: Final = (56, 112, 182)
ENROLMENT_MODELS: Final = ("dynamic", "recent", "constant")
LEAVING_MODELS: Final = ("constant", "periods", "arms")


@dataclass(frozen=True)
class Score:
    """How one choice of models did. Errors in kits; `crps` is the mean over kit types, cuts and horizons.

    `coverage`: by level, the share of kit totals that their interval covered. `bias`: mean of forecast over seen, of all kits, less 1.
    """

    models: Models
    forecasts: int
    crps: float
    coverage: dict[str, float]
    coverage_by_horizon: dict[str, float]
    bias: float
    pit: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "models": {"enrolment": self.models.enrolment, "leaving": self.models.leaving},
            "forecasts": self.forecasts,
            "crps": round(self.crps, 2),
            "coverage": {level: round(share, 3) for level, share in self.coverage.items()},
            "coverage_90_by_horizon": {
                days: round(share, 3) for days, share in self.coverage_by_horizon.items()
            },
            "bias": round(self.bias, 4),
            "pit_tenths": [round(share, 3) for share in self.pit],
        }


def backtest(cut: InterimCut, models: Models, *, draws: int = 1000, seed: int = 1) -> Score:
    """Forecasts from every 28th day before the cut, back to day 126, 8, 16 and 26 weeks ahead and to the cut. They overlap in time."""
    scores, ratios, ranks = [], [], []
    hits: dict[str, list[bool]] = {"0.5": [], "0.8": [], "0.9": [], "0.95": []}
    by_horizon: dict[str, list[bool]] = {}
    rng = np.random.default_rng(seed)
    for on in cut.cuts(FIRST_DAYS, EVERY, EVERY):
        whole = (cut.cut_on - on).days
        for days in sorted({*(days for days in HORIZONS if days < whole), whole}):
            until = on + timedelta(days=days)
            forecast = forecast_demand(cut.as_of(on), until, draws=draws, seed=seed, models=models)
            seen = cut.dispensed(on, until)
            scores += [crps(forecast.total[:, kit], float(one)) for kit, one in enumerate(seen)]
            below = (forecast.total < seen).mean(axis=0)
            same = (forecast.total == seen).mean(axis=0)
            ranks += (below + rng.random(len(seen)) * same).tolist()
            ratios.append(float(forecast.total.sum(axis=1).mean() / max(seen.sum(), 1) - 1))
            for level, found in hits.items():
                found += covered(forecast.total, seen, float(level))
            name = str(days) if days in HORIZONS else "to the cut"
            by_horizon.setdefault(name, []).extend(covered(forecast.total, seen, 0.9))
    tenths = np.histogram(ranks, bins=10, range=(0, 1))[0] / max(len(ranks), 1)
    return Score(
        models,
        len(scores),
        float(np.mean(scores)),
        {level: float(np.mean(found)) for level, found in hits.items()},
        {name: float(np.mean(found)) for name, found in by_horizon.items()},
        float(np.mean(ratios)),
        tuple(float(share) for share in tenths),
    )

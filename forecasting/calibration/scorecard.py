"""The scorecard: kept forecasts of a study against the facts that came since, by measure and scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from math import sqrt
from typing import Any, Final

import numpy as np
import polars as pl

from allocation.access.actors import Actor
from allocation.access.permissions import authorize, may
from allocation.ledger.database import Database
from allocation.ledger.sealing import seal_pending
from forecasting.calibration import scores
from forecasting.calibration.facts import Counts, Facts, facts_of
from forecasting.calibration.kept import BLINDED_MEASURES, MEASURES, kept

FEWEST_WINDOWS: Final = 5
"""Windows of time without overlap, below which nothing is judged."""
_CLEAR: Final = 2.0
"""Standard errors by which a share must be off to be called so."""
UNITS: Final = {
    "randomized": "subjects randomized",
    "screened": "subjects screened",
    "kits_dispensed": "kits dispensed",
    "stock_outs": "visits without a kit",
}


@dataclass(frozen=True)
class Coverage:
    """Of a central interval: how many had what came, and the mean probability that they gave to themselves."""

    level: float
    covered: int
    stated: float


@dataclass(frozen=True)
class Scored:
    """How the kept forecasts of a measure in a scope did: `numbers` of them from `forecasts`, in `windows` that do not overlap in time.

    `crps` in the unit of the measure; `pit` in tenths; `pit_mean` above 0.5: what came was above. `brier`: of whether there would be
    any, with the share of numbers in which there was (`happened`) and the mean probability (`expected`).
    """

    measure: str
    scope: str
    numbers: int
    forecasts: int
    windows: int
    coverage: tuple[Coverage, ...]
    crps: float
    mean: float
    came: float
    pit: tuple[float, ...]
    pit_mean: float
    brier: float
    happened: float
    expected: float

    @property
    def verdict(self) -> str:
        """What that says, in a plain sentence."""
        if self.measure == "stock_outs":
            return self._of_stock_outs()
        wide = self.coverage[-1]
        held = (
            f"{_percent(wide.level)} intervals held {wide.covered} of {self.numbers} ({_percent(wide.covered / self.numbers)}; "
            f"by their own law {_percent(wide.stated)})"
        )
        if self.windows < FEWEST_WINDOWS:
            return f"{held}; {_times(self.windows)}: too few to judge."
        off = wide.covered / self.numbers - wide.stated
        error = sqrt(wide.stated * (1 - wide.stated) / self.windows)
        width = "too narrow" if off < -_CLEAR * error else "wider than needed" if off > _CLEAR * error else ""
        lean = self.pit_mean - 0.5
        side = "" if abs(lean) <= _CLEAR * sqrt(1 / 12 / self.windows) else "more" if lean > 0 else "less"
        said = [width and f"they are {width}", side and f"{side} came than they said"]
        return (
            f"{held}: "
            + (" and ".join(filter(None, said)) or f"not clearly off, in {_times(self.windows)}")
            + "."
        )

    def _of_stock_outs(self) -> str:
        text = (
            f"there were some in {100 * self.happened:.1f} % of {self.numbers:,}, {100 * self.expected:.1f} % were expected; "
            f"Brier {self.brier:.4f}"
        )
        if self.windows < FEWEST_WINDOWS:
            return f"{text}; {_times(self.windows)}: too few to judge."
        error = sqrt(max(self.expected * (1 - self.expected), 1e-9) / self.windows)
        off = self.happened - self.expected
        verdict = "too many" if off > _CLEAR * error else "too few" if off < -_CLEAR * error else ""
        return f"{text}: " + (
            f"{verdict} came for what was said."
            if verdict
            else f"not clearly off, in {_times(self.windows)}."
        )

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "measure": self.measure,
            "scope": self.scope,
            "numbers": self.numbers,
            "forecasts": self.forecasts,
            "separate_windows": self.windows,
            "coverage": [
                {
                    "level": one.level,
                    "covered": one.covered,
                    "share": one.covered / self.numbers,
                    "stated": one.stated,
                }
                for one in self.coverage
            ],
            "crps": self.crps,
            "mean_forecast": self.mean,
            "mean_came": self.came,
            "pit_tenths": list(self.pit),
            "pit_mean": self.pit_mean,
            "brier": self.brier,
            "happened": self.happened,
            "expected": self.expected,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Scorecard:
    """The groups, and what could not be scored: numbers whose time has not passed by `as_of`, and forecasts made from another ledger.

    `answered`: the kept numbers that were scored, each with what `came`.
    """

    study_id: str
    as_of: date
    groups: tuple[Scored, ...]
    forecasts: int
    waiting: int
    other_ledger: int
    measures: tuple[str, ...] = field(default=MEASURES)
    answered: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False, compare=False)

    def group(self, measure: str, scope: str = "study") -> Scored | None:
        """The group of a measure in a scope; None where nothing was scored."""
        return next((one for one in self.groups if (one.measure, one.scope) == (measure, scope)), None)

    def short(self, measures: Sequence[str]) -> list[str]:
        """A line for each of these measures in its widest scope that was scored; one that says so where there is none."""
        lines = []
        for measure in measures:
            found = next((one for one in self.groups if one.measure == measure), None)
            if found is not None:
                crps = "" if measure == "stock_outs" else f" CRPS {found.crps:.3g}."
                lines.append(f"Earlier forecasts of {UNITS[measure]}: {found.verdict}{crps}")
        if lines:
            return lines
        waiting = f" ({self.waiting:,} numbers wait for their time)" if self.waiting else ""
        return [f"No earlier forecast of this study can be scored yet{waiting}."]

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "study": self.study_id,
            "as_of": self.as_of.isoformat(),
            "forecasts": self.forecasts,
            "waiting": self.waiting,
            "of_another_ledger": self.other_ledger,
            "measures": list(self.measures),
            "groups": [one.as_json() for one in self.groups],
        }


def scorecard(database: Database, actor: Actor, study_id: str, up_to: int | None = None) -> Scorecard:
    """Score the kept forecasts of a study by the facts up to the sealed position `up_to` (None: all).

    Who may not read kit types gets the forecasts of subjects alone. A forecast whose ledger hash is not the ledger's is left out and
    counted. Raises NotPermitted; NotFound for an unknown study; ForecastError for a broken file.
    """
    authorize(actor, "forecast.recruitment", study_id)
    measures = MEASURES if may(actor, "forecast.demand", study_id) else BLINDED_MEASURES
    seal_pending(database)
    numbers = kept(study_id, measures)
    positions = frozenset(numbers["ledger_position"].to_list())
    facts = facts_of(database, study_id, up_to, positions)
    hashes = pl.Series([facts.hashes.get(at) for at in numbers["ledger_position"].to_list()], dtype=pl.String)
    ours = (hashes == numbers["ledger_hash"]).fill_null(False)
    made_later = pl.lit(False) if up_to is None else pl.col("ledger_position") > up_to
    mine = numbers.filter(ours)
    due = mine.filter(pl.col("to_date") <= facts.as_of)
    answered = due.with_columns(came=pl.Series(_came(due, facts), dtype=pl.Float64))
    groups = [
        _scored(answered.filter(measure=measure, scope=scope))
        for measure, scope in answered.select("measure", "scope").unique(maintain_order=True).iter_rows()
    ]
    order = {"study": 0, "country": 1, "depot": 2, "site": 3}
    groups.sort(key=lambda one: (MEASURES.index(one.measure), order[one.scope]))
    return Scorecard(
        study_id,
        facts.as_of,
        tuple(groups),
        mine["forecast_id"].n_unique(),
        len(mine) - len(due),
        numbers.filter(~ours & ~made_later)["forecast_id"].n_unique(),
        measures,
        answered,
    )


def _came(numbers: pl.DataFrame, facts: Facts) -> list[int]:
    """What came for each number."""
    known: dict[tuple[Any, ...], Counts] = {}
    found = []
    keys = (
        "ledger_position",
        "census",
        "from_date",
        "to_date",
        "sites",
        "measure",
        "scope",
        "scope_id",
        "kit_type",
    )
    for position, census, first, to, sites, *of in numbers.select(keys).iter_rows():
        window = (position, census, first, to, sites == "open")
        if window not in known:
            known[window] = facts.counts(*window)
        measure, scope, place, kit_type = of
        found.append(known[window][measure, scope, place, kit_type])
    return found


def _scored(rows: pl.DataFrame) -> Scored:
    quantiles = np.array(rows["quantiles"].to_list())
    came = rows["came"].to_numpy()
    low, high = scores.pit(quantiles, came)
    chance = rows["probability_above_zero"].to_numpy()
    return Scored(
        measure=rows["measure"][0],
        scope=rows["scope"][0],
        numbers=len(rows),
        forecasts=rows["forecast_id"].n_unique(),
        windows=separate_windows(rows.select("from_date", "to_date").unique().rows()),
        coverage=tuple(
            Coverage(
                level,
                int(scores.covered(quantiles, came, level).sum()),
                float(scores.stated(quantiles, level).mean()),
            )
            for level in scores.INTERVALS
        ),
        crps=float(scores.crps(quantiles, came).mean()),
        mean=float(rows["mean"].to_numpy().mean()),
        came=float(came.mean()),
        pit=tuple(scores.pit_tenths(low, high).tolist()),
        pit_mean=float(((low + high) / 2).mean()),
        brier=scores.brier(chance, came > 0),
        happened=float((came > 0).mean()),
        expected=float(chance.mean()),
    )


def separate_windows(windows: Sequence[tuple[date, date]]) -> int:
    """The most of these half-open windows that do not overlap: what overlaps shares its chances, and counts once."""
    count, end = 0, date.min
    for first, to in sorted(windows, key=lambda one: one[1]):
        if first >= end:
            count, end = count + 1, to
    return count


def _times(windows: int) -> str:
    return "one stretch of time" if windows == 1 else f"{windows} separate stretches of time"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"

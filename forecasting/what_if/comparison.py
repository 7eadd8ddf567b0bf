"""A base and its changes, played under common random numbers and compared pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecasting.what_if.change_file import Change
from forecasting.what_if.measures import RATIOS, RISKS, measures, values_of
from forecasting.what_if.paired import (
    Difference,
    ShareDifference,
    difference,
    ratio_difference,
    risk_difference,
)
from simulation.replicates.run import Run
from simulation.replicates.summary import CONFIDENCE, QUANTILES, Summary, summary_of

METHOD: Final = (
    f"paired t, {CONFIDENCE:.0%}, over replicates with common random numbers; risks: Agresti and Min 2005; "
    "ratios: ratio estimator"
)


@dataclass(frozen=True)
class Compared:
    """A change against the base. `same`: both have the same plan, so that nothing can differ."""

    change: Change
    same: bool
    differences: tuple[Difference, ...]
    risks: tuple[ShareDifference, ...]
    ratios: tuple[ShareDifference, ...]

    def difference(self, name: str) -> Difference:
        """The difference in the measure of that name."""
        return next(one for one in self.differences if one.name == name)

    @property
    def variance_ratio(self) -> float | None:
        """The median over the measures that vary in pairs; None: none does."""
        found = [one.variance_ratio for one in self.differences if one.variance_ratio is not None]
        return float(np.median(found)) if found else None

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "name": self.change.name,
            "description": self.change.description,
            "change": self.change.told(),
            "same_plan": self.same,
            "variance_ratio_median": self.variance_ratio,
            "differences": {one.name: one.as_json() for one in self.differences},
            "risks": {one.name: one.as_json() for one in self.risks},
            "ratios": {one.name: one.as_json() for one in self.ratios},
        }


@dataclass(frozen=True)
class Comparison:
    """All changes against one base, over so many replicates."""

    base: Run
    summary: Summary
    compared: tuple[Compared, ...]
    replicates: int

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "study": self.base.protocol.study.id,
            "scenario": self.base.scenario.name,
            "engine": self.base.engine.value,
            "seed": self.base.seed,
            "replicates": self.replicates,
            "interval": METHOD,
            "base": self.summary.as_json(),
            "changes": [one.as_json() for one in self.compared],
        }

    def frame(self) -> pl.DataFrame:
        """A row for each change and measure."""
        rows = []
        for one in self.compared:
            for gap in one.differences:
                quantiles = {
                    f"q{round(100 * at):02}": value
                    for at, value in zip(QUANTILES, gap.quantiles, strict=True)
                }
                rows.append(
                    {
                        "change": one.change.name,
                        "measure": gap.name,
                        "unit": gap.unit,
                        "base": gap.base,
                        "changed": gap.changed,
                        "difference": gap.difference,
                        "standard_error": gap.standard_error,
                        "low": gap.low,
                        "high": gap.high,
                        **quantiles,
                        "share_higher": gap.share_higher,
                        "share_lower": gap.share_lower,
                        "share_worse": gap.share_worse,
                        "variance_ratio": gap.variance_ratio,
                    }
                )
            rows += [
                {
                    "change": one.change.name,
                    "measure": share.name,
                    "unit": "share",
                    "base": share.base,
                    "changed": share.changed,
                    "difference": share.difference,
                    "low": share.low,
                    "high": share.high,
                }
                for share in (*one.risks, *one.ratios)
            ]
        return pl.DataFrame(rows, infer_schema_length=None)


def compare(base: Run, outcomes: pl.DataFrame, changed: list[tuple[Change, Run, pl.DataFrame]]) -> Comparison:
    """Compare changes with the base by the outcomes of the same replicates, a row each in their order."""
    currency = base.protocol.study.currency
    before, plan = values_of(outcomes), base.plan_hashes()
    compared = tuple(
        _compared(change, run.plan_hashes() == plan, before, values_of(frame), currency)
        for change, run, frame in changed
    )
    return Comparison(base, summary_of(outcomes, currency), compared, outcomes.height)


def differences_by_replicate(
    outcomes: pl.DataFrame, changed: list[tuple[Change, Run, pl.DataFrame]]
) -> pl.DataFrame:
    """A row for each change and replicate: the change less the base, of every measure."""
    before = values_of(outcomes)
    return pl.concat(
        [
            pl.DataFrame(
                {
                    "change": [change.name] * frame.height,
                    "replicate": outcomes["replicate"],
                    **{name: value - before[name] for name, value in values_of(frame).items()},
                }
            )
            for change, _, frame in changed
        ]
    )


def _compared(
    change: Change,
    same: bool,
    base: dict[str, NDArray[np.float64]],
    changed: dict[str, NDArray[np.float64]],
    currency: str,
) -> Compared:
    def pair(over: str, under: str) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        return (base[over], base[under]), (changed[over], changed[under])

    return Compared(
        change=change,
        same=same,
        differences=tuple(
            difference(one.name, one.unit, one.meaning, one.worse, base[one.name], changed[one.name])
            for one in measures(currency)
        ),
        risks=tuple(
            risk_difference(one.name, one.meaning, base[one.of], changed[one.of], same) for one in RISKS
        ),
        ratios=tuple(
            ratio_difference(one.name, one.meaning, *pair(one.over, one.under), less=float(one.overage))
            for one in RATIOS
        ),
    )

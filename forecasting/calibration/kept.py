"""The store of forecasts that were made of a study: each number that a fact will answer, with the ledger it was made from.

One Parquet file a forecast, in `forecasts/STUDY/` of RTSM_HOME. The same forecast made again (same ledger, assumptions and question) takes
the place of the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from allocation.home_folder import rtsm_home
from forecasting.calibration.scores import LEVELS
from forecasting.census import Census
from forecasting.errors import ForecastError
from simulation.replicates.folder import write_whole

Measure = Literal["randomized", "screened", "kits_dispensed", "stock_outs"]
MEASURES: Final[tuple[Measure, ...]] = ("randomized", "screened", "kits_dispensed", "stock_outs")
"""Subjects; subjects; kits handed out; visits that took place without the kits that were due."""
BLINDED_MEASURES: Final[tuple[Measure, ...]] = ("randomized", "screened")
"""Those that tell no kit type."""
ALL_TYPES: Final = ""
"""The kit type of a row about all of them together, or about subjects."""

SCHEMA: Final[dict[str, Any]] = {
    "forecast_id": pl.String,
    "kind": pl.String,
    "made_at": pl.Datetime("us", "UTC"),
    "study": pl.String,
    "census": pl.Date,
    "ledger_position": pl.Int64,
    "ledger_hash": pl.String,
    "scenario_hash": pl.String,
    "measure": pl.String,
    "scope": pl.String,
    "scope_id": pl.String,
    "kit_type": pl.String,
    "sites": pl.String,
    "from_date": pl.Date,
    "to_date": pl.Date,
    "mean": pl.Float64,
    "quantiles": pl.List(pl.Float64),
    "probability_above_zero": pl.Float64,
}


@dataclass(frozen=True)
class KeptNumber:
    """One number that a later fact answers: a measure in a scope from `from_date` to before `to_date`, by its law.

    `quantiles` at LEVELS. `sites`: `all` that the study has, or those `open` at the census only.
    """

    measure: Measure
    scope: str
    scope_id: str
    kit_type: str
    from_date: date
    to_date: date
    mean: float
    quantiles: tuple[float, ...]
    probability_above_zero: float
    sites: Literal["all", "open"] = "all"


def number_of_draws(
    draws: NDArray[np.int64],
    measure: Measure,
    scope: str,
    scope_id: str,
    kit_type: str,
    from_date: date,
    to_date: date,
) -> KeptNumber:
    """The number that draws of it (one a replicate) tell; quantiles are values that occur, since counts are whole."""
    quantiles = np.quantile(draws, LEVELS, method="inverted_cdf")
    return KeptNumber(
        measure,
        scope,
        scope_id,
        kit_type,
        from_date,
        to_date,
        float(draws.mean()),
        tuple(quantiles.tolist()),
        float((draws > 0).mean()),
    )


def keep(
    census: Census,
    kind: str,
    question: dict[str, Any],
    numbers: Sequence[KeptNumber],
    scenario_hash: str | None = None,
    made_at: datetime | None = None,
) -> Path:
    """Keep a forecast; gives its file. `question`: what was asked for, which with ledger and assumptions makes the forecast's id.

    Raises ForecastError where the store cannot be written to.
    """
    identity = [kind, census.study_id, census.position, census.chain_hash, scenario_hash, question]
    forecast_id = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]
    header = {
        "forecast_id": forecast_id,
        "kind": kind,
        "made_at": made_at or datetime.now(UTC),
        "study": census.study_id,
        "census": census.at,
        "ledger_position": census.position,
        "ledger_hash": census.chain_hash,
        "scenario_hash": scenario_hash,
    }
    frame = pl.DataFrame([header | vars(one) for one in numbers], schema=SCHEMA, orient="row")
    file = store_of(census.study_id) / f"{kind}-{census.at}-{forecast_id}.parquet"
    return write_in_store(file, lambda path: frame.write_parquet(path, compression="zstd"))


def write_in_store(file: Path, content: Callable[[Path], object]) -> Path:
    """Write a file of the store, whole or not at all; gives it. Raises ForecastError where the store cannot be written to."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return write_whole(file, content)
    except OSError as unwritable:
        raise ForecastError(
            f"{file} cannot be written ({unwritable.strerror})",
            field="RTSM_HOME",
            fix="let it be written to, or name another folder",
        ) from unwritable


def kept(study_id: str, measures: Iterable[str] = MEASURES) -> pl.DataFrame:
    """All numbers of these measures that were kept of a study, in the order of their censuses. Raises ForecastError for a broken file."""
    frames = []
    for file in sorted(store_of(study_id).glob("*.parquet")):
        try:
            frames.append(pl.read_parquet(file).select(*SCHEMA).cast(pl.Schema(SCHEMA)))
        except (pl.exceptions.PolarsError, OSError) as broken:
            raise ForecastError(
                f"{file} is no kept forecast: {str(broken).splitlines()[0]}",
                field=file.name,
                fix="remove it; the forecast can be made again with --at",
            ) from broken
    found = pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)
    return found.filter(pl.col("measure").is_in(list(measures))).sort(
        "census", "forecast_id", maintain_order=True
    )


def store_of(study_id: str) -> Path:
    """The folder of a study's forecasts."""
    return rtsm_home() / "forecasts" / study_id

"""The tables of a study's demand forecasts that were kept: every place, kit type, part and week, for whoever plans supplies. Unblinded.

Beside the numbers that a scorecard answers (forecasting/calibration/kept.py), in `forecasts/STUDY/demand-tables/` of RTSM_HOME: Parquet
as `demand_frame` gives it, and JSON with what it was made from, which comes last: without it there is no table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from forecasting.calibration.kept import keep, store_of, write_in_store
from forecasting.demand.study_demand import SCOPES, StudyDemand
from forecasting.demand.study_rows import demand_frame, kept_numbers
from forecasting.demand.study_table import sites_at_risk
from forecasting.errors import ForecastError

_FOLDER: Final = "demand-tables"


@dataclass(frozen=True)
class KeptTable:
    """A kept table: what it was made from, and its file.

    `weak`: how many assumptions rest on few data or none; `new_subjects`: 5, 50 and 95 % of those randomized in the whole time;
    `risks`: site, the probability that it lacks a kit for a visit, and the mean of such visits, the greatest first.
    """

    census: date
    ledger_position: int
    ledger_hash: str
    begins_on: date
    weeks: int
    replicates: int
    basis: str
    weak: int
    kit_types: tuple[str, ...]
    places: dict[str, tuple[str, ...]]
    new_subjects: tuple[float, ...]
    risks: tuple[tuple[str, float, float], ...]
    file: Path

    def rows(self) -> pl.DataFrame:
        """The table, as `demand_frame` has it. Raises ForecastError for a broken file."""
        try:
            return pl.read_parquet(self.file)
        except (pl.exceptions.PolarsError, OSError) as broken:
            raise _broken(self.file, broken) from broken


def keep_demand(found: StudyDemand) -> tuple[Path, Path]:
    """Keep a forecast: the numbers that a scorecard answers, and its table; gives both files. Raises ForecastError as `keep`."""
    asked = {"weeks": found.weeks, "replicates": found.replicates, "seed": found.seed}
    start = found.start
    kept = keep(start.census, "demand", asked, kept_numbers(found), start.scenario_hash)
    return kept, keep_table(found, kept)


def keep_table(found: StudyDemand, kept: Path) -> Path:
    """Keep the table of a forecast under the name of the file that its numbers were kept in; gives its file.

    Raises ForecastError where it cannot be written.
    """
    start, folder = found.start, kept.parent / _FOLDER
    told = {
        "census": start.census.at.isoformat(),
        "ledger_position": start.census.position,
        "ledger_hash": start.census.chain_hash,
        "begins_on": found.begins_on.isoformat(),
        "weeks": found.weeks,
        "replicates": found.replicates,
        "basis": start.basis,
        "weak": len(start.weak),
        "kit_types": found.kit_types,
        "places": {scope: found.places(scope) for scope in SCOPES},
        "new_subjects": np.quantile(found.newcomers, (0.05, 0.5, 0.95)).tolist(),
        "risks": sites_at_risk(found),
    }
    frame, file = demand_frame(found), folder / kept.name
    write_in_store(file, lambda path: frame.write_parquet(path, compression="zstd"))
    write_in_store(file.with_suffix(".json"), lambda path: path.write_text(json.dumps(told)))
    return file


def kept_tables(study_id: str) -> list[KeptTable]:
    """The tables that were kept of a study, the latest census first. Raises ForecastError for a broken file."""
    found = []
    for file in (store_of(study_id) / _FOLDER).glob("*.json"):
        try:
            found.append(_read(json.loads(file.read_text(encoding="utf-8")), file.with_suffix(".parquet")))
        except (OSError, ValueError, KeyError, TypeError) as broken:
            raise _broken(file, broken) from broken
    return sorted(found, key=lambda one: (one.census, one.ledger_position, one.file.name), reverse=True)


def _read(told: dict[str, Any], file: Path) -> KeptTable:
    return KeptTable(
        **told
        | {
            "census": date.fromisoformat(told["census"]),
            "begins_on": date.fromisoformat(told["begins_on"]),
            "kit_types": tuple(told["kit_types"]),
            "places": {scope: tuple(told["places"][scope]) for scope in SCOPES},
            "new_subjects": tuple(told["new_subjects"]),
            "risks": tuple((site, float(risk), float(mean)) for site, risk, mean in told["risks"]),
            "file": file,
        }
    )


def _broken(file: Path, broken: Exception) -> ForecastError:
    return ForecastError(
        f"{file} is no kept table of a demand: {str(broken).splitlines()[0]}",
        field=file.name,
        fix="remove it; the forecast can be made again with `rtsm forecast demand --study STUDY --at DATE`",
    )

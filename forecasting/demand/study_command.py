"""The answer to `rtsm forecast demand --study`: the forecast, kept, with how earlier ones of the study did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import RenderableType

from allocation.ledger.database import open_database
from allocation.terminal import acting, progress_bar, the_study
from forecasting.calibration.facts import facts_of
from forecasting.calibration.scorecard import scorecard
from forecasting.demand.errors import BadRequest
from forecasting.demand.kept_tables import keep_demand
from forecasting.demand.study_demand import StudyDemand, check_request, forecast_study_demand
from forecasting.demand.study_plot import write_study_plot
from forecasting.demand.study_rows import demand_frame
from forecasting.demand.study_start import study_start
from forecasting.demand.study_table import study_demand_json, study_demand_tables
from simulation.randomization.chart_file import check_chart_file


class _Defaults(NamedTuple):
    weeks: int
    replicates: int


STUDY_DEFAULTS: Final = _Defaults(weeks=13, replicates=1000)


@dataclass(frozen=True)
class StudyQuestion:
    """What is asked of a study. `at` None: its last day; `scenario` None: fitted to the ledger."""

    study_id: str
    at: date | None
    scenario: Path | None
    weeks: int
    replicates: int
    seed: int


def answer_study(
    question: StudyQuestion, actor: str | None, out: Path | None, plot: Path | None
) -> tuple[RenderableType, dict[str, Any], list[str]]:
    """The tables, the plain values, and lines about calibration and files. The forecast is kept.

    Raises as `study_start` does; BadRequest and PlotError for options that cannot be.
    """
    check_request(question.weeks, question.replicates)
    if plot is not None:
        check_chart_file(plot)
    if out is not None:
        _make(out)
    database = open_database(create=False)
    try:
        who, study_id = acting(database, actor), the_study(database, question.study_id)
        start = study_start(
            database, who, study_id, question.at, question.scenario, question.weeks, question.seed
        )
        card = scorecard(database, who, study_id, start.census.position)
        facts = facts_of(database, study_id) if plot is not None else None
    finally:
        database.dispose()
    with progress_bar("simulating") as progress:
        found = forecast_study_demand(
            start, question.weeks, question.replicates, question.seed, progress=progress
        )
    files = [] if out is None else _write(found, out)
    if plot is not None and facts is not None:
        write_study_plot(found, facts, plot)
        files.append(plot)
    kept, table = keep_demand(found)
    calibration = card.short(("kits_dispensed", "stock_outs"))
    document = {
        **study_demand_json(found),
        "calibration": card.as_json(),
        "kept": str(kept),
        "kept_table": str(table),
        "files": [str(file) for file in files],
    }
    return study_demand_tables(found), document, [*calibration, *(f"  {file}" for file in files)]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as unwritable:
        raise BadRequest(
            f"{folder} cannot be made ({unwritable.strerror})", field="--out", fix="name another folder"
        ) from unwritable


def _write(found: StudyDemand, folder: Path) -> list[Path]:
    frame = demand_frame(found)
    files = [folder / "demand.parquet", folder / "demand.csv"]
    try:
        frame.write_parquet(files[0], compression="zstd")
        frame.write_csv(files[1])
    except OSError as unwritable:
        raise BadRequest(
            f"{folder} cannot be written to ({unwritable.strerror})",
            field="--out",
            fix="name another folder",
        ) from unwritable
    return files

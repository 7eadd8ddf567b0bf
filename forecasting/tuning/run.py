"""A tuning from a request to its report on disk: what `rtsm tune` does, and whoever files its report calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from allocation.home_folder import rtsm_home
from forecasting.tuning.baseline import baseline_of
from forecasting.tuning.errors import BadTuning
from forecasting.tuning.evaluations import Evaluations
from forecasting.tuning.grid import parse_grid
from forecasting.tuning.objective import Objective, ObjectiveName
from forecasting.tuning.report import Written, write_report
from forecasting.tuning.risk import parse_risk
from forecasting.tuning.site_groups import parse_by
from forecasting.tuning.trial import Trial, trial_of_documents, trial_of_study
from forecasting.tuning.tuning import INDIFFERENCE, Asked, Tuned, tune
from simulation.replicates.workforce import workers_of_machine

LIMIT = 150_000
"""Replicates that a tuning may use in all."""


@dataclass(frozen=True)
class Request:
    """A tuning as it is asked for in words: `scenario` or `study`, or both (the study's state, the scenario's assumptions)."""

    risk: str
    objective: ObjectiveName = ObjectiveName.COST
    scenario: Path | None = None
    study: str | None = None
    at: date | None = None
    days: int | None = None
    actor: str | None = None
    grid: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    baseline: str | None = "protocol"
    limit: int = LIMIT
    indifference: float = INDIFFERENCE
    seed: int | None = None
    out: Path | None = None
    workers: int | None = None
    tailored: bool = False


def run_tuning(request: Request, quiet: bool = True) -> tuple[Tuned, Written]:
    """Tune, and write the report into the request's folder (default: one in RTSM_HOME). It goes on from what is there.

    Raises BadTuning and OtherTuning, and as `trial_of_documents` and `trial_of_study`.
    """
    risk, grid, by = parse_risk(request.risk), parse_grid(list(request.grid)), parse_by(list(request.by))
    trial = _trial(request)
    objective = Objective(
        request.objective,
        {"cost": trial.run.protocol.study.currency, "waste": "kits"}.get(request.objective, "shipments"),
    )
    baseline = None if request.baseline is None else baseline_of(trial, request.baseline)
    asked = Asked(risk, objective, grid, by, baseline, request.indifference)
    name = f"{trial.run.protocol.study.id}-{trial.run.seed}-{trial.run.fingerprint()}"
    folder = request.out or rtsm_home() / "tunings" / name
    with _progress(request.limit, quiet) as (stage, played):
        evaluations = Evaluations(
            trial, folder, request.limit, request.workers or workers_of_machine(), request.tailored, played
        )
        tuned = tune(evaluations, asked, stage)
    return tuned, write_report(tuned, folder)


def _trial(request: Request) -> Trial:
    if request.study is not None:
        return trial_of_study(
            request.study, request.scenario, request.seed, request.at, request.days, request.actor
        )
    if request.at or request.days or request.actor:
        raise BadTuning(
            "goes with a running study", field="--at, --days, --as", fix="add --study, or leave it out"
        )
    if request.scenario is None:
        raise BadTuning(
            "nothing says what trial is meant",
            field="SCENARIO",
            fix="name a scenario's file, or a study with --study",
        )
    return trial_of_documents(request.scenario, request.seed)


@contextmanager
def _progress(limit: int, quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[int], None]]]:
    """What is being done and how many replicates there are, on standard error, on a terminal only."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn(f"{{task.completed:,}} replicates (at most {limit:,})"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("tuning", total=None)
        yield lambda name: bar.update(task, description=name), lambda count: bar.advance(task, count)

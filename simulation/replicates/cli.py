"""The command `rtsm simulate`: many replicates of a scenario, summed up."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from allocation.home_folder import rtsm_home
from simulation.command_options import (
    EngineChoice,
    FromStudy,
    FromStudyActor,
    FromStudyAt,
    FromStudyDays,
    ScenarioSeed,
    Tailored,
)
from simulation.replicates.bands import COLUMNS, bands_of, last_week, with_history
from simulation.replicates.filling import Hands, play_missing
from simulation.replicates.folder import RunFolder
from simulation.replicates.live_run import read_live_run
from simulation.replicates.run import Engine, Run, read_run
from simulation.replicates.summary import Summary, summary_of
from simulation.replicates.table import summary_tables
from simulation.replicates.trace_file import write_trace
from simulation.replicates.workforce import workers_of_machine

app = typer.Typer()

MOST_REPLICATES: Final = 10_000_000
MOST_WORKERS: Final = 1_024
_WIDTH_WITHOUT_TERMINAL: Final = 160


@app.callback()
def _simulating() -> None:
    """Play a trial many times before it runs."""


def _cluster(value: str | None) -> str | None:
    if value is None or value == "local" or "://" in value or Path(value).is_file():
        return value
    raise typer.BadParameter(
        f"{value} is neither local nor an address like tcp://HOST:8786 nor a scheduler's file"
    )


@app.command("simulate")
def simulate(
    scenario: Annotated[
        Path,
        typer.Argument(
            metavar="SCENARIO",
            help="A scenario as in studies/demo-scenario.yaml; it names its protocol.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the results; with batches of the same run in it, only the rest is played (default: one in RTSM_HOME).",
        ),
    ] = None,
    replicates: Annotated[int, typer.Option(min=1, max=MOST_REPLICATES, help="Simulated trials.")] = 1_000,
    seed: ScenarioSeed = None,
    engine: EngineChoice = Engine.COMPILED,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_WORKERS,
            help="Threads (compiled) or processes (simpy) (default: one per processor).",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask scheduler, as tcp://HOST:8786 or its file, or local to start one here with --workers processes.",
            callback=_cluster,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100_000,
            help="Replicates of a batch, 100 or more to be quick (default: by their number).",
        ),
    ] = None,
    trace: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_REPLICATES,
            metavar="REPLICATE",
            help="Write every event of this replicate (from 0) too, as Parquet and CSV.",
        ),
    ] = None,
    tailored: Tailored = False,
    plots: Annotated[bool, typer.Option("--plots", help="Draw fan charts, as HTML and PNG.")] = False,
    from_study: FromStudy = None,
    at: FromStudyAt = None,
    days: FromStudyDays = None,
    actor: FromStudyActor = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Play a scenario many times by the rules that run the trial: enrolment, stock-outs, waste, shipments, costs, CO2.

    Results do not depend on workers or batches. A run that was cut off goes on with the same command.
    """
    if workers is not None and cluster not in (None, "local"):
        raise typer.BadParameter(
            "the workers are those of the cluster; leave --workers out", param_hint="--workers"
        )
    if tailored and engine is not Engine.COMPILED:
        raise typer.BadParameter("is for the compiled engine; leave it out", param_hint="--tailored")
    if from_study is None and (at or days or actor):
        raise typer.BadParameter("goes with --from-study", param_hint="--at, --days, --as")
    began = time.monotonic()
    start = history = None
    if from_study is None:
        run = read_run(scenario, engine, seed)
    else:
        on = None if at is None else at.date()
        run, start, history = read_live_run(scenario, engine, seed, from_study, on, days, actor, plots)
    out = out or rtsm_home() / "simulations" / f"{scenario.stem}-{engine}-{run.seed}-{run.fingerprint()}"
    folder = RunFolder(out, run)
    hands = Hands(workers or workers_of_machine(), cluster, batch, tailored)
    played = play_missing([(run, folder)], replicates, hands, quiet=as_json)
    outcomes = folder.outcomes(replicates)
    summary = summary_of(outcomes, run.protocol.study.currency)
    bands = bands_of(folder.weekly(replicates), run.scenario.starts_on, run.plan.calendar.days)
    bands = bands if history is None else with_history(bands, history)
    folder.write_frame(bands, "bands.parquet", COLUMNS)
    files = [out / "bands.parquet"]
    if plots:
        from simulation.replicates.charts import write_charts

        last = last_week(outcomes, run.plan.calendar.weeks)
        files += write_charts(folder, run, summary, bands, last)
    if trace is not None:
        files += write_trace(folder, run, trace)
    told = {
        **_about(run),
        **({} if start is None else {"live_start": start.as_json()}),
        **summary.as_json(),
        "folder": str(out),
        "files": [str(file) for file in files],
    }
    text = json.dumps(told, indent=2, ensure_ascii=False)
    folder.write("summary.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))
    if as_json:
        seconds = round(time.monotonic() - began, 3)
        typer.echo(json.dumps({**told, "played": played, "seconds": seconds}, indent=2, ensure_ascii=False))
        return
    if start is not None:
        typer.echo(start.told())
    _print(run, summary, folder, files, played, time.monotonic() - began)


def _about(run: Run) -> dict[str, object]:
    return {
        "study": run.protocol.study.id,
        "scenario": run.scenario.name,
        "engine": run.engine.value,
        "seed": run.seed,
    }


def _print(
    run: Run, summary: Summary, folder: RunFolder, files: list[Path], played: int, seconds: float
) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(summary_tables(run, summary))
    before = summary.replicates - played
    resumed = f", {before:,} were there before" if before else ""
    typer.echo(
        f"{played:,} replicates played in {seconds:.1f} s in all{resumed}; all results in {folder.folder}"
    )
    for file in files:
        typer.echo(f"  {file}")

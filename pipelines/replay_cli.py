"""`rtsm replay`: play a recorded study through the service, and compare what it exports with the original.

It stands here and not in `simulation`: the comparison needs the exported datasets, and `simulation` does not know `pipelines`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from allocation.ledger.database import Database, open_database
from allocation.study.yaml_files import load_protocol
from pipelines.datasets import derive
from pipelines.events.reading import read_events
from simulation.replay.compare import compare
from simulation.replay.comparison_result import Comparison
from simulation.replay.player import Played, Player, Progress, has_begun, rehearse
from simulation.replay.recorded_study import RecordedStudy, recorded_study
from simulation.replay.replay_plan import ReplayPlan, replay_plan
from simulation.replay.sdtm_reader import read_sdtm
from simulation.replay.visit_plan import visit_plan

app = typer.Typer()
replay = typer.Typer(help="Play the records of a real study through the service.", no_args_is_help=True)
app.add_typer(replay, name="replay")

INTERRUPTED = 130
"""The exit code of a command that was stopped with Ctrl-C, as shells have it."""

_WIDTH_WITHOUT_TERMINAL = 160


@replay.callback()
def _sources() -> None:
    """Play the records of a real study through the service."""


@replay.command()
def sdtm(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="The folder with DM, DS, SV, EX, TA and TV (SE where there is one) as XPT, CSV or Dataset-JSON.",
            show_default=False,
        ),
    ],
    study: Annotated[Path, typer.Option("--study", help="The study file in YAML.", show_default=False)],
    comparing: Annotated[
        bool,
        typer.Option(
            "--compare", help="Compare the exported DM, DS, SV, EX, SE, TA and TV with the originals."
        ),
    ] = False,
    rehearsal: Annotated[
        bool,
        typer.Option(help="Play it in memory first, so that nothing is written if a record is refused."),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Play a study's SDTM datasets through the real commands in time order: every subject, visit, kit and disposition.

    Started again, it goes on where it was cut off. With --compare the exit code is 1 where a fact of the original came back
    otherwise and no listed reason says why.
    """
    protocol = load_protocol(study)
    recorded = recorded_study(read_sdtm(folder), visit_plan(protocol))
    plan = replay_plan(protocol, recorded)
    database = open_database()
    try:
        began = monotonic()
        played = _play(database, plan, rehearsal)
        seconds = monotonic() - began
        comparison = compare(recorded.source, exported(database, played.study_id)) if comparing else None
    finally:
        database.dispose()
    if as_json:
        typer.echo(json.dumps(_as_json(played, recorded, seconds, comparison), indent=2, ensure_ascii=False))
    else:
        _print(played, recorded, seconds, comparison)
    if comparison is not None and not comparison.ok:
        raise typer.Exit(1)


def exported(database: Database, study_id: str) -> dict[str, pl.DataFrame]:
    """The unblinded SDTM datasets of a study by name (DM, SV, ...), derived from its sealed entries. Raises PipelineError."""
    derived = derive(read_events(database, study_id), "unblinded")
    return {
        name.removeprefix("sdtm/").upper(): frame
        for name, frame in derived.items()
        if name.startswith("sdtm/")
    }


def _play(database: Database, plan: ReplayPlan, rehearsal: bool) -> Played:
    if rehearsal and not has_begun(database, plan):
        with _progress("rehearsing") as report:
            rehearse(plan, report)
    try:
        with _progress("playing") as report:
            return Player(database, plan, report).play()
    except KeyboardInterrupt:
        typer.echo("rtsm: cut off; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """A progress bar with the replay's date on standard error, on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int, moment: datetime) -> None:
            bar.update(task, completed=done, total=total, description=f"{what} {moment:%Y-%m-%d}")

        yield report


def _as_json(
    played: Played, recorded: RecordedStudy, seconds: float, comparison: Comparison | None
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "study_id": played.study_id,
        "complete_before": played.was_complete,
        "acts": dict(played.acts),
        "acts_before": dict(played.before),
        "overridden": played.overridden,
        "decisions": recorded.decisions(),
        "seconds": round(seconds, 1),
    }
    return result if comparison is None else {**result, "comparison": comparison.to_json()}


def _print(played: Played, recorded: RecordedStudy, seconds: float, comparison: Comparison | None) -> None:
    acts = played.in_all()
    if played.was_complete:
        typer.echo(f"{played.study_id} was played completely before: nothing was to be done")
    else:
        before = played.before.total()
        resumed = f", after {before:,} of an earlier run" if before else ""
        typer.echo(f"{played.study_id}: {played.acts.total():,} acts played in {seconds:.0f} s{resumed}")
    subjects = recorded.counts()
    typer.echo(
        f"  {acts['screen']} subjects screened, {subjects.get('ScreenFailed', 0)} screen failures, "
        f"{acts['randomize']} randomized to their recorded arm, {acts['complete']} completed, "
        f"{acts['discontinue']} discontinued"
    )
    typer.echo(
        f"  {acts['dispense'] + acts['record_visit']:,} further visits, {acts['dispense']:,} of them with kits; "
        f"{played.overridden} acts with a reason to override a window or a date"
    )
    typer.echo(f"  {acts['run_resupply']} resupply runs, {acts['receive_shipment']} shipments received")
    for decision, times in recorded.decisions().items():
        typer.echo(f"  {decision}: {times}")
    if comparison is not None:
        console = Console()
        console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
        console.print(comparison.to_rich())

"""The command `rtsm whatif`: a scenario and its changes side by side, under common random numbers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from allocation.home_folder import rtsm_home
from forecasting.what_if.applying import load_changes
from forecasting.what_if.comparison import compare, differences_by_replicate
from forecasting.what_if.paired import LEAST_REPLICATES
from forecasting.what_if.runs import read_base, read_live_base, run_of
from forecasting.what_if.table import comparison_tables
from simulation.command_options import (
    EngineChoice,
    FromStudy,
    FromStudyActor,
    FromStudyAt,
    FromStudyDays,
    ScenarioSeed,
)
from simulation.replicates.filling import Hands, play_missing
from simulation.replicates.folder import RunFolder, write_whole
from simulation.replicates.run import Engine
from simulation.replicates.workforce import workers_of_machine

app = typer.Typer()

MOST_REPLICATES: Final = 1_000_000
_WIDTH_WITHOUT_TERMINAL: Final = 160
_WIDTH_OF_A_CHANGE: Final = 17


@app.callback()
def _what_if() -> None:
    """Compare a trial with what it would be if something changed."""


@app.command("whatif")
def what_if(
    scenario: Annotated[
        Path,
        typer.Argument(
            metavar="SCENARIO", help="A scenario as in studies/demo-scenario.yaml.", show_default=False
        ),
    ],
    change: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="A file of named changes, as studies/demo-what-if.yaml; repeatable.",
            show_default=False,
        ),
    ],
    replicates: Annotated[
        int, typer.Option(min=LEAST_REPLICATES, max=MOST_REPLICATES, help="Pairs of simulated trials.")
    ] = 1_000,
    seed: ScenarioSeed = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the results (default: one in RTSM_HOME)."),
    ] = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Draw the differences and the fans, as HTML and PNG.")
    ] = False,
    engine: EngineChoice = Engine.COMPILED,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1_024, help="Threads or processes (default: one per processor).")
    ] = None,
    from_study: FromStudy = None,
    at: FromStudyAt = None,
    days: FromStudyDays = None,
    actor: FromStudyActor = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare a scenario with named changes of it: what becomes of enrolment, missed doses, waste, shipments and costs.

    Every change is played with the base's random numbers, so that pairs of trials differ by the change alone.
    """
    if from_study is None and (at or days or actor):
        raise typer.BadParameter("goes with --from-study", param_hint="--at, --days, --as")
    began = time.monotonic()
    if from_study is None:
        base = read_base(scenario, engine, seed)
    else:
        on = None if at is None else at.date()
        base = read_live_base(scenario, engine, seed, from_study, on, days, actor)
    changed = load_changes(change, base.trial)
    runs = [run_of(one, base) for one in changed]
    folder = out or rtsm_home() / "what-if" / f"{scenario.stem}-{engine}-{base.run.seed}"
    homes = [
        RunFolder(folder / f"{slug}-{run.fingerprint()}", run)
        for slug, run in zip(["base", *(one.change.slug for one in changed)], [base.run, *runs], strict=True)
    ]
    hands = Hands(workers or workers_of_machine(), None, None, False)
    pairs = list(zip([base.run, *runs], homes, strict=True))
    played = play_missing(pairs, replicates, hands, quiet=as_json)
    outcomes = [home.outcomes(replicates) for home in homes]
    made = list(zip((one.change for one in changed), runs, outcomes[1:], strict=True))
    comparison = compare(base.run, outcomes[0], made)
    frames = {
        "comparison.parquet": comparison.frame(),
        "differences.parquet": differences_by_replicate(outcomes[0], made),
    }
    files = [write_whole(folder / name, frame.write_parquet) for name, frame in frames.items()]
    if plots:
        from forecasting.what_if.charts import write_charts

        files += write_charts(folder, comparison, homes, replicates)
    told = {
        **comparison.as_json(),
        **({} if base.start is None else {"live_start": base.start.as_json()}),
        "folder": str(folder),
        "files": [str(file) for file in files],
    }
    text = json.dumps(told, indent=2, ensure_ascii=False)
    write_whole(folder / "comparison.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))
    if as_json:
        seconds = round(time.monotonic() - began, 3)
        typer.echo(json.dumps({**told, "played": played, "seconds": seconds}, indent=2, ensure_ascii=False))
        return
    if base.start is not None:
        typer.echo(base.start.told())
    console = Console()
    width = max(_WIDTH_WITHOUT_TERMINAL, 60 + _WIDTH_OF_A_CHANGE * len(changed))
    console = console if console.is_terminal else Console(width=width)
    console.print(comparison_tables(comparison))
    typer.echo(
        f"{played:,} trials played in {time.monotonic() - began:.1f} s in all; all results in {folder}"
    )
    for file in files:
        typer.echo(f"  {file}")

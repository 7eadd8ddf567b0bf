"""The command `rtsm tune`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from allocation.terminal import require_person
from forecasting.command_options import StateAt, StudyActor, Threads
from forecasting.proposal.filing import file_proposal
from forecasting.tuning.grid import NAMES
from forecasting.tuning.objective import ObjectiveName
from forecasting.tuning.run import LIMIT, Request, run_tuning
from forecasting.tuning.table import certificate_text, saved_text, table_of
from forecasting.tuning.tuning import INDIFFERENCE
from simulation.command_options import ScenarioSeed, Tailored

app = typer.Typer()

INFEASIBLE: Final = 3
INTERRUPTED: Final = 130
_WIDTH_WITHOUT_TERMINAL: Final = 170


@app.callback()
def _tuning() -> None:
    """Tune resupply thresholds by simulation."""


@app.command("tune")
def tune_command(
    risk: Annotated[
        str,
        typer.Option(help="What must hold: 'missed_share<=0.001' or 'any_missed<=0.1'.", show_default=False),
    ],
    scenario: Annotated[
        Path | None,
        typer.Argument(
            metavar="SCENARIO",
            help="A scenario as in studies/demo-scenario.yaml; it names its protocol.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY",
            help="Tune from the present state of this running study on; without SCENARIO by one that is fitted to its ledger. It UNBLINDS.",
        ),
    ] = None,
    objective: Annotated[ObjectiveName, typer.Option(help="What is made small.")] = ObjectiveName.COST,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help=f"What is searched, as min_buffer=0:12 or confidence=0.8,0.9; again for more: {', '.join(NAMES)} "
            "(default: min_buffer and max_above_min as far as closed forms see any use).",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEYS", help="Thresholds of their own by tier, country, kit-type (several: with commas)."
        ),
    ] = None,
    baseline: Annotated[
        str,
        typer.Option(
            help="What the choice is held against: protocol, 'enough for N subjects', 'enough for N to M subjects', none."
        ),
    ] = "protocol",
    replicates_limit: Annotated[
        int, typer.Option(min=1_000, max=10_000_000, help="Replicates in all, search and certification.")
    ] = LIMIT,
    indifference: Annotated[
        float, typer.Option(min=0, max=0.1, help="A difference of the objective, as a share, that is none.")
    ] = INDIFFERENCE,
    seed: ScenarioSeed = None,
    at: StateAt = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=7305,
            help="With --study: days to simulate from day 0 on (default: to the scenario's end).",
        ),
    ] = None,
    actor: StudyActor = None,
    workers: Threads = None,
    tailored: Tailored = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for what is evaluated and the report (default: one in RTSM_HOME). It goes on from what is there.",
        ),
    ] = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Draw what each risk costs, and the objective over the grid.")
    ] = False,
    propose: Annotated[
        bool,
        typer.Option(
            "--propose",
            help="File the report with the service as a proposal, under the account of --as; somebody else signs it.",
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="With --propose: why, for the audit trail.")] = "",
    supersedes: Annotated[
        str | None,
        typer.Option(metavar="PROPOSAL", help="With --propose: an open proposal that it replaces."),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="With --propose: a running service (default: this machine's database)."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Find the resupply thresholds with the least cost, waste or shipments at a stated risk of a missed dose, and certify the risk.

    Exit code 3: nothing that was tried meets the risk, and what comes nearest is shown.
    A tuning that was cut off goes on with the same command.
    """
    request = Request(
        risk=risk,
        objective=objective,
        scenario=scenario,
        study=study,
        at=None if at is None else at.date(),
        days=days,
        actor=actor,
        grid=tuple(grid or ()),
        by=tuple(by or ()),
        baseline=None if baseline.strip().lower() == "none" else baseline,
        limit=replicates_limit,
        indifference=indifference,
        seed=seed,
        out=out,
        workers=workers,
        tailored=tailored,
    )
    password = ""
    if propose:
        # Before the search, which takes minutes.
        actor = require_person(actor)
        password = typer.prompt(f"Password of {actor}, to file the proposal", hide_input=True, err=as_json)
    try:
        tuned, written = run_tuning(request, quiet=as_json)
    except KeyboardInterrupt:
        typer.echo("rtsm: cut off; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None
    files = [written.path, *written.files]
    if plots:
        from forecasting.tuning.charts import write_charts

        files += write_charts(written)
    report = written.report
    filed = None
    if propose and tuned.feasible:
        filed = file_proposal(
            report,
            written.scenario,
            username=actor or "",
            password=password,
            url=service,
            reason=reason,
            supersedes=supersedes,
        )
    if as_json:
        told = {**report, "sha256": written.sha256, "files": [str(file) for file in files]}
        if propose:
            told["proposal"] = None if filed is None else asdict(filed)
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        if tuned.judge.evaluations.trial.told:
            typer.echo(tuned.judge.evaluations.trial.told)
        console = Console()
        console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
        console.print(table_of(report))
        typer.echo(certificate_text(report))
        saved = saved_text(report)
        if saved is not None:
            typer.echo(saved)
        restored = tuned.judge.evaluations.restored
        there = f" ({restored:,} were there)" if restored else ""
        typer.echo(f"{report['replicates_used']:,} replicates{there}, {report['points']} sets of thresholds")
        for file in files:
            typer.echo(f"  {file}")
        typer.echo(f"sha256 of the report: {written.sha256}")
        if filed is not None:
            typer.echo(
                f"filed as proposal {filed.proposal_id}, for protocol version {filed.protocol_version}"
            )
            typer.echo(f"  rtsm resupply proposal compare {filed.proposal_id} --study {filed.study_id}")
        elif propose:
            typer.echo(
                "not filed: its risk is above the limit; `rtsm resupply proposal file` files it all the same"
            )
    if not tuned.feasible:
        raise typer.Exit(INFEASIBLE)

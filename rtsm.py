"""The command `rtsm`: mounts the command-line app of each package and holds nothing else.

A package's `cli.py` has `app: typer.Typer`. Its commands and command groups become those of `rtsm`, under the names in
COMMANDS. A module is imported only when one of its commands runs, so `rtsm --help` stays fast and `rtsm ledger verify`
never pays for Dagster. What is the same for all commands is done here once:

* a domain error (any class whose root is in a package's `errors.py`) is one line on stderr and exit code 1;
  wrong usage is exit code 2; a defect keeps its traceback;
* every command takes `--db`, which stands for RTSM_DATABASE_URL while it runs; `open_database(None)` of
  `allocation.ledger.database` reads it. A command that declares its own `--db` keeps it.
"""

import gc
import importlib
import os
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

PACKAGES = ("allocation", "simulation", "forecasting", "pipelines", "data_contracts", "dashboards")


class Mounted(NamedTuple):
    """Where a command of `rtsm` comes from, and the line that `rtsm --help` shows without importing it.

    `parts` are for a group whose commands come from several modules: the module of each, and its line. Then `module` is empty,
    and only the module of the command that is asked for is imported.
    """

    module: str
    summary: str
    parts: "dict[str, Mounted] | None" = None


COMMANDS = {
    "demo": Mounted(
        "dashboards.cli", "Set up a demo trial, play it through the service and open the running system."
    ),
    "up": Mounted("dashboards.cli", "Run the API, the dashboards and Dagster under one supervisor."),
    "dashboard": Mounted("dashboards.cli", "Serve the dashboards."),
    "serve": Mounted("allocation.cli", "Serve the API, and make the resupply runs that are due."),
    "study": Mounted(
        "allocation.cli", "Validate, load, show and compare study protocols, or import one from USDM."
    ),
    "load": Mounted("allocation.cli", "Load sites, lots, kits, users and randomization lists from files."),
    "randomization": Mounted(
        "",
        "Compare designs, activate lists and methods, explain an allocation, monitor a running study.",
        {
            "compare": Mounted(
                "simulation.cli",
                "Compare randomization designs: imbalance, predictability, loss, certain allocations.",
            ),
            "monitor": Mounted(
                "simulation.cli",
                "Measure a running study's randomization: balance, predictability, loss, forced allocations.",
            ),
            "activate": Mounted("allocation.cli", "Put the method of a randomization event into use."),
            "activate-list": Mounted("allocation.cli", "Put a stored randomization list into use."),
            "lists": Mounted(
                "allocation.cli", "Show the randomization lists and where each is drawn from now."
            ),
            "explain": Mounted("allocation.cli", "Show how a subject's arm came about, and derive it again."),
            "update-ratio": Mounted(
                "allocation.cli", "Derive a response-adaptive ratio from results so far."
            ),
        },
    ),
    "scenario": Mounted(
        "simulation.scenario_cli", "Fit a scenario to a running study, and decide its resupply runs anew."
    ),
    "kit": Mounted(
        "allocation.cli",
        "Number, quarantine, release, write off and destroy kits; show histories and the kit states.",
    ),
    "lot": Mounted("allocation.cli", "Change a lot's expiry, release and status; record relabelling."),
    "excursion": Mounted(
        "",
        "Record temperature excursions from logger files, release or reject their kits, plot the curve.",
        {
            "record": Mounted("allocation.cli", "Record an excursion of a shipment, site or depot."),
            "settle": Mounted("allocation.cli", "Release or reject kits of an excursion."),
            "list": Mounted("allocation.cli", "Show the excursions."),
            "show": Mounted("allocation.cli", "Show an excursion with its kits."),
            "plot": Mounted("dashboards.cli", "Plot an excursion's curve with its limits."),
        },
    ),
    "recall": Mounted("allocation.cli", "Recall a lot: quarantine it everywhere, and say who had it."),
    "returns": Mounted(
        "allocation.cli",
        "Take kits back, count, approve, ship, reuse and destroy them; accountability and reconciliation.",
    ),
    "resupply": Mounted(
        "allocation.cli",
        "Run the resupply rule, see its schedule, explain a decision, see run-outs, check or import settings.",
    ),
    "shipment": Mounted(
        "allocation.cli", "Order by hand, approve, pack, dispatch, receive, cancel, and look at shipments."
    ),
    "inventory": Mounted(
        "allocation.cli", "Show where all kits are, or were at any past moment, and days of supply."
    ),
    "edc": Mounted(
        "allocation.cli", "Exchange data with the EDC: receive, pull, send, look at the transfer log."
    ),
    "notify": Mounted(
        "allocation.cli", "Mail to people: check, send, list, try again; addresses and digests."
    ),
    "subject": Mounted("allocation.cli", "Correct a subject's stratum. No subject is ever removed."),
    "code-break": Mounted(
        "allocation.cli", "Emergency unblinding of one subject: break, ask, approve, read; who was unblinded."
    ),
    "vault": Mounted("allocation.cli", "Addresses of patients: encrypted, apart from everything else."),
    "ledger": Mounted("allocation.cli", "Verify, export or rebuild the ledger."),
    "simulate": Mounted(
        "simulation.replicates.cli", "Play a trial many times before it runs, by the rules that run it."
    ),
    "forecast": Mounted(
        "",
        "Forecast what a running study will need, with its uncertainty.",
        {
            "demand": Mounted(
                "forecasting.demand.cli",
                "Forecast kits by type, place and week of a study, or of an interim cut.",
            ),
            "recruitment": Mounted(
                "forecasting.recruitment.cli", "Forecast recruitment from a record or a running study."
            ),
            "scorecard": Mounted(
                "forecasting.calibration.cli", "Score the kept forecasts of a study by what came since."
            ),
            "supply": Mounted(
                "forecasting.supply_plan.cli",
                "Plan what is made when, for which depot, and how safe that is.",
            ),
        },
    ),
    "whatif": Mounted(
        "forecasting.what_if.cli", "Compare a scenario with changes of it, trial by trial, with intervals."
    ),
    "tune": Mounted(
        "forecasting.tuning.cli", "Tune resupply thresholds to a stated risk of a missed dose, by simulation."
    ),
    "replay": Mounted("pipelines.replay_cli", "Play the records of a real study through the service."),
    "pipeline": Mounted("pipelines.cli", "Refresh the lake of derived datasets."),
    "export": Mounted("pipelines.cli", "Export datasets as XPT, Dataset-JSON, CSV or Parquet."),
}


def is_domain_error(error: BaseException) -> bool:
    """Whether the error descends from a class of a package's `errors.py`; asks by name, so that nothing is imported for it."""
    modules = {f"{package}.errors" for package in PACKAGES}
    return any(kind.__module__ in modules for kind in type(error).__mro__)


def _use_database(context: typer.Context, url: str | None) -> None:
    """Let `--db` stand in the environment until the command ends, so that the processes it starts see it too."""
    if url is None:
        return
    before = os.environ.get("RTSM_DATABASE_URL")

    def restore() -> None:
        if before is None:
            os.environ.pop("RTSM_DATABASE_URL", None)
        else:
            os.environ["RTSM_DATABASE_URL"] = before

    os.environ["RTSM_DATABASE_URL"] = url
    context.call_on_close(restore)


def _database_option() -> Any:
    """The parsed option `--db`, as Typer itself makes it."""
    template = typer.Typer(add_completion=False)

    @template.command()
    def command(
        db: Annotated[
            str | None,
            typer.Option(
                help="Database URL, sqlite:///FILE or postgresql://... (default: RTSM_DATABASE_URL, else in RTSM_HOME).",
                callback=_use_database,
                expose_value=False,
            ),
        ] = None,
    ) -> None:
        """Carry the option."""

    return typer.main.get_command(template).params[0]


def _leaves(command: Any) -> Iterator[Any]:
    """The commands below a command group, or the command itself."""
    if isinstance(command, TyperGroup):
        for child in command.commands.values():
            yield from _leaves(child)
    else:
        yield command


def _with_database(command: Any) -> Any:
    """The command, with `--db` on each command below it that has none of its own."""
    for leaf in _leaves(command):
        if not any("--db" in parameter.opts for parameter in leaf.params):
            leaf.params.append(_database_option())
    return command


@cache
def registered(module: str) -> dict[str, Any]:
    """The commands and groups of a package's command line, by name; imports the module."""
    # What an import makes stays: to look for garbage in it, again and again, takes a quarter of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        return dict(typer.main.get_group(importlib.import_module(module).app).commands)
    finally:
        gc.freeze()  # nor is it looked through again while the command runs
        if collects:
            gc.enable()


class MountedGroup(TyperGroup):
    """The command group of `rtsm`: lists commands from COMMANDS, and imports the one that is asked for."""

    mounted = COMMANDS

    def real_command(self, name: str) -> Any:
        """The command of that name in its module, or the group of its parts."""
        mounted = self.mounted[name]
        return PartsGroup(name, mounted) if mounted.parts else registered(mounted.module)[name]

    def list_commands(self, ctx: Any) -> list[str]:
        """The mounted names, in their order."""
        return list(self.mounted)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that can be listed; `resolve_command` gives the real one."""
        mounted = self.mounted.get(cmd_name)
        return TyperCommand(cmd_name, help=mounted.summary) if mounted else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command; an unknown name is a usage error with a suggestion."""
        name = args[0]
        if name not in self.mounted:
            self.commands = {known: self.get_command(ctx, known) for known in self.mounted}
            return super().resolve_command(ctx, args)
        return name, _with_database(self.real_command(name)), args[1:]

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a domain error becomes one line on stderr and exit code 1."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not is_domain_error(error):
                raise
            typer.echo(f"rtsm: {error}", err=True)
            raise typer.Exit(1) from error


class PartsGroup(MountedGroup):
    """A group of `rtsm` whose commands come from several packages (`Mounted.parts`)."""

    def __init__(self, name: str, mounted: Mounted) -> None:
        super().__init__(name=name, help=mounted.summary, no_args_is_help=True)
        self._group = name
        self.mounted = mounted.parts or {}

    def real_command(self, name: str) -> Any:
        """The command of that name in the group of this name of its module."""
        return registered(self.mounted[name].module)[self._group].commands[name]


# Locals may hold passwords and treatments: a traceback never shows them.
app = typer.Typer(cls=MountedGroup, no_args_is_help=True, pretty_exceptions_show_locals=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("openrtsm"))
        raise typer.Exit


@app.callback()
def rtsm(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and end.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """OpenRTSM runs a clinical trial's randomization and supply, and plans it.

    All that a run makes lives under RTSM_HOME (default: .rtsm in the current folder).
    """


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()

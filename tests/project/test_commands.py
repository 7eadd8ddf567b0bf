"""All of `rtsm`'s commands: each is there, says what it does, and is listed once."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

import rtsm
from allocation.ledger.database import open_database

ROOT = Path(__file__).resolve().parents[2]


def leaves(command: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not isinstance(command, TyperGroup):
        return [path]
    names = command.list_commands(None)
    return [
        leaf for name in names for leaf in leaves(command.resolve_command(None, [name])[1], (*path, name))
    ]


def mounted_commands() -> dict[str, tuple[str, ...]]:
    """Module -> what the entry mounts from it: a command, a group, or "group command" of a group in parts."""
    found: dict[str, list[str]] = {}
    for name, mounted in rtsm.COMMANDS.items():
        for part, each in (mounted.parts or {"": mounted}).items():
            found.setdefault(each.module, []).append(f"{name} {part}".strip())
    return {module: tuple(names) for module, names in found.items()}


# Every module that the entry names, and every cli.py that it might have forgotten.
MODULES = set(mounted_commands()) | {
    f"{package}.cli" for package in rtsm.PACKAGES if (ROOT / package / "cli.py").exists()
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_the_entry_lists_each_command_of_a_module_and_no_other(module: str) -> None:
    listed = set(mounted_commands().get(module, ()))
    parts = {name for name, mounted in rtsm.COMMANDS.items() if mounted.parts}
    held = {
        shown
        for name, command in rtsm.registered(module).items()
        for shown in ([f"{name} {part}" for part in command.commands] if name in parts else [name])
    }
    assert listed == held


@pytest.mark.parametrize("name", rtsm.COMMANDS)
def test_every_subcommand_has_help_that_says_what_it_does_and_takes_the_database(name: str) -> None:
    group = typer.main.get_command(rtsm.app)
    _, command, _ = group.resolve_command(None, [name])
    for path in leaves(command, (name,)):
        shown = CliRunner().invoke(rtsm.app, [*path, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, shown.output
        assert "--db" in shown.stdout, path
        leaf = command
        for part in path[1:]:
            _, leaf, _ = leaf.resolve_command(None, [part])
        assert leaf.help, f"rtsm {' '.join(path)} has no help text"


# What a command may not wait for at its start, unless it works with it: half of these take longer than all of our own code.
PUT_OFF = {
    "alembic",
    "altair",
    "apscheduler",
    "barcode",
    "biip",
    "dagster",
    "duckdb",
    "email_validator",
    "fastapi",
    "great_expectations",
    "httpx",
    "matplotlib",
    "numba",
    "openpyxl",
    "pandas",
    "plotly",
    "polars",
    "pyarrow",
    "scipy",
    "simpy",
    "starlette",
    "streamlit",
    "structlog",
    "uvicorn",
}


def test_no_command_of_the_service_waits_for_a_library_that_only_another_needs() -> None:
    """The help imports no package of ours; the service's commands, an open database and all, none of `PUT_OFF`."""
    program = """
import sys, rtsm
from typer.testing import CliRunner
assert CliRunner().invoke(rtsm.app, ["--help"]).exit_code == 0
print(*sorted({name.split(".")[0] for name in sys.modules} & {*rtsm.PACKAGES, "sqlalchemy", "pydantic", "numpy"}))
import allocation.cli
from allocation.ledger.database import open_database
open_database(sys.argv[1]).dispose()
print(*sorted(name for name in sys.modules if "." not in name))
"""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/rtsm.db"
        open_database(url).dispose()
        command = [sys.executable, "-c", program, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    for_help, for_commands = done.stdout.splitlines()
    assert for_help == ""
    assert {"allocation", "sqlalchemy"} <= set(for_commands.split())
    assert PUT_OFF & set(for_commands.split()) == set()

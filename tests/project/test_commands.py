"""All of `rtsm`'s commands: each is there, says what it does, and is listed once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

import rtsm

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


def test_no_command_of_the_service_waits_for_a_library_that_only_another_needs() -> None:
    program = "import sys, allocation.cli; print(*sorted({'httpx', 'numba', 'openpyxl', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

"""All of `rtsm`'s commands: each is there, says what it does, and is listed once."""

import importlib
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
    return [leaf for name, child in command.commands.items() for leaf in leaves(child, (*path, name))]


def registered(module: str) -> dict[str, Any]:
    return dict(typer.main.get_group(importlib.import_module(module).app).commands)


def listed() -> dict[str, set[tuple[str, ...]]]:
    """Module -> the commands that the entry takes from it; a part of a group is (group, command)."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for name, mounted in rtsm.COMMANDS.items():
        if mounted.parts is None:
            found.setdefault(mounted.module, set()).add((name,))
        for part, of in (mounted.parts or {}).items():
            found.setdefault(of.module, set()).add((name, part))
    return found


GROUPS_IN_PARTS = {name for name, mounted in rtsm.COMMANDS.items() if mounted.parts is not None}
# Every module that the entry names, and every cli.py that it might have forgotten.
MODULES = set(listed()) | {
    f"{package}.cli" for package in rtsm.PACKAGES if (ROOT / package / "cli.py").exists()
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_the_entry_lists_each_command_of_a_module_and_no_other(module: str) -> None:
    there: set[tuple[str, ...]] = set()
    for name, command in registered(module).items():
        there |= {(name, part) for part in command.commands} if name in GROUPS_IN_PARTS else {(name,)}
    assert listed()[module] == there


@pytest.mark.parametrize("name", rtsm.COMMANDS)
def test_every_subcommand_has_help_that_says_what_it_does_and_takes_the_database(name: str) -> None:
    mounted = rtsm.COMMANDS[name]
    modules = {mounted.module} if mounted.parts is None else {part.module for part in mounted.parts.values()}
    for path, command in [
        (path, registered(module)[name])
        for module in sorted(modules)
        for path in leaves(registered(module)[name], (name,))
    ]:
        shown = CliRunner().invoke(rtsm.app, [*path, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, shown.output
        assert "--db" in shown.stdout, path
        leaf = command
        for part in path[1:]:
            leaf = leaf.commands[part]
        assert leaf.help, f"rtsm {' '.join(path)} has no help text"

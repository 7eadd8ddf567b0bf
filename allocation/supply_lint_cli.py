"""`rtsm resupply lint`: the blinding linter of a study's supply configuration, and of what was loaded into it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from allocation.ledger.database import open_database
from allocation.ledger.reader import protocol_at
from allocation.ledger_cli import As, AsJson
from allocation.study.inconsistency import path_text
from allocation.study.lint_finding import LintFinding, LintFindings, Severity
from allocation.study.stock_lint import lint_stock
from allocation.study.supply_lint import lint_protocol
from allocation.study.yaml_files import load_protocol_with_places
from allocation.study_cli import Source, is_study_file, study_and_version
from allocation.terminal import acting
from allocation.views.unblinded.loaded_stock import loaded_stock

_WIDTH_WITHOUT_TERMINAL = 160
_COLOUR = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def lint(source: Source, actor: As = None, as_json: AsJson = False) -> None:
    """Find what in the supply settings may unblind or leave a site without kits; of a loaded study, in its kits and lots, too. It UNBLINDS.

    Exit code 1 where a finding is an error.
    """
    found, lines = _of_file(source) if is_study_file(source) else (_of_study(source, actor), {})
    counts = Counter(one.severity for one in found)
    if as_json:
        rows: list[dict[str, Any]] = [
            {**one.as_json(), "line": lines.get(one.path)} if lines else one.as_json() for one in found
        ]
        summary = {f"{severity.value}s": counts[severity] for severity in Severity}
        typer.echo(json.dumps({"source": source, **summary, "findings": rows}, indent=2, ensure_ascii=False))
    else:
        _print(source, found, lines)
    if counts[Severity.ERROR]:
        raise typer.Exit(1)


def _of_file(source: str) -> tuple[list[LintFinding], dict[Any, int]]:
    """The findings of a study file, and the lines of their places."""
    protocol, document = load_protocol_with_places(source)
    found = lint_protocol(protocol)
    return found, {one.path: document.position(one.path)[0] for one in found}


def _of_study(source: str, username: str | None) -> list[LintFinding]:
    """The findings of a loaded study: its protocol at the sites that are open, its kits and its lots."""
    study_id, version = study_and_version(source)
    database = open_database(create=False)
    try:
        who = acting(database, username)
        opened, stock = loaded_stock(database, who, study_id)
        protocol = protocol_at(database, study_id, version)
    finally:
        database.dispose()
    both = LintFindings([*lint_protocol(protocol, opened), *lint_stock(protocol, stock)])
    return both.merged()


def _print(source: str, found: list[LintFinding], lines: dict[Any, int]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_WITHOUT_TERMINAL)
    if found:
        table = Table("severity", "code", "where", "reason", "fix", show_lines=True)
        for one in found:
            table.add_row(
                f"[{_COLOUR[one.severity]}]{one.severity.value}[/]",
                one.code,
                _where(one, lines.get(one.path)),
                escape(f"{one.value} {one.message}"),
                escape(one.fix),
            )
        console.print(table)
    counts = Counter(one.severity for one in found)
    shown = ", ".join(
        f"{counts[severity]} {severity.value}{'s' if counts[severity] != 1 else ''}"
        for severity in Severity
        if counts[severity]
    )
    console.print(f"{source}: {shown or 'nothing found'}", markup=False, highlight=False)


def _where(one: LintFinding, line: int | None) -> str:
    """Place in the file or database, kit types and places, and the parameter set, a line each."""
    place = path_text(one.path)
    if line:
        place = f"line {line}: {place}"
    parts = [place, one.where_text, f"set by {one.source}" if one.source else ""]
    return escape("\n".join(part for part in parts if part))

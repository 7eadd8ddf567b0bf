"""`rtsm study`: validate, show, compare and load study protocols, or draft one from a USDM document.

It stands beside the package `study`, since it also uses commands and ledger, which that package must not know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from allocation.amendment_cli import EffectiveAt, amend, put_into_effect
from allocation.cohort_cli import app as cohort_app
from allocation.commands.malformed import request_from
from allocation.commands.service import Act, Service
from allocation.commands.studies import GO_LIVE, LoadStudyVersionRequest, load_study_version, version_content
from allocation.ledger.database import open_database
from allocation.ledger.reader import protocol_at
from allocation.ledger_cli import As, AsJson
from allocation.study.canonical import plain_document, protocol_sha256
from allocation.study.diff import diff_protocols
from allocation.study.errors import Problem, ProtocolError
from allocation.study.protocol import Protocol
from allocation.study.show import show_protocol
from allocation.study.usdm_cli import import_usdm_command
from allocation.study.yaml_files import load_protocol, load_protocol_with_warnings
from allocation.terminal import acting, signed
from allocation.terminal import show as print_answer

app = typer.Typer(
    help="Validate, load, show and compare study protocols, or import one from USDM.", no_args_is_help=True
)
app.command("import-usdm")(import_usdm_command)
app.add_typer(cohort_app, name="cohort")
app.command("amend")(amend)
app.command("put-into-effect")(put_into_effect)

Source = Annotated[
    str,
    typer.Argument(help="A study file, or a loaded study: ID or ID@VERSION (default: its latest version)."),
]

_WIDTH_WITHOUT_TERMINAL = 160

LONGEST_VERSION = 6
"""Digits of the number of a version."""


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Study files in YAML.", show_default=False)],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check study files: every problem with line, path, value and fix. Exit code 1 where one is not valid."""
    results = [_validated(file) for file in files]
    if as_json:
        typer.echo(json.dumps({"files": [result for result, _ in results]}, indent=2, ensure_ascii=False))
    else:
        for _, lines in results:
            typer.echo("\n".join(lines))
    if any(not result["valid"] or (strict and result["warnings"]) for result, _ in results):
        raise typer.Exit(1)


def _validated(file: Path) -> tuple[dict[str, object], list[str]]:
    """The outcome for one file as JSON values and as lines."""
    result: dict[str, object] = {"file": str(file), "valid": False, "problems": [], "warnings": []}
    try:
        protocol, doubts = load_protocol_with_warnings(file)
    except ProtocolError as invalid:
        return {**result, "problems": invalid.as_json()["problems"]}, str(invalid).splitlines()
    sha256 = protocol_sha256(protocol)
    result |= {
        "valid": True,
        "study": protocol.study.id,
        "version": protocol.study.version,
        "sha256": sha256,
        "warnings": [_problem_values(doubt) for doubt in doubts],
    }
    count = f", {len(doubts)} warning{'s' if len(doubts) != 1 else ''}" if doubts else ""
    lines = [f"{file}: valid, {protocol.study.id} version {protocol.study.version}, sha256 {sha256}{count}"]
    return result, lines + [f"{file}:{doubt.line}:{doubt.column}: warning: {doubt.text}" for doubt in doubts]


def _problem_values(problem: Problem) -> dict[str, object]:
    return {name: getattr(problem, name) for name in ("path", "line", "column", "value", "message", "fix")}


@app.command()
def show(source: Source, as_json: AsJson = False) -> None:
    """Show a protocol as tables: arms, strata, schedule with dispensing, kit types, places, supply parameters. Unblinded."""
    protocol = protocol_of(source)
    if as_json:
        typer.echo(json.dumps(plain_document(protocol), indent=2, ensure_ascii=False))
        return
    console = Console()
    show_protocol(protocol, console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL))


@app.command()
def diff(old: Source, new: Source, as_json: AsJson = False) -> None:
    """Compare two protocols or versions by the names of things: what was added, removed, changed or reordered. Unblinded."""
    changes = diff_protocols(protocol_of(old), protocol_of(new))
    if as_json:
        typer.echo(json.dumps([change.as_json() for change in changes], indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(str(change) for change in changes) or "no difference")


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A study file in YAML.", show_default=False)],
    effective_at: EffectiveAt = None,
    actor: As = None,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    idempotency_key: Annotated[str | None, typer.Option(hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Load a study file into the database: version 1 of a study, or the version after its latest one.

    A version after the first, and any in production, must be signed: give --as, and the password again to sign.
    """
    protocol = load_protocol(file)
    database = open_database()
    service = Service(database)
    who = acting(database, actor)
    content = version_content(protocol)
    signature = signed(service, who, actor, "load_study_version", GO_LIVE, content, protocol.study.id)
    answer = load_study_version(
        service,
        Act(who, idempotency_key=idempotency_key, reason=reason, signature=signature),
        request_from(LoadStudyVersionRequest, protocol=protocol, effective_at=effective_at),
    )
    database.dispose()
    text = f"{answer['study_id']} version {answer['version']} loaded, effective {answer['effective_at']}, sha256 {answer['sha256']}"
    if answer["events_needing_lists"]:
        waiting, version = ", ".join(answer["events_needing_lists"]), answer["version"]
        text += f"\nfrom then on {waiting} needs a list for this version: `rtsm load list --protocol-version {version}`, before"
    print_answer(answer, as_json, text)


def is_study_file(source: str) -> bool:
    """Whether a `Source` is a study file, and not a loaded study."""
    return Path(source).is_file() or source.endswith((".yaml", ".yml"))


def study_and_version(source: str) -> tuple[str, int | None]:
    """The loaded study that a `Source` names, and its version (None: the latest). Raises BadParameter."""
    study_id, at, version = source.partition("@")
    if at and not (version.isdecimal() and len(version) <= LONGEST_VERSION):
        raise typer.BadParameter(f"{source!r}: write the version as a number, such as {study_id}@2")
    return study_id, int(version) if version else None


def protocol_of(source: str) -> Protocol:
    """The protocol of a file, or of a loaded study (ID or ID@VERSION). Raises ProtocolError, NotFound."""
    if is_study_file(source):
        return load_protocol(source)
    study_id, version = study_and_version(source)
    database = open_database(create=False)
    try:
        return protocol_at(database, study_id, version)
    finally:
        database.dispose()

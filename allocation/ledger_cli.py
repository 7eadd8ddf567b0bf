"""`rtsm ledger`: verify, export, rebuild."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from allocation.access.permissions import authorize
from allocation.errors import RTSMError
from allocation.ledger import offline_verifier
from allocation.ledger.database import Database, open_database
from allocation.ledger.export import export_ledger
from allocation.ledger.reader import ledgers
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import Verification, verify_ledger
from allocation.terminal import acting, progress_bar, show, the_study

app = typer.Typer(no_args_is_help=True, help="Verify, export or rebuild the ledger.")

Study = Annotated[
    str | None, typer.Option("--study", help="The study (default: the only one loaded).", show_default=False)
]
As = Annotated[
    str | None,
    typer.Option(
        "--as", help="Act as this account, by its password (default: the operator).", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def verify(
    study: Annotated[
        str | None, typer.Option("--study", help="The study (default: every ledger).", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Verify this export instead of the database.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check hash chain, conservation of kits, and that the current state equals a replay. Exit 1 at the first difference."""
    if file is not None:
        raise typer.Exit(_verify_file(file, as_json))
    database = open_database(create=False)
    seal_pending(database)
    names = [the_study(database, study)] if study is not None else ledgers(database)
    if not names:
        the_study(database, None)
    results = [_verified(database, name) for name in names]
    intact = all(result.intact for result in results)
    show(
        {"intact": intact, "ledgers": [asdict(result) for result in results]},
        as_json,
        "\n".join(map(_line, results)),
    )
    raise typer.Exit(0 if intact else 1)


def _verify_file(file: Path, as_json: bool) -> int:
    """The exit code after an export was verified. Raises RTSMError when it cannot be read."""
    found: dict[str, Any] = {"intact": True, "file": str(file)}
    try:
        with file.open(encoding="utf-8") as lines:
            entries, head = offline_verifier.verify(lines)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise RTSMError(
            f"cannot read {file}: {why}", field="--file", fix="name a file of `rtsm ledger export`"
        ) from error
    except (offline_verifier.Broken, json.JSONDecodeError) as error:
        found |= {"intact": False, "message": str(error)}
        show(found, as_json, f"BROKEN {file}: {error}")
        return 1
    show(
        found | {"entries": entries, "chain_head": head},
        as_json,
        f"{file}: intact. {entries} entries, chain head {head}",
    )
    return 0


def _verified(database: Database, name: str) -> Verification:
    with progress_bar(f"replaying {name}") as report:
        return verify_ledger(database, name, report)


def _line(result: Verification) -> str:
    if result.difference is None:
        return (
            f"{result.study_id}: intact. {result.entries} entries chained, {result.kits} kits each in one place, "
            f"{result.rows} rows equal to replay; chain head {result.chain_head[:16]}"
        )
    at = "" if result.difference.position is None else f" at position {result.difference.position}"
    return f"{result.study_id}: BROKEN ({result.difference.check}{at}): {result.difference.message}"


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="The file to write (JSON lines).")],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Write the whole ledger of a study. It UNBLINDS. Check it anywhere with allocation/ledger/offline_verifier.py."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    authorize(acting(database, actor), "ledger.read", study_id)
    if not out.parent.is_dir():
        raise RTSMError(f"there is no folder {out.parent}", field="--out", fix="make it first")
    if out.is_dir():
        raise RTSMError(f"{out} is a folder", field="--out", fix="name a file in it")
    try:
        entries = export_ledger(database, study_id, out)
    except OSError as error:
        raise RTSMError(
            f"cannot write {out}: {error.strerror}", field="--out", fix="name a file that can be written"
        ) from error
    show(
        {"study_id": study_id, "entries": entries, "file": str(out)},
        as_json,
        f"{study_id}: {entries} entries in {out} (unblinding)",
    )


@app.command()
def rebuild(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Drop the current state of a study and fold it again from its ledger; the result is verified."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    authorize(acting(database, actor), "ledger.rebuild", study_id)
    with progress_bar("folding") as report:
        entries = rebuild_projections(database, study_id, report)
    result: dict[str, Any] = {"study_id": study_id, "entries": entries}
    show(result, as_json, f"{study_id}: current state rebuilt from {entries} entries")

"""`rtsm resupply import-settings`: resupply settings of another system as parameter sets of a study file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from allocation.ledger_cli import AsJson
from allocation.study.canonical import plain_document
from allocation.study.foreign_settings import Vocabulary
from allocation.study.settings_file import read_settings
from allocation.study_cli import protocol_of


def import_settings(
    file: Annotated[
        Path,
        typer.Argument(
            help="A CSV file in UTF-8, or an XLSX file.", exists=True, dir_okay=False, show_default=False
        ),
    ],
    vocabulary: Annotated[
        Vocabulary,
        typer.Option(
            "--vocabulary",
            help="Whose words the file uses: trigger_weeks (trigger and resupply weeks, MinB, MaxB), windows (short and long window, "
            "floor, ceiling), check_range (check and maximum range, trigger and ceiling buffer).",
            show_default=False,
        ),
    ],
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            help="Check the names against this study: a file, or a loaded study (ID or ID@VERSION).",
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option(
            "--sheet", help="The sheet of an XLSX file, where several are filled.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the YAML here, and not to standard output.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Map another system's resupply settings to ours, so that the same stock and visits give the same orders. Changes nothing.

    Prints `supply.parameters` as YAML for the study file; what should be compared with the source goes to standard error.

    Columns: level, key, kit_type and those of the vocabulary (allocation/study/README.md); if needed trigger, long_window_from, valid_from.
    """
    if out is not None and out.exists() and not force:
        raise typer.BadParameter(f"{out} exists; name another file, or add --force", param_hint="--out")
    protocol = protocol_of(study) if study is not None else None
    imported = read_settings(file.read_bytes(), vocabulary, sheet=sheet, protocol=protocol)
    if out is not None:
        try:
            out.write_text(imported.as_yaml(), encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise typer.BadParameter(f"{out} cannot be written: {reason}", param_hint="--out") from error
    if as_json:
        rows = [plain_document(one) for one in imported.parameters]
        doubts = [
            {"lines": list(one.lines), "column": one.column, "message": one.message}
            for one in imported.doubts
        ]
        typer.echo(json.dumps({"parameters": rows, "doubts": doubts}, indent=2, ensure_ascii=False))
        return
    if out is None:
        typer.echo(imported.as_yaml(), nl=False)
    else:
        typer.echo(f"{out}: {len(imported.parameters)} parameter sets")
    for doubt in imported.doubts:
        typer.echo(f"{file}: to compare: {doubt}", err=True)

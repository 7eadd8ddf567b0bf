"""`rtsm study import-usdm`: draft a study file from a CDISC USDM 4.0 document."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from allocation.study.usdm import ImportedProtocol, draft_yaml, import_usdm


def import_usdm_command(
    file: Annotated[Path, typer.Argument(help="A USDM 4.0 document in JSON.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="Write the study file here (default: print it).", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --out if it exists.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the imported data and every finding as JSON.")
    ] = False,
) -> None:
    """Draft a study file from a USDM document.

    What USDM does not say (ratio, randomization method, strata, kits, dispensing, supply) is marked TO FILL IN. What was
    ignored or is doubtful stands at the top of the file.
    """
    if out is not None and out.exists() and not force:
        raise typer.BadParameter(f"{out} exists; name another file, or add --force", param_hint="--out")
    imported = import_usdm(file)
    drafted = draft_yaml(imported, file.name)
    if out is not None:
        try:
            out.write_text(drafted, encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise typer.BadParameter(f"{out} cannot be written: {reason}", param_hint="--out") from error
    if as_json:
        typer.echo(json.dumps(_as_json(imported, out), indent=2, ensure_ascii=False))
    elif out is None:
        typer.echo(drafted, nl=False)
    else:
        typer.echo(_summary(imported, out))


def _as_json(imported: ImportedProtocol, out: Path | None) -> dict[str, object]:
    shown = ("kind", "path", "message")
    return {
        "out": str(out) if out is not None else None,
        "counts": _counts(imported),
        "protocol": imported.protocol_data,
        "findings": [
            {key: value for key, value in asdict(finding).items() if key in shown}
            for finding in imported.findings
        ],
    }


def _counts(imported: ImportedProtocol) -> dict[str, int]:
    parts = ("arms", "epochs", "elements", "cells", "visits", "criteria", "trial_parameters")
    return {part: len(imported.protocol_data.get(part, [])) for part in parts}


def _summary(imported: ImportedProtocol, out: Path) -> str:
    counts = ", ".join(
        f"{count} {part.replace('_', ' ')}" for part, count in _counts(imported).items() if count
    )
    doubtful, ignored = len(imported.of_kind("doubtful")), len(imported.of_kind("ignored"))
    lines = [
        f"{out}: {counts}.",
        f"{doubtful} doubtful and {ignored} ignored: see the top of the file.",
        "Still to fill in:",
        *(f"  {finding.path}: {finding.message}" for finding in imported.of_kind("to_fill_in")),
    ]
    return "\n".join(lines)

"""`rtsm kit barcode` and `rtsm kit scan`: print kit labels, and say which kit was scanned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from allocation.commands.scanning import scanned_kit
from allocation.commands.service import Service
from allocation.errors import RTSMError
from allocation.kit_labels import LabelFormat, label_sheet
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, show, the_study
from allocation.views.printed_labels import printed_labels

FORMATS: Final[dict[str, LabelFormat]] = {".svg": "svg", ".pdf": "pdf", ".png": "png"}


def barcode(
    kits: Annotated[list[str], typer.Argument(help="Kit numbers.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="The file to write: .svg, .pdf or .png.")],
    expiry: Annotated[bool, typer.Option("--expiry", help="Say the expiry date, too.")] = False,
    lot: Annotated[bool, typer.Option("--lot", help="Say the lot, too. It UNBLINDS.")] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Print labels: Code 128 of the kit number, or GS1-128 where the kits' blinding group has a GTIN."""
    format_ = FORMATS.get(out.suffix.lower())
    if format_ is None or not out.parent.is_dir() or out.exists():
        raise RTSMError(
            f"{out} exists, or its folder does not, or its ending is not .svg, .pdf or .png",
            field="--out",
            fix="name a new .svg, .pdf or .png file in a folder that there is",
        )
    database = open_database(create=False)
    study_id = the_study(database, study)
    labels = printed_labels(database, acting(database, actor), study_id, kits, expiry=expiry, lot=lot)
    out.write_bytes(label_sheet(labels, format_))
    show({"labels": len(labels), "file": str(out)}, as_json, f"{study_id}: {len(labels)} labels in {out}")


def scan(
    text: Annotated[str, typer.Argument(help="What the scanner read.", show_default=False)],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Say which kit was scanned, by number or GS1 element string; a label that contradicts the records is refused."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = scanned_kit(Service(database), acting(database, actor), study_id, text)
    place = f"{found.place_kind} {found.place}".strip()
    said = f"kit {found.kit_number} ({found.kit_group}): {found.status}, {place}, expires {found.expiry_date}"
    show(found.model_dump(mode="json"), as_json, said)

"""A packager's list of kits as a file: CSV or XLSX, by the file's name, with the columns that `rtsm load kits` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from allocation.errors import RTSMError

COLUMNS: Final = ("kit_number", "kit_type", "lot_id", "pick_sequence")


def kit_list_file(kits: Sequence[dict[str, Any]], name: str) -> bytes:
    """The content of a list under that name. Raises RTSMError for another ending than .csv and .xlsx."""
    suffix = Path(name).suffix.lower()
    if suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kits)
        return text.getvalue().encode()
    if suffix == ".xlsx":
        return _workbook(kits)
    raise RTSMError(f"{name} is neither .csv nor .xlsx", field="--out", fix="end the name with .csv or .xlsx")


def _workbook(kits: Sequence[dict[str, Any]]) -> bytes:
    from openpyxl import Workbook  # here, since no command that writes no workbook should wait for it

    book = Workbook(write_only=True)
    sheet = book.create_sheet("kits")
    sheet.append(COLUMNS)
    for one in kits:  # numbers of kits are texts: a spreadsheet would drop zeros at their front
        sheet.append([one[name] for name in COLUMNS])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()

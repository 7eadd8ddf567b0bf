"""Reading an inbound XLSX file into rows: one sheet of plain texts and whole numbers, nothing hidden, nothing calculated.

A spreadsheet may show something else than it holds (formulas, dates made of numbers, zeros cut from the front of a number, hidden
rows). Each of these is a fault of its line; nothing is guessed.
"""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from allocation.csv_rows import CellFault, TableRows, check_header
from allocation.errors import FileRefused

LARGEST_UNPACKED: Final = 256 * 1024 * 1024
"""Bytes of all parts of a workbook: a list of a million entries is smaller."""

_MAGIC: Final = b"PK"
_KINDS: Final = {
    "f": "a formula; paste its value",
    "d": "a date; format the column as text and type it again",
    "b": "true or false; format the column as text",
    "e": "an error of the spreadsheet; correct it",
}
# What a damaged archive, or XML that is not a workbook, makes the library raise.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    AttributeError,
    EOFError,
    KeyError,
    IndexError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
)


def is_xlsx(content: bytes) -> bool:
    """Whether the file begins as an XLSX file (a ZIP archive) does; no CSV file of ours can."""
    return content.startswith(_MAGIC)


def read_xlsx_table(
    content: bytes,
    columns: Sequence[str],
    what: str,
    optional: Sequence[str] = (),
    *,
    sheet: str | None = None,
    whole_numbers: Sequence[str] = (),
) -> TableRows:
    """The rows of a sheet and the faults of its cells; a missing optional column is empty text.

    Row 1 names the columns in any order. Cells hold text, those of `whole_numbers` may be numbers. `sheet` must be named when more
    than one has something in it. Raises FileRefused for what is no whole XLSX file, wrong columns, an unknown sheet or no rows.
    """
    book_sheet = _sheet(_workbook(content, what), sheet, what)
    grid = list(book_sheet.iter_rows())
    header = [_text(cell) for cell in grid[0]] if grid else []
    while header and not header[-1]:
        header.pop()
    check_header(header, columns, optional, what)
    faults = _hidden(book_sheet, len(header))
    faults += [
        CellFault(merged.min_row, "", f"cells {merged.coord} are merged; take them apart")
        for merged in book_sheet.merged_cells.ranges
    ]
    last = max((row[0].row for row in grid if any(cell.value is not None for cell in row)), default=1)
    empty = dict.fromkeys((*columns, *optional), "")
    rows = []
    for cells in grid[1:last]:
        line = cells[0].row
        if all(cell.value is None for cell in cells):
            faults.append(CellFault(line, "", "is empty; delete it"))
            continue
        if any(cell.value is not None for cell in cells[len(header) :]):
            faults.append(CellFault(line, "", f"has more than {len(header)} columns"))
        values = dict(empty)
        for name, cell in zip(header, cells, strict=False):
            fault = _fault(cell, name in whole_numbers)
            if fault is None:
                values[name] = _text(cell)
            else:
                faults.append(CellFault(line, name, fault))
        rows.append((line, values))
    if not rows:
        raise FileRefused(what, ["line 2: there is no row in it"])
    return TableRows(rows, sorted(faults, key=lambda fault: fault.line))


def _workbook(content: bytes, what: str) -> Any:
    import openpyxl  # here, since no command that reads no workbook should wait for it

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > LARGEST_UNPACKED:
                raise FileRefused(what, ["the workbook is too large when unpacked; split it"])
            for part in parts:
                if part.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(part):
                    raise FileRefused(
                        what, [f"{part.filename} declares a document type, which no workbook does"]
                    )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that are not read
            return openpyxl.load_workbook(io.BytesIO(content), data_only=False, keep_links=False)
    except _DAMAGE as error:
        raise FileRefused(
            what, ["this is no whole XLSX file: it was cut off, or is of another format; send it again"]
        ) from error


def _sheet(book: Any, name: str | None, what: str) -> Any:
    sheets = {one.title: one for one in book.worksheets}
    if name is not None:
        if name not in sheets:
            raise FileRefused(what, [f"there is no sheet {name!r}; the workbook has {', '.join(sheets)}"])
        return sheets[name]
    filled = [
        one for one in sheets.values() if any(cell.value is not None for row in one.rows for cell in row)
    ]
    if len(filled) != 1:
        found = ", ".join(one.title for one in filled) or "nothing in any sheet"
        raise FileRefused(what, [f"the workbook has {found}; name the one sheet to read"])
    return filled[0]


def _hidden(sheet: Any, width: int) -> list[CellFault]:
    """Rows and columns that a reader of the sheet does not see: who checked it did not check them."""
    faults = [
        CellFault(line, "", "is hidden; show it or delete it")
        for line, shape in sheet.row_dimensions.items()
        if shape.hidden and line <= sheet.max_row
    ]
    if sheet.sheet_state != "visible":
        faults.append(CellFault(1, "", f"sheet {sheet.title} is hidden; show it"))
    for shape in sheet.column_dimensions.values():
        if shape.hidden and shape.min is not None and shape.min <= width:
            faults.append(CellFault(1, "", f"column {shape.index} is hidden; show it or delete it"))
    return faults


def _fault(cell: Any, may_be_number: bool) -> str | None:
    if cell.value is None:
        return None
    if cell.data_type in _KINDS:
        return f"is {_KINDS[cell.data_type]}"
    if cell.data_type != "n" or isinstance(cell.value, str):
        return None
    if not may_be_number:
        return f"is the number {cell.value}; format the column as text, so that zeros at its front are kept"
    if cell.value != int(cell.value):
        return f"is {cell.value}, no whole number"
    return None


def _text(cell: Any) -> str:
    """The cell as text; a whole number without a decimal point."""
    if cell.value is None:
        return ""
    if isinstance(cell.value, float) and cell.value.is_integer():
        return str(int(cell.value))
    return str(cell.value).strip()

"""Reading an inbound CSV file into rows: one place that knows encodings, headers and ragged lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from allocation.errors import FileRefused
from allocation.plain_values import fault_in_text


@dataclass(frozen=True, slots=True)
class CellFault:
    """What is wrong with a cell, or with the whole line (`column` empty)."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        """The fault as people read it."""
        return f"line {self.line}: {self.column + ': ' if self.column else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a file with their line numbers, every value stripped, and the faults of single lines."""

    rows: list[tuple[int, dict[str, str]]]
    faults: list[CellFault]

    def sound_rows(self, what: str) -> list[tuple[int, dict[str, str]]]:
        """The rows of a table without faults. Raises FileRefused with all faults there are; `what` names the file to people."""
        if self.faults:
            raise FileRefused(what, [str(fault) for fault in self.faults])
        return self.rows


def check_header(header: Sequence[str], columns: Sequence[str], optional: Sequence[str], what: str) -> None:
    """Raise FileRefused unless the header has the columns, perhaps optional ones, and no other."""
    if len(set(header)) == len(header) and set(columns) <= set(header) <= {*columns, *optional}:
        return
    allowed = ", ".join(columns) + (f"; and if needed {', '.join(optional)}" if optional else "")
    raise FileRefused(what, [f"line 1: the columns are {', '.join(header) or 'missing'}; use {allowed}"])


def read_csv_table(
    content: bytes, columns: Sequence[str], what: str, optional: Sequence[str] = ()
) -> TableRows:
    """The rows of a CSV file and its ragged lines; a missing optional column is empty text.

    `content` is UTF-8 (a byte order mark may stand before it), its first line names the columns in any order. `what` names the
    file to people. Control characters are faults of their cells. Raises FileRefused for another encoding, wrong columns, broken
    quoting or no rows.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(what, [f"byte {error.start}: not UTF-8; save the file as UTF-8"]) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        check_header(header, columns, optional, what)
        reader.fieldnames = header
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise FileRefused(what, [f"line {reader.reader.line_num}: {error}"]) from error
    if not rows:
        raise FileRefused(what, ["line 2: there is no row in it"])
    faults = [
        CellFault(line, "", f"has {'more' if None in row else 'fewer'} than {len(header)} columns")
        for line, row in rows
        if None in row or None in row.values()
    ]
    faults += [
        CellFault(line, name, fault.replace("; ", " (") + (")" if "; " in fault else ""))
        for line, row in rows
        for name, value in row.items()
        if isinstance(value, str) and (fault := fault_in_text(value)) is not None
    ]
    empty = dict.fromkeys((*columns, *optional), "")
    return TableRows(
        [
            (line, {**empty, **{name: (row[name] or "").strip() for name in header if name in row}})
            for line, row in rows
        ],
        faults,
    )


def read_csv_rows(
    content: bytes, columns: Sequence[str], what: str, optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file, as `read_csv_table` reads them. Raises FileRefused for ragged lines, too."""
    return read_csv_table(content, columns, what, optional).sound_rows(what)

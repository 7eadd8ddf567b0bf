"""Reading an inbound CSV file into rows: one place that knows encodings, headers and ragged lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from allocation.errors import FileRefused
from allocation.plain_values import fault_in_text


def read_csv_rows(
    content: bytes, columns: Sequence[str], what: str, optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers, every value stripped; a missing optional column is empty text.

    `content` is UTF-8 (a byte order mark may stand before it), its first line names the columns in any order. `what` names the
    file to people. Raises FileRefused for another encoding, wrong columns, broken quoting, ragged lines,
    control characters or no rows.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(what, [f"byte {error.start}: not UTF-8; save the file as UTF-8"]) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        known = {*columns, *optional}
        if len(set(header)) != len(header) or not set(columns) <= set(header) <= known:
            allowed = ", ".join(columns) + (f"; and if needed {', '.join(optional)}" if optional else "")
            raise FileRefused(
                what, [f"line 1: the columns are {', '.join(header) or 'missing'}; use {allowed}"]
            )
        reader.fieldnames = header
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise FileRefused(what, [f"line {reader.reader.line_num}: {error}"]) from error
    ragged = [
        f"line {line}: has {'more' if None in row else 'fewer'} than {len(header)} columns"
        for line, row in rows
        if None in row or None in row.values()
    ]
    ragged += [
        f"line {line}: {name} {fault.replace('; ', ' (')})"
        for line, row in rows
        for name, value in row.items()
        if isinstance(value, str) and (fault := fault_in_text(value)) is not None
    ]
    if ragged or not rows:
        raise FileRefused(what, ragged or ["line 2: there is no row in it"])
    return [
        (line, {**dict.fromkeys(optional, ""), **{name: value.strip() for name, value in row.items()}})
        for line, row in rows
    ]

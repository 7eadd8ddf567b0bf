"""One SDTM file, as it lies on disk, to a polars frame with the file's own values: XPORT v5, CSV, Dataset-JSON 1.1.

Each reader refuses a file that is cut off. That matters most for XPORT: the format does not state its number of rows, and
the usual library reads the rows that are left without a word. What is returned here is not yet checked against SDTM.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat

from simulation.replay.errors import SourceDataError

_RECORD = 80
_NAMESTR_FALLBACK = 140
_CARD = b"HEADER RECORD*******"
_LEGACY_ENCODING = "WINDOWS-1252"


def _refuse(path: Path, message: str, fix: str, code: str = "source-data") -> SourceDataError:
    return SourceDataError(message, code=code, field=path.name, fix=fix)


def _check_xport(path: Path) -> int:
    """Return the number of rows that an XPORT v5 file of one dataset has room for; refuse one that was cut off.

    The layout is that of SAS technical note TS-140: 80-byte records; a NAMESTR header with the number of variables, each
    described by 140 (or 136) bytes whose bytes 4 and 5 hold the width; then rows without gaps, blank-padded to a record.
    """
    content = path.read_bytes()
    again = "copy the file again from its source"
    if not content.startswith(_CARD + b"LIBRARY HEADER RECORD"):
        if content.startswith(_CARD + b"LIBV8"):
            raise _refuse(path, "is SAS XPORT version 8", "write it as XPORT version 5, CSV or Dataset-JSON")
        raise _refuse(
            path, "is not a SAS XPORT file", "give a transport file that PROC COPY or write_xport made"
        )
    if len(content) % _RECORD:
        raise _refuse(
            path,
            f"is cut off: {len(content)} bytes is not a whole number of {_RECORD}-byte records",
            again,
            "source-truncated",
        )
    if content.count(_CARD + b"NAMESTR HEADER RECORD") > 1:
        raise _refuse(path, "holds more than one dataset", "write one file for each dataset")
    member = content.find(_CARD + b"MEMBER  HEADER RECORD")
    names = content.find(_CARD + b"NAMESTR HEADER RECORD")
    observations = content.find(_CARD + b"OBS     HEADER RECORD")
    if min(member, names, observations) < 0:
        raise _refuse(path, "is cut off: it ends within its header", again, "source-truncated")
    try:
        variables = int(content[names + 54 : names + 58])
        width_of_namestr = int(content[member + 74 : member + 78] or _NAMESTR_FALLBACK)
    except ValueError:
        raise _refuse(path, "has a damaged header", again, "source-truncated") from None
    first = names + _RECORD
    row_width = sum(
        int.from_bytes(content[at + 4 : at + 6], "big")
        for at in range(first, first + variables * width_of_namestr, width_of_namestr)
    )
    data = content[observations + _RECORD :]
    rows = len(data) // row_width if row_width else 0
    rest = data[rows * row_width :]
    if rest.strip(b" ") or len(rest) >= _RECORD:
        raise _refuse(path, f"is cut off within row {rows + 1}", again, "source-truncated")
    # Rows shorter than a record: the padding may be as long as whole blank rows, which are no observations.
    while rows and not data[(rows - 1) * row_width : rows * row_width].strip(b" "):
        rows -= 1
    return rows


def read_xport(path: Path) -> pl.DataFrame:
    """Read a SAS XPORT v5 file of one dataset. Text is UTF-8 where it is valid UTF-8, else WINDOWS-1252 (old SAS exports)."""
    rows = _check_xport(path)
    try:
        try:
            frame, _ = pyreadstat.read_xport(str(path), output_format="polars")
        except UnicodeDecodeError:
            frame, _ = pyreadstat.read_xport(str(path), encoding=_LEGACY_ENCODING, output_format="polars")
    except pyreadstat.ReadstatError as problem:
        raise _refuse(path, f"cannot be read as XPORT: {problem}", "write the file again") from problem
    if frame.height != rows:
        raise _refuse(
            path,
            f"holds {rows} rows by its size and {frame.height} were read",
            "copy the file again from its source",
            "source-truncated",
        )
    return frame


def _text(path: Path) -> str:
    content = path.read_bytes()
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig")
    try:
        return content.decode(_LEGACY_ENCODING)
    except UnicodeDecodeError as problem:
        raise _refuse(
            path,
            f"byte {problem.start + 1} is neither UTF-8 nor {_LEGACY_ENCODING} text",
            "save the file as UTF-8",
        ) from problem


def _frame(path: Path, names: list[str], rows: Iterator[tuple[str, list[Any]]]) -> pl.DataFrame:
    """Put rows (each with where it stands) into a frame of text or numbers; every row must have a value for each name."""
    columns: list[list[Any]] = [[] for _ in names]
    for where, values in rows:
        if len(values) != len(names):
            raise _refuse(
                path,
                f"{where} has {len(values)} values and the file has {len(names)} variables",
                "complete or remove the row, or copy the file again if it was cut off there",
                "source-truncated",
            )
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise _refuse(path, f"has the variable {repeated[0]} twice", "keep one of the columns")
    return pl.DataFrame(
        {
            name: pl.Series(name, [None if v is None else str(v) for v in column], dtype=pl.String)
            if any(isinstance(v, str) for v in column) or all(v is None for v in column)
            else pl.Series(name, [None if v is None else float(v) for v in column], dtype=pl.Float64)
            for name, column in zip(names, columns, strict=True)
        }
    )


def read_csv(path: Path) -> pl.DataFrame:
    """Read a CSV file with a header line; all values come as text, an empty one as null. Every line must have all fields."""
    reader = csv.reader(io.StringIO(_text(path)), strict=True)
    try:
        names = next(reader, None)
        if not names:
            raise _refuse(path, "is empty", "give a file whose first line names the variables")
        rows = [(f"line {reader.line_num}", [v or None for v in values]) for values in reader if values]
    except csv.Error as problem:
        raise _refuse(
            path,
            f"line {reader.line_num} is not CSV: {problem}",
            "close the quotes in that line, or copy the file again if it was cut off there",
            "source-truncated",
        ) from problem
    return _frame(path, [name.strip() for name in names], iter(rows))


def _columns(path: Path, head: Any) -> list[str]:
    """The variable names of a Dataset-JSON metadata object, after checking what the replay relies on."""
    columns = head.get("columns") if isinstance(head, dict) else None
    version = str(head.get("datasetJSONVersion", "")) if isinstance(head, dict) else ""
    if not isinstance(columns, list) or not version.startswith("1.1"):
        found = f"datasetJSONVersion {version!r}" if version else "no datasetJSONVersion"
        raise _refuse(path, f"is not Dataset-JSON 1.1: {found}", "export the dataset as Dataset-JSON 1.1")
    names = [column.get("name") if isinstance(column, dict) else None for column in columns]
    for place, name in enumerate(names, start=1):
        if not isinstance(name, str) or not name:
            raise _refuse(path, f"columns: entry {place} has no name", "name every column")
    return [str(name) for name in names]


def _check_records(path: Path, head: dict[str, Any], found: int) -> None:
    stated = head.get("records")
    if stated is not None and stated != found:
        raise _refuse(
            path,
            f"records says {stated} and the file has {found} rows",
            "copy the file again from its source, or correct records",
            "source-truncated",
        )


def _parse(path: Path, text: str, where: str = "") -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        place = where or f"line {problem.lineno}, column {problem.colno}"
        cut_off = problem.pos >= len(text.rstrip()) - 1
        raise _refuse(
            path,
            f"{place} is not JSON: {problem.msg}" + (" (the file seems to be cut off)" if cut_off else ""),
            "copy the file again from its source",
            "source-truncated" if cut_off else "source-data",
        ) from problem


def _row(path: Path, where: str, row: Any) -> list[Any]:
    if not isinstance(row, list):
        raise _refuse(path, f"{where} is not a list of values", "write each row as a JSON array")
    return row


def read_dataset_json(path: Path) -> pl.DataFrame:
    """Read a Dataset-JSON 1.1 file (one JSON object); `records` must agree with the rows."""
    head = _parse(path, _text(path))
    names = _columns(path, head)
    rows = head.get("rows")
    if not isinstance(rows, list):
        raise _refuse(path, "has no rows", "export the dataset with its rows", "source-truncated")
    _check_records(path, head, len(rows))
    return _frame(path, names, ((f"row {n}", _row(path, f"row {n}", r)) for n, r in enumerate(rows, start=1)))


def read_dataset_ndjson(path: Path) -> pl.DataFrame:
    """Read Dataset-JSON 1.1 as lines: the metadata object, then one JSON array for each row."""
    lines = [(n, line) for n, line in enumerate(_text(path).splitlines(), start=1) if line.strip()]
    if not lines:
        raise _refuse(path, "is empty", "give a Dataset-JSON file")
    head = _parse(path, lines[0][1], "line 1")
    names = _columns(path, head)
    rows = [(f"line {n}", _row(path, f"line {n}", _parse(path, line, f"line {n}"))) for n, line in lines[1:]]
    _check_records(path, head, len(rows))
    return _frame(path, names, iter(rows))


READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".xpt": read_xport,
    ".csv": read_csv,
    ".json": read_dataset_json,
    ".ndjson": read_dataset_ndjson,
}

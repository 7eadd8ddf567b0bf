"""SAS transport files, version 5: the format that regulators ask for.

pyreadstat writes them but leaves two things to us. It stamps the wall clock into the header, four times, so that two exports of the
same data would differ: the stamps are replaced by the moment of the export. And it accepts names, labels and values that version 5
cannot hold: they are refused here, whoever built the frame.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyreadstat

from pipelines.errors import ExportError
from pipelines.sdtm.conform import LABEL_LENGTH, NAME_LENGTH, VALUE_BYTES, Conformed

# Library header, its real header twice, and the member's: all stamps stand in the first 640 bytes.
HEADER_BYTES, STAMPS = 640, 4
_STAMP = re.compile(rb"\d{2}[A-Z]{3}\d{2}:\d{2}:\d{2}:\d{2}")
_NAME = re.compile(rf"^[A-Z_][A-Z0-9_]{{0,{NAME_LENGTH - 1}}}$")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def write_xpt(dataset: Conformed, path: Path, *, created: datetime) -> None:
    """Write the dataset to `path` as SAS transport version 5; the same data and moment give the same bytes.

    created: aware moment, written in UTC to the second. Raises ExportError for what version 5 cannot hold.
    """
    _refuse_what_version_5_cannot_hold(dataset)
    pyreadstat.write_xport(
        dataset.frame,
        path,
        file_label=dataset.label,
        column_labels=list(dataset.labels.values()),
        table_name=dataset.name,
        file_format_version=5,
    )
    written = bytearray(path.read_bytes())
    places = [found.start() for found in _STAMP.finditer(written, 0, HEADER_BYTES)]
    if len(places) != STAMPS:
        raise ExportError(
            f"{path.name} has {len(places)} time stamps in its header instead of {STAMPS}: pyreadstat has changed"
        )
    stamp = sas_stamp(created)
    for place in places:
        written[place : place + len(stamp)] = stamp
    path.write_bytes(written)


def sas_stamp(moment: datetime) -> bytes:
    """The moment in UTC as SAS writes it, such as 01JUL26:13:45:00, whatever the machine's language."""
    if moment.tzinfo is None:
        raise ExportError(f"the moment of an export, {moment.isoformat()}, needs a time zone")
    utc = moment.astimezone(UTC)
    return f"{utc:%d}{_MONTHS[utc.month - 1]}{utc:%y:%H:%M:%S}".encode("ascii")


def _refuse_what_version_5_cannot_hold(dataset: Conformed) -> None:
    for name in (dataset.name, *dataset.frame.columns):
        if not _NAME.match(name):
            raise ExportError(
                f"{dataset.name}: the name {name!r} does not fit SAS transport version 5: A-Z, 0-9, _, at most {NAME_LENGTH}"
            )
    for name, label in ((dataset.name, dataset.label), *dataset.labels.items()):
        if len(label) > LABEL_LENGTH or not label.isascii():
            raise ExportError(
                f"{dataset.name}: the label of {name} is not ASCII of at most {LABEL_LENGTH}: {label!r}"
            )
    for column, kind in dataset.frame.schema.items():
        if kind != pl.String and not kind.is_numeric():
            raise ExportError(f"{dataset.name}.{column} is {kind}: SAS transport holds text and numbers")
        if kind != pl.String:
            continue
        unfit = ~dataset.frame[column].str.contains(rf"^[\x20-\x7E]{{0,{VALUE_BYTES}}}$").fill_null(True)
        if unfit.any():
            first = dataset.frame.filter(unfit).row(0, named=True)
            keys = "/".join(str(first[key]) for key in dataset.keys)
            raise ExportError(
                f"{dataset.name}.{column} of {keys} is not ASCII of at most {VALUE_BYTES} bytes: {first[column]!r}"
            )

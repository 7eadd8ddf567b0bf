"""A record of accrual: subjects by centre and period, as a table whose cells are NA while a centre is not open."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from allocation.csv_rows import CellFault, read_csv_table
from allocation.errors import FileRefused
from forecasting.errors import ForecastError

Array = NDArray[np.float64]

_NOT_OPEN: Final = frozenset({"", "na", "nan"})
_LABEL: Final = "period"
_MOST: Final = 1_000_000


@dataclass(frozen=True)
class AccrualRecord:
    """`counts` by period (rows) and centre (columns), 0 where `is_open` is False; a period has `days` days.

    `ends_on`: the date of the census, where it is known. `stopped`: centres that are open in the last row and recruit no more;
    `notes`: what else is to be told of where recruitment stopped. `ages`: periods that each centre has been open; `goes_on`: whether
    it is open at the census, the end of the last row.
    """

    name: str
    centres: tuple[str, ...]
    counts: Array
    is_open: NDArray[np.bool_]
    days: float = 7.0
    ends_on: date | None = None
    stopped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def periods(self) -> int:
        """How many rows there are."""
        return len(self.counts)

    @property
    def subjects(self) -> int:
        """All that were recruited until the census."""
        return int(self.counts.sum())

    @property
    def ages(self) -> Array:
        """Periods that each centre has been open until the census."""
        found: Array = self.is_open.sum(axis=0).astype(np.float64)
        return found

    @property
    def goes_on(self) -> NDArray[np.bool_]:
        """Which centres are open in the last period, and recruit on."""
        on = np.array([centre not in self.stopped for centre in self.centres], dtype=np.bool_)
        found: NDArray[np.bool_] = self.is_open[-1] & on
        return found

    def until(self, row: int) -> AccrualRecord:
        """What was known after so many rows: centres that had not opened yet are not in it."""
        ends_on = self.ends_on and self.ends_on - timedelta(days=self.days * (self.periods - row))
        known: NDArray[np.bool_] = np.any(self.is_open[:row], axis=0)
        centres = tuple(name for name, there in zip(self.centres, known.tolist(), strict=True) if there)
        # What has stopped since was not known before.
        stopped, notes = (self.stopped, self.notes) if row == self.periods else ((), ())
        return AccrualRecord(
            self.name,
            centres,
            self.counts[:row, known],
            self.is_open[:row, known],
            self.days,
            ends_on,
            stopped,
            notes,
        )

    def without(self, sites: Sequence[str]) -> AccrualRecord:
        """The same, with centres that recruit no more. Raises ForecastError for a name that is none of them."""
        check_closed(sites, self.centres, self.name)
        note = (f"Closed, as was said: {', '.join(sorted(sites))}.",) if sites else ()
        return replace(self, stopped=(*self.stopped, *sites), notes=(*self.notes, *note))

    def later(self, row: int, rows: int | None = None) -> NDArray[np.int64]:
        """The subjects by row after `row`, at the centres that were open in it; `rows` of them, or all that there are."""
        end = None if rows is None else row + rows
        found: NDArray[np.int64] = self.counts[row:end, self.is_open[row - 1]].sum(axis=1).astype(np.int64)
        return found

    def at_census(self, row: int | None) -> AccrualRecord:
        """As `until`, from the row that a person named. Raises ForecastError where it is none."""
        if row is not None and not 1 <= row <= self.periods:
            raise ForecastError(
                f"row {row} is not in {self.name}, which has {self.periods}",
                field="--census",
                fix=f"name a row from 1 to {self.periods}",
            )
        return self.until(self.periods if row is None else row)


def check_closed(sites: Sequence[str], known: Iterable[str], name: str) -> None:
    """Raises ForecastError for a site that is said to be closed and is not among those that have been open."""
    there = sorted(known)
    unknown = [site for site in sites if site not in there]
    if unknown:
        raise ForecastError(
            f"site {unknown[0]} is not open in {name}",
            field="--closed-site",
            fix=f"name one of {', '.join(there[:10])}",
        )


def read_record(file: Path, days: float) -> AccrualRecord:
    """The record in a CSV file: a column a centre, a row a period of `days` days; a column `period` is only a label.

    Raises FileRefused with the line and column of every cell that is neither a count nor NA.
    """
    try:
        content = file.read_bytes()
    except OSError as unreadable:
        raise ForecastError(
            f"{file} cannot be read ({unreadable.strerror})", field="FILE", fix="name a CSV file"
        ) from unreadable
    first = content.decode("utf-8-sig", errors="replace").splitlines()[:1]
    header = [name.strip() for name in next(csv.reader(io.StringIO("".join(first))), [])]
    centres = tuple(name for name in header if name.lower() != _LABEL)
    if not centres or not all(centres):
        raise FileRefused(file.name, ["line 1: it has to name each centre, as in A,B,C"])
    table = read_csv_table(content, header, file.name)
    faults, rows = list(table.faults), []
    for line, row in table.rows:
        cells = []
        for name in centres:
            cell = row[name]
            sound = cell.lower() in _NOT_OPEN or (cell.isascii() and cell.isdigit() and int(cell) <= _MOST)
            if not sound:
                message = f"{cell!r} is no count; write 0, 1, 2 ... or NA while the centre is not open"
                faults.append(CellFault(line, name, message))
            cells.append(float(cell) if sound and cell.lower() not in _NOT_OPEN else np.nan)
        rows.append(cells)
    if faults:
        raise FileRefused(file.name, [str(fault) for fault in faults])
    counts = np.array(rows)
    is_open = ~np.isnan(counts)
    if not is_open[-1].any():
        raise FileRefused(
            file.name,
            [f"line {table.rows[-1][0]}: no centre is open in the last period, so nobody can be expected"],
        )
    return AccrualRecord(file.stem, centres, np.nan_to_num(counts), is_open, days)

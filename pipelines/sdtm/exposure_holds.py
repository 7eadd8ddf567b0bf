"""Dose holds in EX: the days on which nothing was taken are cut out of the exposure periods."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines.sdtm.readable_text import plain, shortened

Hold = tuple[date, date | None, str | None]
"""The first day without a dose, the day from which on doses are taken again (None: still on hold), and the reason of the hold."""

ONE_DAY = timedelta(days=1)


def without_holds(periods: pl.DataFrame, dose_holds: pl.DataFrame) -> pl.DataFrame:
    """The periods (`subject_id`, `start`, `end`: first and last day, `end` null where unknown) without the days of holds, plus EXADJ.

    A period that a hold falls into becomes what is before the hold and what is after it; the latter has the reason in EXADJ. A hold
    begins on the day that the site stated and ends on the day on which it said that dosing goes on, which is a day with a dose. What is
    left of a period whose end is unknown ends with an open hold.
    """
    holds = _holds(dose_holds)
    schema = {**periods.schema, "EXADJ": pl.String()}
    rows = [
        row
        for period in periods.iter_rows(named=True)
        for row in _cut({**period, "EXADJ": None}, holds.get(period["subject_id"], ()))
    ]
    return pl.DataFrame(rows, schema=schema)


def _holds(dose_holds: pl.DataFrame) -> Mapping[str, Sequence[Hold]]:
    """Subject to its holds, in order. A row without `held_on` says that dosing goes on from `recorded_on`."""
    found: dict[str, list[Hold]] = defaultdict(list)
    for row in dose_holds.sort("position", "line").iter_rows(named=True):
        holds = found[row["subject_id"]]
        if row["held_on"] is not None:
            holds.append((row["held_on"], None, row["reason"]))
        elif holds and holds[-1][1] is None:
            first, _, reason = holds[-1]
            holds[-1] = (first, row["recorded_on"], reason)
    return found


def _cut(period: dict[str, Any], holds: Sequence[Hold]) -> Iterator[dict[str, Any]]:
    """The parts of a period that are left; the holds are in order and do not overlap."""
    rest = period
    for first, resumed, reason in holds:
        if resumed is not None and resumed <= max(first, rest["start"]):
            continue
        if rest["end"] is not None and first > rest["end"]:
            break
        if rest["start"] < first:
            yield {**rest, "end": first - ONE_DAY}
        if resumed is None or (rest["end"] is not None and resumed > rest["end"]):
            return
        text = plain(reason or "")
        rest = {**rest, "start": resumed, "EXADJ": None if text is None else shortened(text)}
    yield rest

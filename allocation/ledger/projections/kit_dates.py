"""Giving kits other dates where they are, without moving them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, update

from allocation.ledger.projections.fold import day, expect_rows
from allocation.ledger.projections.kit_moves import CHUNK
from allocation.ledger.schema import kit

DatedKit = Sequence[Any]
"""A kit's number and its dates as ISO text: expiry, last ship, last count, last dispense."""


def dates_as_columns(dates: Sequence[str]) -> dict[str, Any]:
    """The four dates of a payload (expiry, last ship, last count, last dispense) as columns of a kit."""
    names = ("expiry_date", "last_ship_date", "last_count_date", "last_dispense_date")
    return {name: day(text) for name, text in zip(names, dates, strict=True)}


def date_kits(connection: Connection, study_id: str, dated: Iterable[DatedKit]) -> None:
    """Give each kit its dates. Raises ProjectionConflict for one that is not there, or is with a subject."""
    by_dates: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for number, *dates in dated:
        by_dates[tuple(dates)].append(number)
    for texts, numbers in sorted(by_dates.items()):
        for start in range(0, len(numbers), CHUNK):
            some = numbers[start : start + CHUNK]
            statement = update(kit).where(
                kit.c.study_id == study_id, kit.c.kit_number.in_(some), kit.c.dispensed_on.is_(None)
            )
            expect_rows(
                connection.execute(statement.values(**dates_as_columns(texts))), len(some), "kits to date"
            )

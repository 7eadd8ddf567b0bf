"""The EDC's word on weight and height: taken over where nobody has given another for that day, else compared."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy import select

from allocation.commands.edc_effects import Contradictions, day_at
from allocation.commands.transaction import Transaction
from allocation.edc.known import Measured, heights_cm, weights_kg
from allocation.ledger.schema import ledger_entry, subject_measurement
from allocation.rules.measures import Measure, Measurement
from allocation.study.canonical import decimal_text
from allocation.study.measure_points import plausible_range


def new_measurements(
    transaction: Transaction, row: Any, facts: list[Any]
) -> tuple[list[Measurement], Contradictions]:
    """The weights and heights that the EDC states and nobody else has given for their day, and those that contradict.

    Without a day of its own a value counts for the day on which the EDC was told, at the site. What the site gave is never overwritten;
    what the EDC gave, the EDC may correct.
    """
    edc = transaction.protocol.edc
    taken: list[Measurement] = []
    found: Contradictions = {}
    if edc.weight is None and edc.height is None:
        return taken, found
    record = _Record(transaction, row)
    stated = [(Measure.WEIGHT, one) for one in weights_kg(edc, facts)]
    stated += [(Measure.HEIGHT, one) for one in heights_cm(edc, facts)]
    for measure, one in stated:
        on = one.on or min(day_at(one.at, row.timezone), record.today)
        about = measure.value if one.on is None else f"{measure.value} of {on}"
        if (expected := _expected(transaction, measure, one, record.today)) is not None:
            found[about] = ("implausible measurement", expected, decimal_text(one.value))
            continue
        here = record.values.get((measure.value, on))
        if here is None:
            if one.on is not None or not record.is_restated(measure, one.value):
                taken.append(Measurement(measure, one.value, on))
        elif here != one.value:
            if record.is_from_edc(measure, here, on):
                taken.append(Measurement(measure, one.value, on))
            else:
                found[about] = ("measurement", decimal_text(here), decimal_text(one.value))
    return taken, found


def _expected(transaction: Transaction, measure: Measure, one: Measured, today: date) -> str | None:
    """What the protocol expects instead of this; None when it is plausible."""
    low, high = plausible_range(transaction.protocol, measure)
    if not low <= one.value <= high:
        return f"{decimal_text(low)} to {decimal_text(high)} expected"
    if one.on is not None and one.on > today:
        return f"measured by {today} expected"
    return None


class _Record:
    """What is on record of a subject's measurements, and which of it the EDC told."""

    def __init__(self, transaction: Transaction, row: Any) -> None:
        self.today = transaction.at_zone(row.timezone)
        self._transaction = transaction
        self._subject_id = row.subject_id
        columns = subject_measurement.c
        rows = transaction.connection.execute(
            select(subject_measurement).where(
                columns.study_id == transaction.study_id, columns.subject_id == row.subject_id
            )
        )
        self.values = {(one.measure, one.measured_on): Decimal(one.value) for one in rows}

    def is_restated(self, measure: Measure, value: Decimal) -> bool:
        """Whether this is what the EDC told last: a snapshot says again what was said before."""
        told = [stated for of, stated, _on in self._told if of == measure.value]
        return bool(told) and told[-1] == value

    def is_from_edc(self, measure: Measure, value: Decimal, on: date) -> bool:
        """Whether the EDC told the value of this day."""
        return (measure.value, value, on) in self._told

    @cached_property
    def _told(self) -> list[tuple[str, Decimal, date]]:
        columns = ledger_entry.c
        query = (
            select(columns.after_json)
            .where(
                columns.study_id == self._transaction.study_id,
                columns.subject_id == self._subject_id,
                columns.command == "apply_edc_facts",
            )
            .order_by(columns.entry_id)
        )
        entries = self._transaction.connection.execute(query).scalars()
        return [
            (measure, Decimal(value), date.fromisoformat(on))
            for entry in entries
            for measure, value, on in json.loads(entry).get("measurements", ())
        ]

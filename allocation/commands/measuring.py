"""Weight and height: what is given with an act is kept with its date, and dosing goes by the latest that is not too old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import select

from allocation.commands.transaction import Transaction
from allocation.commands.visit_facts import refuse_future
from allocation.commands.visit_request import VisitDetails
from allocation.errors import DomainRefusal
from allocation.ledger.schema import subject, subject_measurement
from allocation.rules.dosing import measures_needed
from allocation.rules.measures import (
    BsaFormula,
    Measure,
    Measurement,
    MeasurementChoice,
    MeasurementUse,
    Measures,
    body_surface_area,
    choose_measurement,
)
from allocation.study.canonical import decimal_text
from allocation.study.measure_points import plausible_range
from allocation.study.protocol import Protocol

FIELDS: Final = {Measure.WEIGHT: "weight_kg", Measure.HEIGHT: "height_cm"}
"""What can be measured -> the field of a request that holds it."""


def given_measurements(
    protocol: Protocol, request: VisitDetails, visit_date: date, today: date
) -> list[Measurement]:
    """The measurements that a request brings. Raises DomainRefusal for a future date, and for values that are not plausible."""
    taken = []
    measured_on = request.measured_on or visit_date
    for measure, field in FIELDS.items():
        value: Decimal | None = getattr(request, field)
        if value is None:
            continue
        refuse_future(measured_on, today, "measured_on")
        low, high = plausible_range(protocol, measure)
        if not low <= value <= high:
            raise DomainRefusal(
                f"{value} is not plausible: the protocol expects {low} to {high}",
                code="implausible-measurement",
                field=field,
                fix="correct the value, or its unit",
            )
        taken.append(Measurement(measure, value, measured_on))
    if not taken and request.measured_on is not None:
        raise DomainRefusal(
            "there is a date and nothing that was measured",
            code="measurement-missing",
            field="measured_on",
            fix="give weight_kg or height_cm with it, or leave it out",
        )
    return taken


def measurement_facts(taken: Sequence[Measurement]) -> dict[str, Any]:
    """What an entry says of measurements: nothing where there are none."""
    if not taken:
        return {}
    return {
        "measurements": [
            [one.measure.value, decimal_text(one.value), one.measured_on.isoformat()] for one in taken
        ]
    }


def measures_at(
    transaction: Transaction, subject_id: str, visit_code: str, given: Sequence[Measurement]
) -> tuple[Measures | None, dict[str, Any]]:
    """What the subject is dosed by at a visit today, and the record of it; (None, {}) where the visit goes by no measure.

    Every subject of the visit is asked for the same, whatever the arm. Raises DomainRefusal where a measurement is missing or too old.
    """
    needed = measures_needed(transaction.dispensing_table, visit_code)
    if not needed:
        return None, {}
    rows = transaction.connection.execute(
        select(subject_measurement)
        .where(
            subject_measurement.c.study_id == transaction.study_id,
            subject_measurement.c.subject_id == subject_id,
        )
        .order_by(subject_measurement.c.measured_on)
    )
    taken = [Measurement(Measure(row.measure), Decimal(row.value), row.measured_on) for row in rows]
    age = transaction.connection.execute(
        select(subject.c.age).where(
            subject.c.study_id == transaction.study_id, subject.c.subject_id == subject_id
        )
    ).scalar()
    choices = chosen_measurements(transaction.protocol, needed, [*taken, *given], transaction.today)
    for choice in choices:
        _require(choice)
    if Measure.AGE in needed and age is None:
        raise DomainRefusal(
            "the age is not on record, and dosing goes by it",
            code="measurement-missing",
            field="age",
            fix="nothing was dispensed; call the data manager",
        )
    measures = measures_of(transaction.protocol, choices, age)
    record = [
        [one.measure.value, decimal_text(one.chosen.value), one.chosen.measured_on.isoformat(), one.days_old]
        for one in choices
        if one.chosen is not None
    ]
    return measures, {"measured": record, "age": age}


def chosen_measurements(
    protocol: Protocol, needed: frozenset[Measure], taken: Sequence[Measurement], on: date
) -> list[MeasurementChoice]:
    """Which measurement of weight and height is decided by on a date, by the protocol's rule on their age."""
    limits = protocol.dosing.measurements
    wanted = needed | ({Measure.WEIGHT, Measure.HEIGHT} if Measure.BSA in needed else set())
    ages = {Measure.WEIGHT: limits.weight_max_age_days, Measure.HEIGHT: limits.height_max_age_days}
    return [
        choose_measurement(taken, measure, on, oldest)
        for measure, oldest in ages.items()
        if measure in wanted
    ]


def measures_of(protocol: Protocol, choices: Sequence[MeasurementChoice], age: int | None) -> Measures:
    """The measures that follow from the chosen measurements: the surface area by the protocol's formula, where both are known."""
    values = {one.measure: one.chosen.value for one in choices if one.chosen is not None}
    weight, height = values.get(Measure.WEIGHT), values.get(Measure.HEIGHT)
    bsa = None
    if weight is not None and height is not None:
        bsa = body_surface_area(weight, height, BsaFormula(protocol.dosing.measurements.bsa_formula))
    return Measures(weight, height, bsa, None if age is None else Decimal(age))


def _require(choice: MeasurementChoice) -> None:
    if choice.use == MeasurementUse.USABLE:
        return
    field = FIELDS[choice.measure]
    if choice.use == MeasurementUse.MISSING:
        raise DomainRefusal(
            f"the {choice.measure.value} is not on record, and dosing goes by it",
            code="measurement-missing",
            field=field,
            fix=f"measure the subject and give {field}; nothing was dispensed",
        )
    raise DomainRefusal(
        f"the {choice.measure.value} was measured {choice.days_old} days ago; it may be {choice.max_age_days} days old",
        code="measurement-too-old",
        field=field,
        fix=f"measure the subject again and give {field}; nothing was dispensed",
    )

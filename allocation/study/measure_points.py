"""Which weights, surface areas and ages make a difference at a visit: one representative of each, for whoever walks the decision space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING

from allocation.rules.dosing import DispensingRow, kits_due, measures_needed
from allocation.rules.measures import (
    BsaFormula,
    Measure,
    Measurement,
    Measures,
    body_surface_area,
    choose_measurement,
)

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

YOUNGEST, OLDEST = Decimal(0), Decimal(130)


def plausible_range(protocol: Protocol, measure: Measure) -> tuple[Decimal, Decimal]:
    """The smallest and the largest value that the protocol lets a subject have."""
    limits = protocol.dosing.measurements
    if measure == Measure.WEIGHT:
        return limits.weight_min_kg, limits.weight_max_kg
    if measure == Measure.HEIGHT:
        return limits.height_min_cm, limits.height_max_cm
    if measure == Measure.AGE:
        low, high = protocol.screening.age_min, protocol.screening.age_max
        return YOUNGEST if low is None else Decimal(low), OLDEST if high is None else Decimal(high)
    formula = BsaFormula(limits.bsa_formula)
    return (
        body_surface_area(limits.weight_min_kg, limits.height_min_cm, formula),
        body_surface_area(limits.weight_max_kg, limits.height_max_cm, formula),
    )


def measure_points(protocol: Protocol, rows: Sequence[DispensingRow], visit: str) -> list[Measures | None]:
    """One subject of each kind that the dispensing at `visit` tells apart; [None] where it goes by no measure at all.

    Each measure takes its smallest and largest plausible value and every limit of a band between them; all combinations.
    """
    needed = sorted(measures_needed(rows, visit))
    if not needed:
        return [None]
    choices = []
    for measure in needed:
        low, high = plausible_range(protocol, measure)
        limits = {
            limit
            for row in rows
            if visit in row.visits
            for band in row.bands
            if band.measure == measure
            for limit in (band.at_least, band.below)
            if limit is not None and low < limit < high
        }
        choices.append(sorted({low, high, *limits}))
    return [
        Measures(**{measure.value: value for measure, value in zip(needed, values, strict=True)})
        for values in product(*choices)
    ]


def possible_kits(
    protocol: Protocol, rows: Sequence[DispensingRow], visit: str, arm: str, level: str | None
) -> list[tuple[int | None, tuple[tuple[str, int], ...]]]:
    """What a subject of `arm` on `level` may be given at `visit`: (entry that matches, kits) for each kind of subject, without repetition.

    Raises InvalidParameter where the protocol has a hole.
    """
    found = (
        kits_due(rows, visit, arm, level, measures) for measures in measure_points(protocol, rows, visit)
    )
    return _distinct((decision.row, decision.kits) for decision in found)


def _distinct(
    found: Iterable[tuple[int | None, tuple[tuple[str, int], ...]]],
) -> list[tuple[int | None, tuple[tuple[str, int], ...]]]:
    return list(dict.fromkeys(found))


def planning_measures(protocol: Protocol, age: int | None = None) -> Measures:
    """What supply counts with for a subject who has not been measured; without an age, the oldest that may be screened."""
    limits = protocol.dosing.measurements
    weight, height = limits.planning_weight_kg, limits.planning_height_cm
    bsa = None
    if weight is not None and height is not None:
        bsa = body_surface_area(weight, height, BsaFormula(limits.bsa_formula))
    oldest = plausible_range(protocol, Measure.AGE)[1]
    return Measures(weight, height, bsa, oldest if age is None else Decimal(age))


def goes_by_measures(protocol: Protocol) -> bool:
    """Whether any dispensing depends on weight, surface area or age."""
    return any(entry.bands or entry.dose is not None for entry in protocol.dispensing)


def planned_measures(protocol: Protocol, age: int | None, taken: Sequence[Measurement]) -> Measures:
    """What supply plans a subject's doses by: the latest measurements of whatever age, else what the protocol plans with."""
    typical = planning_measures(protocol, age)
    values = {}
    for measure in (Measure.WEIGHT, Measure.HEIGHT):
        choice = choose_measurement(taken, measure, date.max, None)
        values[measure] = getattr(typical, measure.value) if choice.chosen is None else choice.chosen.value
    weight, height = values[Measure.WEIGHT], values[Measure.HEIGHT]
    bsa = typical.bsa
    if weight is not None and height is not None:
        bsa = body_surface_area(weight, height, BsaFormula(protocol.dosing.measurements.bsa_formula))
    return Measures(weight, height, bsa, typical.age)

"""The few things that the replay must know of a protocol to tell a recorded visit from another."""

from __future__ import annotations

from dataclasses import dataclass

from allocation.study.protocol import Protocol
from simulation.replay.errors import RecordedStudyError
from simulation.replay.sdtm_reader import exact_decimal


@dataclass(frozen=True, slots=True)
class VisitPlan:
    """Visit numbers (exact decimal text) at which subjects are screened, randomized and dispensed to.

    `follow_up` are the visits of the epoch after the treatment: they come after the disposition of the same day.
    """

    screening: str
    randomization: str
    dispensing: frozenset[str]
    follow_up: frozenset[str]


def visit_plan(protocol: Protocol) -> VisitPlan:
    """Take the visit plan out of a protocol.

    Raises:
        RecordedStudyError: the protocol names no randomization; a recorded study could not be played by it.
    """
    if not protocol.randomization:
        raise RecordedStudyError(
            "the study file has no randomization",
            code="recorded-no-randomization",
            field="randomization",
            fix="add the randomization event with its visit",
        )
    number = {visit.code: exact_decimal(visit.number) for visit in protocol.visits}
    after_treatment = {element.code for element in protocol.elements if element.starts_after_treatment}
    late_epochs = {cell.epoch for cell in protocol.cells if after_treatment & set(cell.elements)}
    return VisitPlan(
        screening=number[protocol.screening.visit],
        randomization=number[protocol.randomization[0].visit],
        dispensing=frozenset(number[visit.code] for visit in protocol.visits if visit.dispensing),
        follow_up=frozenset(number[visit.code] for visit in protocol.visits if visit.epoch in late_epochs),
    )

"""The stream of an event that draws at randomization: the activated seed, the index of the next draw, and the subject's number."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import list_entry, randomization_method, subject_randomization
from allocation.rules.seeded_stream import ScrambledNumbers
from allocation.study.randomization_design import RandomizationEvent

GENERATOR = "live-draw/1"
"""Version of the way from a seed to numbers and uniforms; recorded when a method is activated."""

NUMBER_DIGITS = 7

_ACTIVE = (
    select(randomization_method.c.seed, randomization_method.c.activation)
    .where(
        randomization_method.c.study_id == bindparam("study"),
        randomization_method.c.event == bindparam("event"),
        randomization_method.c.state == "active",
    )
    .with_for_update()
)
"""The active method, locked: two desks draw one after the other, so the second counts the first."""

_BEFORE = subject_randomization.c


@dataclass(frozen=True, slots=True)
class LiveStream:
    """Where the event's draws stand: the seed in use and its activation, the index of this draw (from 0), the subject's number."""

    seed: int
    activation: int
    index: int
    number: str


def live_stream(transaction: Transaction, event: RandomizationEvent) -> LiveStream:
    """Lock the event's active method and take the next index. Raises DomainRefusal when none is active."""
    keys = {"study": transaction.study_id, "event": event.code}
    active = transaction.connection.execute(_ACTIVE, keys).first()
    if active is None:
        raise DomainRefusal(
            "no randomization method is active",
            code="no-active-method",
            field="event",
            fix="the statistician activates the method first",
        )
    query = select(func.max(_BEFORE.draw_index)).where(
        _BEFORE.study_id == transaction.study_id, _BEFORE.event == event.code
    )
    last = transaction.connection.execute(query).scalar()
    index = 0 if last is None else last + 1
    seed = int(active.seed)
    return LiveStream(seed, active.activation, index, _number(transaction, event, seed, index))


def _number(transaction: Transaction, event: RandomizationEvent, seed: int, index: int) -> str:
    """A randomization number that tells nothing: scrambled over its range, and not one that the study has given or listed."""
    low = 10 ** (NUMBER_DIGITS - 1)
    numbers = ScrambledNumbers(low, 10 * low - 1, f"{GENERATOR}/numbers", seed, event.code)
    span = 9 * low
    taken = select(list_entry.c.randomization_number).where(list_entry.c.study_id == transaction.study_id)
    given = select(_BEFORE.randomization_number).where(_BEFORE.study_id == transaction.study_id)
    for step in range(span):
        number = str(numbers.number((index + step * (span // 2 + 1)) % span))
        found = transaction.connection.execute(
            taken.where(list_entry.c.randomization_number == number)
            .union_all(given.where(_BEFORE.randomization_number == number))
            .limit(1)
        ).first()
        if found is None:
            return number
    raise DomainRefusal("every randomization number is in use", code="numbers-exhausted")

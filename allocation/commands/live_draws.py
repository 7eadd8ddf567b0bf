"""Drawing an arm when the subject is randomized: the activated seed, what was allocated before, and the method's own rule."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select

from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import list_entry, randomization_method, subject_randomization
from allocation.rules.draws import DrawRecord, uniform_of_draw
from allocation.rules.minimization import UNIT_FACT, EarlierSubject, count_subjects, minimization_draw
from allocation.rules.restricted.design import RestrictedDesign
from allocation.rules.restricted.draw import restricted_draw
from allocation.rules.seeded_stream import ScrambledNumbers
from allocation.study.allocation_scheme import Ratio
from allocation.study.minimization_settings import minimization_design
from allocation.study.randomization_design import COVARIATE_ADAPTIVE, RandomizationEvent
from allocation.study.strata import parse_stratum

GENERATOR = "live-draw/1"
"""Version of the way from a seed to numbers and uniforms; recorded when a method is activated."""

NUMBER_DIGITS = 7

_ACTIVE = (
    select(randomization_method.c.seed, randomization_method.c.generator)
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
    """Where the event's draws stand: the seed in use, the index of this draw (from 0), and the subject's number."""

    seed: int
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
    return LiveStream(int(active.seed), index, _number(transaction, event, int(active.seed), index))


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


def draw(
    transaction: Transaction,
    event: RandomizationEvent,
    ratio: Ratio,
    *,
    scheme: str,
    run: str,
    holder: str,
    stratum: str,
    factors: dict[str, str],
    stream: LiveStream,
) -> DrawRecord:
    """Draw the arm by the event's method, after the earlier allocations of the same scheme. Raises RuleError for a defect."""
    of_scheme = (
        _BEFORE.study_id == transaction.study_id,
        _BEFORE.event == event.code,
        _BEFORE.scheme == scheme,
    )
    if event.method in COVARIATE_ADAPTIVE:
        design = minimization_design(transaction.protocol, event, ratio)
        query = select(_BEFORE.stratum, _BEFORE.arm, _BEFORE.unit).where(*of_scheme)
        earlier = []
        for row in transaction.connection.execute(query.order_by(_BEFORE.draw_index)):
            levels = parse_stratum(row.stratum)
            earlier.append(EarlierSubject(tuple(levels[code] for code in event.factors), row.arm, row.unit))
        own = tuple(factors[code] for code in event.factors)
        return minimization_draw(
            design,
            own,
            count_subjects(design, earlier, own),
            seed=stream.seed,
            event=event.code,
            index=stream.index,
            stratum=stratum,
        )
    counts = dict.fromkeys((arm for arm, _ in ratio), 0)
    query = (
        select(_BEFORE.arm, func.count().label("subjects"))
        .where(*of_scheme, _BEFORE.run == run, _BEFORE.holder == holder)
        .group_by(_BEFORE.arm)
    )
    counts |= {row.arm: row.subjects for row in transaction.connection.execute(query)}
    return restricted_draw(
        RestrictedDesign(event.method, tuple(share for _, share in ratio), event.parameters),
        event.code,
        run,
        list(counts),
        list(counts.values()),
        uniform_of_draw(stream.seed, event.code, stream.index),
        stream.index,
    )


def unit_of(record: DrawRecord) -> int | None:
    """The unit arm that a minimization drew; None for other methods."""
    found = dict(record.facts).get(UNIT_FACT)
    return found if isinstance(found, int) else None


def plain_record(record: DrawRecord) -> dict[str, Any]:
    """The record as the payload of an entry."""
    plain = dataclasses.asdict(record)
    plain["facts"] = dict(record.facts)
    return plain

"""A live draw after the allocations before it: made once by the command, and again by whoever asks how it came about.

The counts are read from `subject_randomization`, of the draws with a lower index and the same scheme; so a draw can be made again
at any later time, from the seed and its index, and must give the same record.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from allocation.ledger.schema import subject_randomization
from allocation.rules.draws import DrawRecord, uniform_of_draw
from allocation.rules.minimization import UNIT_FACT, EarlierSubject, count_subjects, minimization_draw
from allocation.rules.restricted.design import RestrictedDesign
from allocation.rules.restricted.draw import restricted_draw
from allocation.study.allocation_scheme import Ratio, scheme_hash
from allocation.study.minimization_settings import minimization_settings
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import COVARIATE_ADAPTIVE, RandomizationEvent
from allocation.study.strata import parse_stratum, stratum_key

_BEFORE = subject_randomization.c


@dataclass(frozen=True, slots=True)
class DrawPlace:
    """Where a draw stands: the study, the event and its ratio for this subject, the run and holder it counts in, seed and index.

    `factors` are the subject's levels; `run` and `holder` as in allocation/study/allocation_scheme.py.
    """

    study_id: str
    protocol: Protocol
    event: RandomizationEvent
    ratio: Ratio
    run: str
    holder: str
    factors: dict[str, str]
    seed: int
    index: int

    @property
    def scheme(self) -> str:
        """The identity of the way of allocating."""
        return scheme_hash(self.protocol, self.event, self.ratio)


def draw_after_history(connection: Connection, place: DrawPlace) -> DrawRecord:
    """Draw the arm by the event's method, after the earlier allocations of the same scheme. Raises RuleError for a defect."""
    if place.event.method in COVARIATE_ADAPTIVE:
        return _minimized(connection, place)
    # A restricted design counts what it drew: what was forced is no step of its sequence, and could lie beyond its bounds.
    counts = dict.fromkeys((arm for arm, _ in place.ratio), 0)
    query = (
        select(_BEFORE.scheduled_arm, func.count().label("subjects"))
        .where(*_earlier(place), _BEFORE.run == place.run, _BEFORE.holder == place.holder)
        .group_by(_BEFORE.scheduled_arm)
    )
    counts |= {row.scheduled_arm: row.subjects for row in connection.execute(query)}
    return restricted_draw(
        RestrictedDesign(
            place.event.method, tuple(share for _, share in place.ratio), place.event.parameters
        ),
        place.event.code,
        place.run,
        list(counts),
        list(counts.values()),
        uniform_of_draw(place.seed, place.event.code, place.index),
        place.index,
    )


def _minimized(connection: Connection, place: DrawPlace) -> DrawRecord:
    event = place.event
    design = minimization_settings(place.protocol, event, place.ratio).design()
    query = select(_BEFORE.stratum, _BEFORE.arm, _BEFORE.unit).where(*_earlier(place))
    earlier = []
    for row in connection.execute(query.order_by(_BEFORE.draw_index)):
        levels = parse_stratum(row.stratum)
        earlier.append(EarlierSubject(tuple(levels[code] for code in event.factors), row.arm, row.unit))
    own = tuple(place.factors[code] for code in event.factors)
    return minimization_draw(
        design,
        own,
        count_subjects(design, earlier, own),
        seed=place.seed,
        event=event.code,
        index=place.index,
        stratum=stratum_key(place.factors, event.factors),
    )


def _earlier(place: DrawPlace) -> tuple[Any, ...]:
    return (
        _BEFORE.study_id == place.study_id,
        _BEFORE.event == place.event.code,
        _BEFORE.scheme == place.scheme,
        _BEFORE.draw_index < place.index,
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

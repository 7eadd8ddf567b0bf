"""Who may be randomized now, and by which event: the first takes subjects in from screening, later ones admit by the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, bindparam, select

from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import IN_SCREENING, subject_event_eligibility, subject_randomization
from allocation.ledger.subject_paths import visits_of
from allocation.study.allocation_scheme import transition_of
from allocation.study.randomization_design import Admission, RandomizationEvent

_PASSED = (
    select(
        subject_randomization.c.event,
        subject_randomization.c.occurrence,
        subject_randomization.c.randomized_on,
    )
    .where(
        subject_randomization.c.study_id == bindparam("study"),
        subject_randomization.c.subject_id == bindparam("who"),
    )
    .order_by(subject_randomization.c.randomized_on, subject_randomization.c.occurrence)
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A subject at an event: `occurrence` counts from 1, `is_first` for the event that takes subjects in.

    `from_arm` is the arm that the subject is in at a later event, None at the first. `before` are the events passed before, each with
    the date of its latest occurrence.
    """

    event: RandomizationEvent
    occurrence: int
    is_first: bool
    from_arm: str | None
    before: Mapping[str, date]

    def dates_after(self, on: date) -> dict[str, str]:
        """Event -> ISO date of its latest occurrence, once this one has taken place `on` its date."""
        return {code: day.isoformat() for code, day in {**self.before, self.event.code: on}.items()}


def passage_of(transaction: Transaction, row: Row[Any], code: str | None, on: date, reason: str) -> Passage:
    """The event that the subject passes on `on`. Raises DomainRefusal saying what is missing, never the arm."""
    keys = {"study": transaction.study_id, "who": row.subject_id}
    passed = transaction.connection.execute(_PASSED, keys).all()
    event = _event(transaction, code, bool(passed))
    before = {one.event: one.randomized_on for one in passed}
    first = transaction.protocol.randomization[0]
    if event.code == first.code:
        _check_first(transaction, row, on, reason)
        return Passage(event, 1, True, None, before)
    times = sum(one.event == event.code for one in passed)
    _check_later(transaction, row, event, times, on, before)
    return Passage(event, times + 1, False, row.arm, before)


def _event(transaction: Transaction, code: str | None, is_randomized: bool) -> RandomizationEvent:
    """The event of that code; without one, the first for a subject in screening and the only later one for others."""
    events = transaction.protocol.randomization
    if code is None:
        choice = events[1:] if is_randomized and len(events) > 1 else events[:1]
        if len(choice) == 1:
            return choice[0]
    event = next((one for one in events if one.code == code), None)
    if event is None:
        raise DomainRefusal(
            "say which randomization event it is"
            if code is None
            else f"there is no randomization event {code!r}",
            code="unknown-event",
            field="event",
            fix=f"one of {', '.join(one.code for one in events)}",
        )
    return event


def _check_first(transaction: Transaction, row: Row[Any], on: date, reason: str) -> None:
    if row.randomized_on is not None:
        raise DomainRefusal(
            f"subject {row.subject_id} was randomized on {row.randomized_on}",
            code="already-randomized",
            field="subject_id",
            fix="a randomization is never repeated or removed",
        )
    if row.status not in IN_SCREENING:
        raise DomainRefusal(
            f"subject {row.subject_id} is {row.status}",
            code="not-in-screening",
            field="subject_id",
            fix="nothing was changed",
        )
    if transaction.protocol.screening.require_eligibility and not row.eligible:
        raise DomainRefusal(
            f"subject {row.subject_id} has not been found eligible",
            code="not-eligible",
            field="subject_id",
            fix="record eligibility first",
        )
    days = (on - row.screened_on).days
    screening = transaction.protocol.screening
    last_day = screening.last_day(row.screened_on)
    if days < 0:
        raise DomainRefusal(
            f"{on} is before screening on {row.screened_on}",
            code="before-screening",
            field="randomized_on",
            fix="correct the date",
        )
    if last_day is not None and on > last_day and not reason:
        raise DomainRefusal(
            f"screening took {days} days, the protocol allows {screening.max_days_to_randomization}",
            code="screening-too-long",
            field="override_reason",
            fix="screen again, or give a reason to override",
        )


def _check_later(
    transaction: Transaction,
    row: Row[Any],
    event: RandomizationEvent,
    times: int,
    on: date,
    passed: dict[str, date],
) -> None:
    admission = event.admission
    if row.status != "randomized" or admission is None:
        raise DomainRefusal(
            f"subject {row.subject_id} is {row.status}, not on study",
            code="not-on-study",
            field="subject_id",
            fix="nothing was changed",
        )
    if times >= event.max_occurrences:
        raise DomainRefusal(
            f"subject {row.subject_id} has passed {event.code} on {passed[event.code]}",
            code="already-randomized",
            field="event",
            fix="a randomization is never repeated or removed",
        )
    if on < (latest := max(passed.values(), default=on)):
        raise DomainRefusal(
            f"{on} is before the subject's randomization on {latest}",
            code="before-randomization",
            field="randomized_on",
            fix="correct the date",
        )
    # Of the events that must come before, a repeated one counts itself; its first passage counts from `after` alone.
    since = passed.get(event.code, passed.get(admission.after))
    if admission.after not in passed or since is None:
        raise DomainRefusal(
            f"subject {row.subject_id} has not passed {admission.after}",
            code="event-out-of-order",
            field="event",
            fix=f"randomize by {admission.after} first",
        )
    days = (on - since).days
    longest = admission.max_days_after
    if days < admission.min_days_after or (longest is not None and days > longest):
        until = "" if longest is None else f" to {longest}"
        raise DomainRefusal(
            f"{on} is {days} days after the randomization before it; the protocol says {admission.min_days_after}{until}",
            code="outside-event-window",
            field="randomized_on",
            fix="correct the date",
        )
    _check_visits_and_arm(transaction, row, event, admission)


def _check_visits_and_arm(
    transaction: Transaction, row: Row[Any], event: RandomizationEvent, admission: Admission
) -> None:
    if admission.visits_done:
        visits = visits_of(transaction.connection, transaction.study_id, row.subject_id)
        done = {one.visit_code for one in visits if one.status != "missed"}
        if missing := [code for code in admission.visits_done if code not in done]:
            raise DomainRefusal(
                f"visits {', '.join(missing)} have not taken place",
                code="visit-not-done",
                field="subject_id",
                fix="record them first",
            )
    if admission.require_eligibility:
        found = subject_event_eligibility.c
        query = select(found.eligible).where(
            found.study_id == transaction.study_id,
            found.subject_id == row.subject_id,
            found.event == event.code,
        )
        if not transaction.connection.execute(query).scalar():
            raise DomainRefusal(
                f"subject {row.subject_id} has not been found eligible for {event.code}",
                code="not-eligible",
                field="subject_id",
                fix="record eligibility for this event first",
            )
    admitted = not admission.from_arms or row.arm in admission.from_arms
    if not admitted or (event.transitions and transition_of(event, row.arm) is None):
        # Said of nobody in particular: the reader may not learn that it is the arm.
        raise DomainRefusal(
            f"the protocol does not admit subject {row.subject_id} to {event.code}",
            code="not-admitted",
            field="subject_id",
            fix="the subject goes on as before",
        )

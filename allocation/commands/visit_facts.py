"""What an entry says of a visit, after its date was judged against the subject's window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from allocation.commands.visit_request import VisitDetails
from allocation.errors import DomainRefusal, NotFound
from allocation.rules.visits import WindowKind, judge_visit_date
from allocation.study.canonical import decimal_text
from allocation.study.protocol import Protocol
from allocation.study.schedule import Visit
from allocation.study.subject_schedule import SubjectPath, applies_to, window_of


def planned_visit(protocol: Protocol, code: str, path: SubjectPath | None = None) -> Visit:
    """The protocol's visit of that code. Raises NotFound when it has none, or not for this subject."""
    visit = protocol.visit(code)
    if visit is None or (path is not None and not applies_to(visit, path)):
        known = ", ".join(one.code for one in protocol.visits)
        raise NotFound(
            f"visit {code!r} is not in the subject's schedule", field="visit_code", fix=f"one of {known}"
        )
    return visit


def protocol_hole() -> DomainRefusal:
    """The refusal where the protocol does not say what a subject is due: neither arm nor dose level may be told."""
    return DomainRefusal(
        "the protocol does not say what is due here",
        code="protocol-hole",
        fix="nothing was done; `rtsm study validate` tells those who may see it",
    )


def refuse_future(visit_date: date, today: date, field: str = "visit_date") -> None:
    """Raise DomainRefusal for a date after today (the site's date)."""
    if visit_date > today:
        raise DomainRefusal(
            f"{visit_date} lies in the future (today at the site is {today})",
            code="future-date",
            field=field,
            fix="give the actual date",
        )


def refuse_before_screening(visit_date: date, screened_on: date) -> None:
    """Raise DomainRefusal for a visit dated before the subject's screening."""
    if visit_date < screened_on:
        raise DomainRefusal(
            f"{visit_date} is before screening on {screened_on}",
            code="before-screening",
            field="visit_date",
            fix="correct the date; an unscheduled visit needs a reason",
        )


def refuse_repeat(visit: Visit, visits: Sequence[Any], subject_id: str, *, missed: bool = False) -> None:
    """Raise DomainRefusal when the visit is on record already and may not be repeated; it may not be `missed` once it was done."""
    earlier = [row for row in visits if row.visit_code == visit.code]
    if earlier and not (visit.repeats and not missed and all(row.status == "done" for row in earlier)):
        raise DomainRefusal(
            f"visit {visit.code} of subject {subject_id} is {earlier[0].status} already",
            code="visit-on-record",
            field="visit_code",
            fix="record another visit, or an unscheduled one",
        )


def planned_visit_facts(
    protocol: Protocol,
    visit: Visit,
    path: SubjectPath,
    visits: Sequence[Any],
    visit_date: date,
    end_date: date | None,
    override_reason: str,
    recorded_on: date,
) -> dict[str, Any]:
    """The facts of a planned visit that takes place on `visit_date` and is recorded on `recorded_on`; the window is judged by the rule.

    Raises VisitOutsideWindow, or DomainRefusal when the end is before the start.
    """
    decision = judge_visit_date(
        visit_date, window_of(protocol, visit, path), WindowKind(visit.window), override_reason
    )
    window = decision.window
    occurrence = 1 + sum(row.visit_code == visit.code for row in visits)
    return {
        **_common(visit_date, end_date, override_reason, recorded_on),
        "visit_code": visit.code,
        "visit_number": decimal_text(visit.number),
        "occurrence": occurrence,
        "name": visit.name,
        "epoch": visit.epoch,
        "planned": True,
        "contact": visit.contact,
        "window": decision.timing.value,
        "days_outside": decision.days_outside,
        "target_date": None if window is None else window.target.isoformat(),
    }


def unscheduled_visit_facts(
    protocol: Protocol,
    visits: Sequence[Any],
    request: VisitDetails,
    visit_date: date,
    recorded_on: date,
) -> dict[str, Any]:
    """The facts of an unscheduled visit with the request's number.

    Raises NotFound for an unknown epoch, DomainRefusal for the number of a planned visit, or when the end is before the start.
    """
    number = request.visit_number or Decimal(0)
    epochs = [epoch.code for epoch in protocol.epochs]
    epoch = request.epoch or epochs[0]
    if epoch not in epochs:
        raise NotFound(
            f"epoch {epoch!r} is not in the protocol",
            field="epoch",
            fix=f"one of {', '.join(epochs)}",
        )
    if any(visit.number == number for visit in protocol.visits):
        raise DomainRefusal(
            f"{number} is the number of a planned visit",
            code="planned-number",
            field="visit_number",
            fix="give its visit_code instead",
        )
    text = decimal_text(number)
    return {
        **_common(visit_date, request.end_date, request.override_reason, recorded_on),
        "visit_code": None,
        "visit_number": text,
        "occurrence": 1 + sum(row.visit_number == text for row in visits),
        "name": request.name or f"UNSCHEDULED {text}",
        "epoch": epoch,
        "planned": False,
        "contact": request.contact,
        "window": "no_window",
        "days_outside": 0,
        "target_date": None,
    }


def _common(visit_date: date, end_date: date | None, reason: str, recorded_on: date) -> dict[str, Any]:
    end = end_date or visit_date
    if end < visit_date:
        raise DomainRefusal(
            f"{end} is before the visit's start {visit_date}",
            code="end-before-start",
            field="end_date",
            fix="correct a date",
        )
    return {
        "status": "done",
        "visit_date": visit_date.isoformat(),
        "end_date": end.isoformat(),
        "recorded_on": recorded_on.isoformat(),
        "override_reason": reason,
    }

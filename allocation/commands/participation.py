"""The end of a subject's participation: completed, or discontinued. Follow-up visits may still be recorded after it."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field

from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute, iso
from allocation.commands.visit_facts import planned_visit, refuse_future
from allocation.errors import DomainRefusal
from allocation.plain_values import Day
from allocation.study.model import Code

COMPLETED = "COMPLETED"


class EndRequest(CommandRequest):
    """How participation ended. `end_reason` is an SDTM DSDECOD term, `end_term` what was reported (DSTERM).

    `last_dose_on`: None when it is not known. `died_on` for a death. Dates are the site's; `visit_code`: the visit at which it was
    recorded.
    """

    subject_id: Code
    ended_on: Day | None = None
    end_reason: str = Field(min_length=1, max_length=200)
    end_term: str = Field(default="", max_length=200)
    last_dose_on: Day | None = None
    last_contact_on: Day | None = None
    visit_code: Code | None = None
    died_on: Day | None = None


class CompleteRequest(CommandRequest):
    """A subject who went through the whole study."""

    subject_id: Code
    ended_on: Day | None = None
    end_term: str = Field(default="", max_length=200)
    last_dose_on: Day | None = None
    last_contact_on: Day | None = None
    visit_code: Code | None = None


def discontinue(service: Service, act: Act, study_id: str, request: EndRequest) -> dict[str, Any]:
    """Record that a randomized subject left early; its visits are no longer planned. Answers the new status.

    Raises DomainRefusal for a subject not on study, a reason that means completion, or dates that contradict each other.
    """
    if request.end_reason.upper() == COMPLETED:
        raise DomainRefusal(
            "COMPLETED is not a discontinuation",
            code="contradiction",
            field="end_reason",
            fix="use the complete command",
        )
    return _end(service, act, study_id, request, "discontinue", "discontinued")


def complete(service: Service, act: Act, study_id: str, request: CompleteRequest) -> dict[str, Any]:
    """Record that a randomized subject completed the study; answers the new status. Raises as `discontinue` does."""
    ended = EndRequest(**request.model_dump(), end_reason=COMPLETED)
    return _end(service, act, study_id, ended, "complete", "completed")


def _end(
    service: Service, act: Act, study_id: str, request: EndRequest, command: str, status: str
) -> dict[str, Any]:
    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_visit(request.subject_id, request.visit_code)
        if row.status != "randomized":
            raise DomainRefusal(
                f"subject {row.subject_id} is {row.status}, not on study",
                code="not-on-study",
                field="subject_id",
                fix="nothing was changed",
            )
        ended_on = request.ended_on or transaction.today
        for name in ("ended_on", "last_dose_on", "last_contact_on", "died_on"):
            given: date | None = getattr(request, name)
            if given is None:
                continue
            refuse_future(given, transaction.today, name)
            if given < row.randomized_on:
                raise DomainRefusal(
                    f"{given} is before randomization on {row.randomized_on}",
                    code="before-randomization",
                    field=name,
                    fix="correct the date",
                )
        if ended_on < row.randomized_on:
            raise DomainRefusal(
                f"{ended_on} is before randomization on {row.randomized_on}",
                code="before-randomization",
                field="ended_on",
                fix="correct the date",
            )
        _check_order(request, ended_on)
        visit = (
            None if request.visit_code is None else planned_visit(transaction.protocol, request.visit_code)
        )
        return append_end(transaction, row, request, status, ended_on, None if visit is None else visit.code)

    return execute(service, act, study_id, command, request, body)


def append_end(
    transaction: Transaction,
    row: Any,
    request: EndRequest,
    status: str,
    ended_on: date,
    visit_code: str | None = None,
    *,
    follows: str | None = None,
) -> dict[str, Any]:
    """Append the end of the participation of the subject of `row`; answers its status. `follows`: see `Transaction.append`."""
    after = {
        "status": status,
        "ended_on": ended_on.isoformat(),
        "recorded_on": transaction.today.isoformat(),
        "end_reason": request.end_reason.upper(),
        "end_term": request.end_term or request.end_reason.upper(),
        "last_dose_on": iso(request.last_dose_on),
        "last_contact_on": iso(request.last_contact_on or max(ended_on, row.last_dispensed_on or ended_on)),
        "visit_code": visit_code,
        "died_on": iso(request.died_on),
    }
    return transaction.append(
        after,
        before={"status": row.status},
        answer={"subject_id": row.subject_id, "status": status, "ended_on": ended_on.isoformat()},
        subject_id=row.subject_id,
        site_id=row.site_id,
        follows=follows,
    )


def _check_order(request: EndRequest, ended_on: date) -> None:
    """Raise DomainRefusal where the dates of an end contradict each other."""
    last_dose, contact, died = request.last_dose_on, request.last_contact_on, request.died_on
    wrong = []
    if last_dose is not None and last_dose > ended_on:
        wrong.append(
            (f"last dose on {last_dose} is after the end on {ended_on}", "dose-after-end", "last_dose_on")
        )
    if last_dose is not None and died is not None and last_dose > died:
        wrong.append(
            (f"last dose on {last_dose} is after the death on {died}", "dose-after-death", "last_dose_on")
        )
    if contact is not None and contact < ended_on:
        wrong.append(
            (
                f"last contact {contact} is before the end on {ended_on}",
                "contact-before-end",
                "last_contact_on",
            )
        )
    for message, code, field in wrong:
        raise DomainRefusal(message, code=code, field=field, fix="correct a date")

"""Dose hold: while it lasts nothing is dispensed to the subject and supply does not plan for it; visits go on."""

from __future__ import annotations

from datetime import date
from typing import Any

from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.commands.visit_facts import refuse_future
from allocation.errors import DomainRefusal
from allocation.plain_values import Day
from allocation.study.model import Code


class HoldDosingRequest(CommandRequest):
    """A subject whose dosing is to be held. `held_on`: the date at the site; None is today. The reason is that of the act."""

    subject_id: Code
    held_on: Day | None = None


class ResumeDosingRequest(CommandRequest):
    """A subject whose dosing goes on again. The reason is that of the act."""

    subject_id: Code


def hold_dosing(service: Service, act: Act, study_id: str, request: HoldDosingRequest) -> dict[str, Any]:
    """Put a subject's dosing on hold; answers since when.

    Raises DomainRefusal for a subject who is not on treatment or on hold already, a date in the future, before randomization or before
    kits were last handed out, and without a reason.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = _on_treatment(transaction, request.subject_id)
        if row.dose_held_on is not None:
            raise DomainRefusal(
                f"dosing of subject {row.subject_id} is on hold since {row.dose_held_on}",
                code="dose-on-hold",
                field="subject_id",
                fix="nothing was changed",
            )
        held_on = request.held_on or transaction.today
        refuse_future(held_on, transaction.today, "held_on")
        if held_on < row.randomized_on:
            raise DomainRefusal(
                f"{held_on} is before randomization on {row.randomized_on}",
                code="before-randomization",
                field="held_on",
                fix="correct the date",
            )
        if row.last_dispensed_on is not None and held_on < row.last_dispensed_on:
            raise DomainRefusal(
                f"{held_on} is before kits were last handed out, on {row.last_dispensed_on}",
                code="before-last-dispensing",
                field="held_on",
                fix="give that day or a later one: from when on nothing is taken",
            )
        return _append(transaction, row, held_on)

    return execute(service, act, study_id, "hold_dosing", request, body)


def resume_dosing(service: Service, act: Act, study_id: str, request: ResumeDosingRequest) -> dict[str, Any]:
    """Let a subject's dosing go on, at the level at which it was held; answers that it is not on hold.

    Raises DomainRefusal for a subject who is not on treatment or not on hold, and without a reason.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = _on_treatment(transaction, request.subject_id)
        if row.dose_held_on is None:
            raise DomainRefusal(
                f"dosing of subject {row.subject_id} is not on hold",
                code="dose-not-on-hold",
                field="subject_id",
                fix="nothing was changed",
            )
        return _append(transaction, row, None)

    return execute(service, act, study_id, "resume_dosing", request, body)


def _on_treatment(transaction: Transaction, subject_id: str) -> Any:
    row = transaction.at_visit(subject_id)
    transaction.act.require_reason("a dose hold is begun and ended for a reason", "give it")
    if row.status != "randomized":
        raise DomainRefusal(
            f"subject {row.subject_id} is {row.status}, not on treatment",
            code="not-on-treatment",
            field="subject_id",
            fix="nothing was changed",
        )
    return row


def _append(transaction: Transaction, row: Any, held_on: date | None) -> dict[str, Any]:
    on = None if held_on is None else held_on.isoformat()
    before = None if row.dose_held_on is None else row.dose_held_on.isoformat()
    return transaction.append(
        {"held_on": on, "recorded_on": transaction.today.isoformat()},
        before={"held_on": before},
        answer={"subject_id": row.subject_id, "dose_held_on": on},
        subject_id=row.subject_id,
        site_id=row.site_id,
    )

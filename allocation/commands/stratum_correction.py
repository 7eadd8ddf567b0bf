"""A factor level that turns out to be wrong, and the request to take a subject out of the study.

Before randomization the level is corrected. After it the subject stays as randomized, in the stratum it was drawn in, and the truth
is recorded beside it. No subject is ever removed.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pydantic import Field
from sqlalchemy import select

from allocation.commands.edc_following import follow_edc_of
from allocation.commands.screening import check_factors
from allocation.commands.service import FOR_THE_TRAIL, Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.ledger.schema import subject
from allocation.study.model import Code


class CorrectStratumRequest(CommandRequest):
    """The true levels of stratification factors (factor -> level) of a subject."""

    subject_id: Code
    factors: dict[str, str] = Field(min_length=1)


class RemoveSubjectRequest(CommandRequest):
    """A subject that somebody wants out of the study; always refused."""

    subject_id: Code


def correct_stratum(
    service: Service, act: Act, study_id: str, request: CorrectStratumRequest
) -> dict[str, Any]:
    """Record the true levels of a subject's factors, with a reason; answers them and whether the subject stays as randomized.

    Before randomization the levels change. After it arm, stratum and number stay, and the levels that differ stand beside them; a later
    correction may take them back. Raises NotFound for an unknown factor or level; DomainRefusal without a reason, for a factor that
    the site's place states, or when nothing would change.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        protocol = transaction.protocol
        check_factors(protocol, request.factors)
        act.require_reason("factors are corrected with a reason only", FOR_THE_TRAIL)
        of_place = {
            factor.code
            for factor in protocol.stratification
            if factor.source in ("site", "country", "region")
        }
        if wrong := sorted(of_place & set(request.factors)):
            raise DomainRefusal(
                f"{', '.join(wrong)} follows from the subject's site",
                code="factor-of-place",
                field=f"factors.{wrong[0]}",
                fix="leave it out",
            )
        entered: dict[str, str] = json.loads(row.factors_json)
        randomized = row.randomized_on is not None
        query = select(subject.c.true_factors_json).where(
            subject.c.study_id == study_id, subject.c.subject_id == row.subject_id
        )
        true_before: dict[str, str] = json.loads(transaction.connection.execute(query).scalar() or "{}")
        truth = {**entered, **true_before, **request.factors}
        differing = {code: level for code, level in truth.items() if entered.get(code) != level}
        if randomized:
            after: dict[str, Any] = {"randomized": True, "factors": entered, "true_factors": differing}
        else:
            after = {"randomized": False, "factors": truth, "true_factors": {}}
        if after["factors"] == entered and after["true_factors"] == true_before:
            raise DomainRefusal(
                f"these are the levels that subject {row.subject_id} has on record",
                code="nothing-to-correct",
                field="factors",
                fix="nothing was changed",
            )
        answer = {
            "randomized": randomized,
            "subject_id": row.subject_id,
            "factors": after["factors"],
            "true_factors": after["true_factors"],
        }
        before = {"factors": entered, "true_factors": true_before}
        transaction.append(
            after, before=before, answer=answer, subject_id=row.subject_id, site_id=row.site_id
        )
        follow_edc_of(transaction, row.subject_id)
        return answer

    return execute(service, act, study_id, "correct_stratum", request, body)


def remove_subject(service: Service, act: Act, study_id: str, request: RemoveSubjectRequest) -> NoReturn:
    """Refuse to remove a subject, with the reason, to whoever may act on it at all (NotPermitted, NotFound to others).

    The attempt leaves no entry: the ledger holds what was done to the trial, and nothing was.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        raise DomainRefusal(
            f"subject {row.subject_id} stays on record: no subject is ever removed from a study",
            code="subject-never-removed",
            field="subject_id",
            fix="record a screen failure or a discontinuation; a wrong stratum is corrected beside the randomization",
        )

    # Whoever may end a subject's participation gets the reason; it is the act that the request stands for.
    execute(service, act, study_id, "discontinue", request, body)
    raise AssertionError("unreachable")

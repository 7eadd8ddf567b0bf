"""Screening a subject, and recording whether it is eligible."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictBool
from sqlalchemy import func, select

from allocation.commands.caps import caps_facts, check_caps, is_cohort_open
from allocation.commands.edc_following import follow_edc_of
from allocation.commands.replacing import subject_to_replace
from allocation.commands.screen_failure import screen_failure_facts
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.commands.visit_facts import planned_visit, planned_visit_facts, refuse_future
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.schema import IN_SCREENING, subject
from allocation.plain_values import Day, Whole
from allocation.study.allocation_scheme import event_named
from allocation.study.model import Code
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent
from allocation.study.subject_schedule import SubjectPath


class ScreenRequest(CommandRequest):
    """A subject who comes to screening. No name, initials or birth date: age in whole years at screening.

    `subject_id`: the screening number; left out, the service gives the site's next one (`101-0007`). Dates are the site's. `replaces`: the
    subject of this site who left and whose place this one takes, in its cohort even where that has closed.
    """

    site_id: Code
    subject_id: Code | None = None
    screened_on: Day | None = None
    consented_on: Day | None = None
    sex: Literal["F", "M", "U", "UNDIFFERENTIATED"]
    age: Whole = Field(ge=0, le=130)
    race: str | None = Field(default=None, max_length=60)
    ethnic: str | None = Field(default=None, max_length=60)
    factors: dict[str, str] = Field(default_factory=dict)
    cohort: Code | None = None
    replaces: Code | None = None


class EligibilityRequest(CommandRequest):
    """Whether a subject meets the criteria. Not eligible for study is final: the subject is a screen failure.

    `event`: a later randomization event that asks for an eligibility of its own; what was recorded last counts, and the subject goes on
    either way. `visit_code`: the planned visit at which it was assessed, if the site states one.
    """

    subject_id: Code
    eligible: StrictBool
    event: Code | None = None
    assessed_on: Day | None = None
    failed_criteria: tuple[Code, ...] = ()
    last_contact_on: Day | None = None
    visit_code: Code | None = None


def screen(service: Service, act: Act, study_id: str, request: ScreenRequest) -> dict[str, Any]:
    """Screen a subject and record its screening visit; answers the subject's screening number.

    Raises NotFound for a site that is not open, DomainRefusal for a cap that is reached, a number that is taken, an age outside the
    protocol's limits, factor levels that it does not have, or a date in the future.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        here = transaction.at_site(request.site_id)
        protocol = transaction.protocol
        if here.site_status != "open":
            raise DomainRefusal(
                f"site {request.site_id} is {here.site_status}",
                code="site-not-open",
                field="site_id",
                fix="screen elsewhere",
            )
        screened_on = request.screened_on or transaction.today
        refuse_future(screened_on, transaction.today, "screened_on")
        consented_on = request.consented_on or screened_on
        if consented_on > screened_on:
            raise DomainRefusal(
                f"consent on {consented_on} is after screening on {screened_on}",
                code="consent-after-screening",
                field="consented_on",
                fix="nothing may be done before consent",
            )
        _check_age(protocol, request.age)
        check_factors(protocol, request.factors)
        cohort = _cohort_of(transaction, request)
        reached = check_caps(
            transaction,
            "screening",
            request.site_id,
            here.site_country,
            cohort,
            None,
            factors=request.factors,
            replaces=request.replaces,
        )
        subject_id = request.subject_id or _next_number(transaction, request.site_id)
        taken = select(subject.c.site_id).where(
            subject.c.study_id == study_id, subject.c.subject_id == subject_id
        )
        if transaction.connection.execute(taken).first() is not None:
            raise DomainRefusal(
                f"subject {subject_id} is on record already",
                code="subject-exists",
                field="subject_id",
                fix="give another number",
            )
        visit = planned_visit(protocol, protocol.screening.visit)
        path = SubjectPath(subject_id, screened_on, cohort=cohort)
        after = {
            "subject_id": subject_id,
            "site_id": request.site_id,
            "country": here.site_country,
            "screened_on": screened_on.isoformat(),
            "consented_on": consented_on.isoformat(),
            "sex": request.sex,
            "age": request.age,
            "age_unit": "YEARS",
            "race": request.race,
            "ethnic": request.ethnic,
            "factors": request.factors,
            "cohort": cohort,
            "replaces": request.replaces,
            "visit": planned_visit_facts(protocol, visit, path, [], screened_on, None, "", transaction.today),
            **caps_facts(reached),
        }
        answer = {"subject_id": subject_id, "status": "screening", "screened_on": screened_on.isoformat()}
        transaction.append(after, answer=answer, subject_id=subject_id, site_id=request.site_id)
        follow_edc_of(transaction, subject_id)
        return answer

    return execute(service, act, study_id, "screen", request, body)


def record_eligibility(
    service: Service, act: Act, study_id: str, request: EligibilityRequest
) -> dict[str, Any]:
    """Record that a subject is eligible, or has failed screening; answers the new status, which a later event's leaves as it is.

    Raises DomainRefusal when the subject is past screening (for a later event: not on study), or the event asks for no eligibility,
    NotFound for a criterion, event or visit that the protocol does not have.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        event = _later_event(transaction.protocol, request.event)
        if event is None and row.status not in IN_SCREENING:
            raise DomainRefusal(
                f"subject {row.subject_id} is {row.status}, not in screening",
                code="not-in-screening",
                field="subject_id",
                fix="nothing was changed",
            )
        if event is not None and row.status != "randomized":
            raise DomainRefusal(
                f"subject {row.subject_id} is {row.status}, not on study",
                code="not-on-study",
                field="subject_id",
                fix="nothing was changed",
            )
        assessed_on = request.assessed_on or transaction.today
        refuse_future(assessed_on, transaction.today, "assessed_on")
        if assessed_on < row.screened_on:
            raise DomainRefusal(
                f"{assessed_on} is before screening on {row.screened_on}",
                code="before-screening",
                field="assessed_on",
                fix="correct the date",
            )
        known = {criterion.code for criterion in transaction.protocol.criteria}
        if unknown := [code for code in request.failed_criteria if code not in known]:
            raise NotFound(
                f"criteria {', '.join(unknown)} are not in the protocol",
                field="failed_criteria",
                fix="name the protocol's codes",
            )
        if request.eligible and request.failed_criteria:
            raise DomainRefusal(
                "eligible, yet criteria failed",
                code="contradiction",
                field="failed_criteria",
                fix="leave them out, or set eligible to false",
            )
        if request.eligible and request.last_contact_on is not None:
            raise DomainRefusal(
                "eligible, yet a last contact is given",
                code="contradiction",
                field="last_contact_on",
                fix="leave it out; it is of a subject who failed screening",
            )
        after: dict[str, Any] = {
            "eligible": request.eligible,
            "assessed_on": assessed_on.isoformat(),
            "failed_criteria": list(request.failed_criteria),
            "event": None if event is None else event.code,
        }
        if request.visit_code is not None:
            after["visit_code"] = planned_visit(transaction.protocol, request.visit_code).code
        status = "eligible" if event is None else str(row.status)
        if event is None and not request.eligible:
            status = "screen_failed"
            last_contact = request.last_contact_on or assessed_on
            refuse_future(last_contact, transaction.today, "last_contact_on")
            if last_contact < assessed_on:
                raise DomainRefusal(
                    f"last contact {last_contact} is before {assessed_on}",
                    code="contact-before-end",
                    field="last_contact_on",
                    fix="correct a date",
                )
            after |= screen_failure_facts(assessed_on, last_contact)
        answer = {"subject_id": row.subject_id, "status": status}
        before = {"status": row.status}
        transaction.append(
            after, before=before, answer=answer, subject_id=row.subject_id, site_id=row.site_id
        )
        follow_edc_of(transaction, row.subject_id)
        return answer

    return execute(service, act, study_id, "record_eligibility", request, body)


def _later_event(protocol: Protocol, code: str | None) -> RandomizationEvent | None:
    """The later event of that code; None for the first event, whose eligibility is that for study."""
    if code is None:
        return None
    event = event_named(protocol, code)
    if event.code == protocol.randomization[0].code:
        return None
    if event.admission is None or not event.admission.require_eligibility:
        raise DomainRefusal(
            f"the protocol asks for no eligibility for {event.code}",
            code="no-eligibility-here",
            field="event",
            fix="randomize the subject by that event; nothing was recorded",
        )
    return event


def check_factors(protocol: Protocol, factors: dict[str, str]) -> None:
    """Raise NotFound for a factor or level that the protocol does not have."""
    known = {factor.code: [level.code for level in factor.levels] for factor in protocol.stratification}
    for factor, level in factors.items():
        if factor not in known:
            raise NotFound(
                f"factor {factor!r} is not in the protocol",
                field=f"factors.{factor}",
                fix=f"one of {', '.join(known)}",
            )
        if level not in known[factor]:
            raise NotFound(
                f"{level!r} is no level of {factor}",
                field=f"factors.{factor}",
                fix=f"one of {', '.join(known[factor])}",
            )


def _check_age(protocol: Protocol, age: int) -> None:
    if not protocol.screening.admits_age(age):
        low, high = protocol.screening.age_min, protocol.screening.age_max
        limits = f"{low if low is not None else 0} to {high if high is not None else 130}"
        raise DomainRefusal(
            f"age {age} is outside the protocol's limits",
            code="age-outside-limits",
            field="age",
            fix=f"{limits} years",
        )


def _cohort_of(transaction: Transaction, request: ScreenRequest) -> str | None:
    """The cohort that the subject joins: that of the one it replaces, else one that is open."""
    if request.replaces is None:
        return _cohort(transaction, request.cohort)
    replaced = subject_to_replace(transaction, request.replaces, request.site_id)
    if request.cohort not in (None, replaced.cohort):
        raise DomainRefusal(
            f"subject {request.replaces} was in another cohort",
            code="contradiction",
            field="cohort",
            fix="leave it out: a replacement joins the cohort of the one it replaces",
        )
    return None if replaced.cohort is None else str(replaced.cohort)


def _cohort(transaction: Transaction, code: str | None) -> str | None:
    protocol = transaction.protocol
    if not protocol.cohorts:
        if code is not None:
            raise NotFound(f"the protocol has no cohort {code!r}", field="cohort", fix="leave it out")
        return None
    still_open = [one.code for one in protocol.cohorts if is_cohort_open(transaction, one.code)]
    after = {one.code: one.after for one in protocol.cohorts}
    open_ones = [code for code in still_open if after[code] not in still_open]
    if code is None and len(open_ones) == 1:
        return open_ones[0]
    if code not in open_ones:
        raise DomainRefusal(
            f"cohort {code!r} is not open",
            code="cohort-not-open",
            field="cohort",
            fix=f"one of {', '.join(open_ones)}",
        )
    return code


def _next_number(transaction: Transaction, site_id: str) -> str:
    """The site's next screening number; the site's row is locked, so two desks get two numbers."""
    at_site = (subject.c.study_id == transaction.study_id, subject.c.site_id == site_id)
    number = int(
        transaction.connection.execute(select(func.count()).select_from(subject).where(*at_site)).scalar_one()
    )
    taken = set(
        transaction.connection.execute(
            select(subject.c.subject_id).where(
                subject.c.study_id == transaction.study_id,
                subject.c.subject_id.startswith(f"{site_id}-", autoescape=True),
            )
        ).scalars()
    )
    while (subject_id := f"{site_id}-{number + 1:04d}") in taken:
        number += 1
    return subject_id

"""Dates that cannot all be true are refused, and nothing is recorded."""

from datetime import date, timedelta
from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.dose_hold import HoldDosingRequest, hold_dosing
from allocation.commands.participation import CompleteRequest, EndRequest, complete, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import EligibilityRequest, record_eligibility
from allocation.commands.service import Act
from allocation.commands.visits import VisitRequest, record_visit
from allocation.errors import DomainRefusal, NotFound
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk


def refused(desk: Desk, command: Any, request: Any, code: str, field: str) -> None:
    before = desk.state()
    with pytest.raises(DomainRefusal) as refusal:
        command(desk.service, ACT, STUDY, request)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert refusal.value.fix
    assert desk.state() == before


def today(desk: Desk, **later: float) -> date:
    return (desk.now + timedelta(**later)).date()


def test_a_visit_does_not_end_in_the_future(desk):
    subject = desk.randomized()
    ends = {"subject_id": subject, "end_date": today(desk, days=1)}
    refused(desk, dispense, DispenseRequest(visit_code="V2", **ends), "future-date", "end_date")
    refused(desk, record_visit, VisitRequest(visit_code="V4", **ends), "future-date", "end_date")
    unscheduled = VisitRequest(visit_number="9.1", epoch="TRT", **ends)
    refused(desk, record_visit, unscheduled, "future-date", "end_date")


@pytest.mark.parametrize(
    ("dates", "code", "field"),
    [
        ({"ended_on": 2, "last_dose_on": 3}, "dose-after-end", "last_dose_on"),
        ({"ended_on": 4, "last_dose_on": 3, "died_on": 2}, "dose-after-death", "last_dose_on"),
        ({"ended_on": 3, "last_contact_on": 2}, "contact-before-end", "last_contact_on"),
        ({"last_contact_on": 4}, "contact-before-end", "last_contact_on"),
    ],
)
def test_an_end_whose_dates_contradict_each_other_is_refused(desk, dates, code, field):
    subject = desk.randomized()
    given = {name: today(desk, days=days) for name, days in dates.items()}
    desk.move(days=5)
    refused(
        desk,
        discontinue,
        EndRequest(subject_id=subject, end_reason="ADVERSE EVENT", **given),
        code,
        field,
    )
    if "died_on" not in given:
        refused(desk, complete, CompleteRequest(subject_id=subject, **given), code, field)


def test_an_end_whose_dates_agree_is_recorded(desk):
    subject = desk.randomized()
    days = {"ended_on": 3, "last_dose_on": 3, "last_contact_on": 4, "died_on": 3}
    given = {name: today(desk, days=later) for name, later in days.items()}
    desk.move(days=5)
    ended = discontinue(desk.service, ACT, STUDY, EndRequest(subject_id=subject, end_reason="DEATH", **given))
    assert ended["status"] == "discontinued"


def test_a_last_contact_is_of_a_failed_screening_and_not_in_the_future(desk):
    subject = desk.screened()
    kept = {"subject_id": subject, "last_contact_on": today(desk)}
    refused(
        desk,
        record_eligibility,
        EligibilityRequest(eligible=True, **kept),
        "contradiction",
        "last_contact_on",
    )
    kept["last_contact_on"] = today(desk, days=1)
    refused(
        desk, record_eligibility, EligibilityRequest(eligible=False, **kept), "future-date", "last_contact_on"
    )


def test_kits_are_not_handed_out_at_a_visit_before_randomization_also_with_a_reason(desk):
    subject = desk.eligible()
    desk.move(days=3)
    randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=subject))
    early = {"subject_id": subject, "visit_date": today(desk, days=-1), "override_reason": "on paper"}
    refused(desk, dispense, DispenseRequest(visit_code="V2", **early), "before-randomization", "visit_date")
    assert record_visit(desk.service, ACT, STUDY, VisitRequest(visit_number="1.1", **early))
    assert dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=subject, visit_code="V2"))


def test_dosing_is_not_held_from_before_kits_were_handed_out(desk):
    subject = desk.randomized()
    desk.move(days=3)
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=subject, visit_code="V2"))
    act = Act(SYSTEM_ACTOR, reason="a rash")
    held = HoldDosingRequest(subject_id=subject, held_on=today(desk, days=-1))
    before = desk.state()
    with pytest.raises(DomainRefusal) as refusal:
        hold_dosing(desk.service, act, STUDY, held)
    assert (refusal.value.code, refusal.value.field) == ("before-last-dispensing", "held_on")
    assert desk.state() == before
    assert hold_dosing(desk.service, act, STUDY, HoldDosingRequest(subject_id=subject, held_on=today(desk)))


def test_an_assessment_names_a_visit_of_the_protocol(desk):
    subject = desk.screened()
    failed = {"subject_id": subject, "eligible": False}
    with pytest.raises(NotFound) as refusal:
        record_eligibility(desk.service, ACT, STUDY, EligibilityRequest(visit_code="V99", **failed))
    assert refusal.value.field == "visit_code"
    answer = record_eligibility(desk.service, ACT, STUDY, EligibilityRequest(visit_code="V1", **failed))
    assert answer["status"] == "screen_failed"

"""Cohorts: one that waits for another takes nobody until that one is closed, and a cohort's cap holds."""

import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.cohorts import SetCohortRequest, set_cohort
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import ScreenRequest, screen
from allocation.commands.service import Act
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.errors import DomainRefusal, NotFound, Unsupported
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from allocation.views.blinded.cohorts import list_cohorts
from tests.api.trial import ARMS, STUDY, protocol
from tests.commands.desk import ACT, Desk


def with_cohorts(*cohorts: dict[str, object]) -> Protocol:
    named = [{"name": f"Cohort {one['code']}", "arms": list(ARMS), **one} for one in cohorts]
    return Protocol.model_validate(protocol() | {"cohorts": named})


def test_a_cohort_that_waits_takes_nobody_while_the_one_before_it_is_open(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=with_cohorts({"code": "ONE"}, {"code": "TWO", "after": "ONE"}))
    with pytest.raises(DomainRefusal) as caught:
        desk.screened(cohort="TWO")
    assert caught.value.code == "cohort-not-open"
    assert desk.screened(cohort="ONE")
    assert desk.screened(), "with one open cohort nobody need name it"


def test_a_cohort_closes_by_itself_when_its_cap_is_randomized(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=with_cohorts({"code": "ONE", "cap": 2}, {"code": "TWO"}))
    desk.randomized(cohort="ONE")
    desk.randomized(cohort="ONE")
    request = ScreenRequest(site_id="S01", sex="F", age=40, factors={"SEVERITY": "MILD"}, cohort="ONE")
    with pytest.raises(DomainRefusal) as caught:
        screen(desk.service, ACT, STUDY, request)
    assert caught.value.code == "cohort-not-open"
    assert desk.screened(cohort="TWO")


def test_what_the_service_cannot_run_is_refused_when_the_protocol_is_loaded(empty_desk: Desk) -> None:
    document = protocol()
    document["supply"]["eligible_subjects"] = "screened"
    before = empty_desk.state()
    request = LoadStudyVersionRequest(protocol=Protocol.model_validate(document))
    with pytest.raises(Unsupported, match="eligible_subjects"):
        load_study_version(empty_desk.service, ACT, request)
    assert empty_desk.state() == before


def change(desk: Desk, code: str, is_open: bool, reason: str = "Data reviewed") -> dict[str, object]:
    request = SetCohortRequest(cohort=code, open=is_open)
    return set_cohort(desk.service, Act(SYSTEM_ACTOR, reason=reason), STUDY, request)


def states(desk: Desk) -> dict[str, tuple[bool, str | None, int]]:
    found = list_cohorts(desk.database, SYSTEM_ACTOR, STUDY).cohorts
    return {one.cohort: (one.takes_subjects, one.waits_for, one.randomized) for one in found}


def test_an_escalation_goes_level_by_level_as_cohorts_are_opened_by_hand(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(
        stocked=False,
        document=with_cohorts(
            {"code": "LOW", "cap": 2}, {"code": "HIGH", "after": "LOW", "open": False, "cap": 2}
        ),
    )
    with pytest.raises(DomainRefusal) as caught:
        change(desk, "HIGH", True)
    assert caught.value.code == "cohort-out-of-order"
    desk.randomized(cohort="LOW")
    waiting = desk.eligible(cohort="LOW")
    desk.randomized(cohort="LOW")
    assert states(desk) == {"LOW": (False, None, 2), "HIGH": (False, None, 0)}
    assert change(desk, "HIGH", True) == {"cohort": "HIGH", "state": "open"}
    desk.randomized(cohort="HIGH")
    # The cohort's own cap lets those in screening finish.
    randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=waiting))
    assert states(desk) == {"LOW": (False, None, 3), "HIGH": (True, None, 1)}
    for code, is_open, refused in (
        ("LOW", True, "cap-reached"),
        ("HIGH", True, "cohort-state"),
        ("LOW", False, "cohort-state"),
    ):
        with pytest.raises(DomainRefusal) as caught:
            change(desk, code, is_open)
        assert caught.value.code == refused
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        change(desk, "HIGH", False, reason=" ")
    assert caught.value.code == "reason-missing"
    with pytest.raises(NotFound):
        change(desk, "NONE", True)
    assert desk.state() == before
    assert change(desk, "HIGH", False)["state"] == "closed"
    assert change(desk, "HIGH", True)["state"] == "open"
    assert verify_ledger(desk.database, STUDY).intact


def test_a_full_dose_level_closes_every_cohort_of_it(empty_desk: Desk) -> None:
    document = with_cohorts(
        {"code": "A", "dose_level": "ZZD1"},
        {"code": "B", "dose_level": "ZZD1"},
        {"code": "C", "dose_level": "ZZD2"},
    )
    level = {"kind": "randomization", "scope": "dose_level", "key": "ZZD1", "limit": 2}
    document = Protocol.model_validate(document.model_dump(mode="json") | {"caps": [level]})
    desk = empty_desk.set_up(document=document, stocked=False)
    desk.randomized(cohort="A")
    assert [state[0] for state in states(desk).values()] == [True, True, True]
    desk.randomized(cohort="B")
    assert states(desk) == {"A": (False, None, 1), "B": (False, None, 1), "C": (True, None, 0)}
    with pytest.raises(DomainRefusal) as caught:
        change(desk, "A", True)
    assert caught.value.code == "cap-reached"
    assert verify_ledger(desk.database, STUDY).intact

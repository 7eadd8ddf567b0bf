"""Cohorts: one that waits for another takes nobody until that one is closed, and a cohort's cap holds."""

import pytest

from allocation.commands.screening import ScreenRequest, screen
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.errors import DomainRefusal, Unsupported
from allocation.study.protocol import Protocol
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
    document["kit_types"][0]["serialized"] = False
    document["supply"]["on_event"] = True
    before = empty_desk.state()
    request = LoadStudyVersionRequest(protocol=Protocol.model_validate(document))
    with pytest.raises(Unsupported, match=r"on_event.*serialized"):
        load_study_version(empty_desk.service, ACT, request)
    assert empty_desk.state() == before

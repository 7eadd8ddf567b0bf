"""A stratum that was entered wrong: corrected before randomization, kept with the truth beside it after; and nobody is removed."""

from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.service import Act
from allocation.commands.stratum_correction import (
    CorrectStratumRequest,
    RemoveSubjectRequest,
    correct_stratum,
    remove_subject,
)
from allocation.errors import DomainRefusal, NotFound, NotPermitted
from allocation.ledger.verify import verify_ledger
from allocation.views.blinded.subjects import subject_detail
from allocation.views.unblinded.subjects import list_unblinded_subjects
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.live_trial import again, explained, live, running, with_events

WHY = Act(SYSTEM_ACTOR, reason="Source data verification")


def correct(desk: Desk, who: str, level: str, act: Act = WHY) -> dict[str, Any]:
    request = CorrectStratumRequest(subject_id=who, factors={"SEVERITY": level})
    return correct_stratum(desk.service, act, STUDY, request)


def test_a_randomized_subject_stays_as_randomized_with_the_truth_beside_it(desk: Desk) -> None:
    who = desk.randomized()
    before = next(iter(list_unblinded_subjects(desk.database, SYSTEM_ACTOR, STUDY).subjects))
    answer = correct(desk, who, "SEVERE")
    assert answer == {
        "subject_id": who,
        "randomized": True,
        "factors": {"SEVERITY": "MILD"},
        "true_factors": {"SEVERITY": "SEVERE"},
    }
    after = next(iter(list_unblinded_subjects(desk.database, SYSTEM_ACTOR, STUDY).subjects))
    assert after == before.model_copy(update={"true_factors": {"SEVERITY": "SEVERE"}})
    seen = subject_detail(desk.database, SYSTEM_ACTOR, STUDY, who)
    assert (seen.subject.stratum, seen.factors) == ("SEVERITY=MILD", {"SEVERITY": "MILD"})
    assert seen.true_factors == {"SEVERITY": "SEVERE"}
    assert verify_ledger(desk.database, STUDY).intact
    assert correct(desk, who, "MILD")["true_factors"] == {}, "a correction may be taken back"


def test_before_randomization_the_level_itself_is_corrected(desk: Desk) -> None:
    who = desk.eligible()
    assert correct(desk, who, "SEVERE")["factors"] == {"SEVERITY": "SEVERE"}
    randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    seen = subject_detail(desk.database, SYSTEM_ACTOR, STUDY, who)
    assert (seen.subject.stratum, seen.true_factors) == ("SEVERITY=SEVERE", {})


def test_what_is_no_correction_is_refused_and_leaves_all_as_it_was(desk: Desk) -> None:
    who = desk.randomized()
    before = desk.state()
    for act, level, code in ((ACT, "SEVERE", "reason-missing"), (WHY, "MILD", "nothing-to-correct")):
        with pytest.raises(DomainRefusal) as caught:
            correct(desk, who, level, act)
        assert caught.value.code == code
    with pytest.raises(NotFound):
        correct(desk, who, "NONE")
    monitor = Actor("m", "M", (Grant("monitor", STUDY),))
    with pytest.raises(NotPermitted):
        correct(desk, who, "SEVERE", Act(monitor, reason="x"))
    assert desk.state() == before


def test_a_subject_is_never_removed_and_the_refusal_says_what_to_do(desk: Desk) -> None:
    who = desk.randomized()
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        remove_subject(desk.service, ACT, STUDY, RemoveSubjectRequest(subject_id=who))
    assert caught.value.code == "subject-never-removed"
    assert "discontinuation" in str(caught.value)
    stranger = Actor("s", "S", (Grant("site_coordinator", STUDY, "site", "S02"),))
    with pytest.raises(NotPermitted):
        remove_subject(desk.service, Act(stranger), STUDY, RemoveSubjectRequest(subject_id=who))
    with pytest.raises(NotFound):
        remove_subject(desk.service, ACT, STUDY, RemoveSubjectRequest(subject_id="S01-0999"))
    assert desk.state() == before


def test_a_later_randomization_stratifies_as_randomized_unless_the_site_gives_the_level_at_that_event(
    empty_desk: Desk,
) -> None:
    event = {"code": "AGAIN", "visit": "V3", "method": "complete", "drawn": "at_randomization"}
    later = {**event, "factors": ["SEVERITY"], "admission": {"after": "RAND"}}
    desk = running(empty_desk, with_events(live("complete"), later))
    by_record, by_truth = desk.randomized(), desk.randomized()
    for who in (by_record, by_truth):
        correct(desk, who, "SEVERE")
    again(desk, by_record, "AGAIN")
    again(desk, by_truth, "AGAIN", factors={"SEVERITY": "SEVERE"})
    strata = {who: [one.stratum for one in explained(desk, who)] for who in (by_record, by_truth)}
    assert strata == {
        by_record: ["SEVERITY=MILD", "SEVERITY=MILD"],
        by_truth: ["SEVERITY=MILD", "SEVERITY=SEVERE"],
    }
    seen = subject_detail(desk.database, SYSTEM_ACTOR, STUDY, by_truth)
    assert (seen.subject.stratum, seen.factors) == ("SEVERITY=MILD", {"SEVERITY": "MILD"})
    assert seen.true_factors == {"SEVERITY": "SEVERE"}
    assert all(one.derives_to_the_same for one in (*explained(desk, by_record), *explained(desk, by_truth)))

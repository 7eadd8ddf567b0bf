"""Replacing a subject who left: by the next entry or by the same arm, once, at its site, in its cohort, without passing a cap."""

from typing import Any

import pytest
from sqlalchemy import select

from allocation.commands.participation import EndRequest, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import EligibilityRequest, record_eligibility
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.schema import list_entry, subject, subject_randomization
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from tests.api.trial import ARMS, STUDY, protocol
from tests.commands.desk import ACT, Desk


def replacing(policy: str, **more: Any) -> Protocol:
    document = protocol() | more
    document["screening"] = {**document["screening"], "replacement": policy}
    return Protocol.model_validate(document)


def leave(desk: Desk, who: str) -> str:
    discontinue(desk.service, ACT, STUDY, EndRequest(subject_id=who, end_reason="ADVERSE EVENT"))
    return who


def randomized(desk: Desk, who: str, **more: Any) -> dict[str, Any]:
    return randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who, **more))


def row_of(desk: Desk, who: str) -> Any:
    with desk.database.read() as connection:
        return connection.execute(select(subject).where(subject.c.subject_id == who)).one()


def used(desk: Desk) -> int:
    with desk.database.read() as connection:
        return len(connection.execute(select(list_entry).where(list_entry.c.subject_id.is_not(None))).all())


def code_of(act: Any) -> str | None:
    try:
        act()
    except DomainRefusal as refusal:
        return refusal.code
    return None


def test_by_the_same_arm_the_replacement_takes_the_arm_without_an_entry_of_the_list(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=replacing("same_arm"), stocked=False)
    gone = [leave(desk, desk.randomized()) for _ in range(3)]
    entries = used(desk)
    for left in gone:
        new = desk.eligible(replaces=left)
        answer = randomized(desk, new)
        assert desk.arm(new) == desk.arm(left)
        assert answer["randomization_number"] == f"{row_of(desk, left).randomization_number}-R1"
        assert (row_of(desk, new).replaces, row_of(desk, left).replaced_by) == (left, new)
    assert used(desk) == entries
    # The replacement is replaced in turn, in the same chain of numbers.
    third = desk.eligible(replaces=leave(desk, new))
    assert randomized(desk, third)["randomization_number"].endswith("-R2")
    with desk.database.read() as connection:
        kept = connection.execute(
            select(subject_randomization).where(subject_randomization.c.subject_id == third)
        ).one()
    assert (kept.method, kept.list_id, kept.draw_index) == ("replacement", None, None)
    desk.randomized()
    assert used(desk) == entries + 1
    assert verify_ledger(desk.database, STUDY).intact


def test_by_the_next_entry_the_replacement_is_drawn_as_anybody(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=replacing("next_entry"), stocked=False)
    left = leave(desk, desk.randomized())
    new = desk.eligible(replaces=left)
    assert "-R" not in randomized(desk, new)["randomization_number"]
    assert used(desk) == 2
    assert row_of(desk, left).replaced_by == new


def test_who_may_not_be_replaced_is_refused_and_nothing_changes(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=replacing("same_arm"), stocked=False)
    on_study, screened = desk.randomized(), desk.screened()
    left = leave(desk, desk.randomized())
    desk.screened(replaces=left)
    before = desk.state()
    assert code_of(lambda: desk.screened(replaces=on_study)) == "not-replaceable"
    assert code_of(lambda: desk.screened(replaces=screened)) == "not-replaceable"
    assert code_of(lambda: desk.screened(replaces=left)) == "already-replaced"
    with pytest.raises(NotFound) as unknown:
        desk.screened(replaces="S09-0001")
    with pytest.raises(NotFound) as of_another_site:
        desk.screened("S02", replaces=left)
    assert unknown.value.code == of_another_site.value.code == "not-found"
    assert desk.state() == before


def test_a_protocol_without_replacement_refuses_it(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False)
    left = leave(desk, desk.randomized())
    assert code_of(lambda: desk.screened(replaces=left)) == "no-replacement"


def test_another_stratum_is_refused_by_the_same_arm_until_it_is_corrected(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=replacing("same_arm"), stocked=False)
    left = leave(desk, desk.randomized())
    new = desk.eligible(replaces=left, factors={"SEVERITY": "SEVERE"})
    before = desk.state()
    assert code_of(lambda: randomized(desk, new)) == "replacement-stratum"
    assert desk.state() == before
    randomized(desk, new, factors={"SEVERITY": "MILD"})
    assert desk.arm(new) == desk.arm(left)


def test_a_replacement_that_fails_screening_leaves_the_place_to_another(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=replacing("same_arm"), stocked=False)
    left = leave(desk, desk.randomized())
    failed = desk.screened(replaces=left)
    record_eligibility(desk.service, ACT, STUDY, EligibilityRequest(subject_id=failed, eligible=False))
    assert row_of(desk, left).replaced_by is None
    assert row_of(desk, failed).replaces == left
    again = desk.eligible(replaces=left)
    assert row_of(desk, left).replaced_by == again
    assert verify_ledger(desk.database, STUDY).intact


@pytest.mark.parametrize("policy", ["same_arm", "next_entry"])
def test_a_full_cohort_takes_a_replacement_and_its_cap_is_not_passed(empty_desk: Desk, policy: str) -> None:
    cohorts = [
        {"code": "ONE", "name": "One", "arms": list(ARMS), "cap": 2},
        {"code": "TWO", "name": "Two", "arms": list(ARMS)},
    ]
    caps = [{"kind": "randomization", "scope": "cohort", "key": "ONE", "limit": 2, "at_cap": "refuse"}]
    desk = empty_desk.set_up(document=replacing(policy, cohorts=cohorts, caps=caps), stocked=False)
    left = leave(desk, desk.randomized(cohort="ONE"))
    desk.randomized(cohort="ONE")
    assert code_of(lambda: desk.screened(cohort="ONE")) == "cohort-not-open"
    assert code_of(lambda: desk.screened(cohort="TWO", replaces=left)) == "contradiction"
    new = desk.eligible(replaces=left)
    assert row_of(desk, new).cohort == "ONE"
    randomized(desk, new)
    assert code_of(lambda: desk.screened(cohort="ONE")) == "cohort-not-open"

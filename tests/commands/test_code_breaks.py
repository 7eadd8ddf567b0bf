"""Code breaks: one person learns one subject's treatment, at once in an emergency, and every showing of it is on record."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR, Actor
from allocation.commands.code_breaks import ENDED_BY_BREAK
from allocation.commands.participation import EndRequest, discontinue
from allocation.commands.resupply_pauses import PauseRequest, pause_resupply
from allocation.commands.service import Act
from allocation.errors import DomainRefusal, IdempotencyConflict, NotFound, NotPermitted, SignatureRefused
from allocation.ledger.reader import iter_sealed
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import code_break_read, ledger_entry, subject
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from allocation.views.blinded.code_breaks import list_broken_code_readings, list_code_breaks
from allocation.views.unblinded.code_breaks import list_unblinded_code_breaks
from tests.api.trial import STUDY, protocol
from tests.commands.code_break_people import (
    COLLEAGUE,
    ELSEWHERE,
    INVESTIGATOR,
    MANAGER,
    MEDICAL,
    WHY,
    break_for,
    do,
    person,
    with_policy,
)
from tests.commands.desk import Desk
from tests.commands.return_people import given


@pytest.fixture
def bare(empty_desk: Desk) -> Desk:
    """Open sites and an active list on each database; hardly a kit, none at a site: a code break needs none."""
    return empty_desk.set_up(stocked=False, kit_count=3)


@pytest.fixture
def bare_sqlite(sqlite_desk: Desk) -> Desk:
    """The same on SQLite alone."""
    return sqlite_desk.set_up(stocked=False, kit_count=3)


def readings(desk: Desk, subject_id: str) -> list[tuple[str, int, str]]:
    with desk.database.read() as connection:
        rows = connection.execute(select(code_break_read).where(code_break_read.c.subject_id == subject_id))
        return sorted((row.person, row.number, row.act) for row in rows)


def status(desk: Desk, subject_id: str) -> Any:
    with desk.database.read() as connection:
        return connection.execute(select(subject).where(subject.c.subject_id == subject_id)).one()


def refused(desk: Desk, who: Actor, subject_id: str, **more: Any) -> str:
    """The code of the refusal of a break, which leaves all as it was."""
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        break_for(desk, who, subject_id, **more)
    assert desk.state() == before
    assert caught.value.fix
    return str(caught.value.code)


def test_the_investigator_is_shown_the_treatment_of_the_one_subject_and_the_ledger_has_no_arm_of_it(
    desk: Desk,
) -> None:
    who, number = given(desk)
    other = desk.randomized()
    shown = break_for(desk, INVESTIGATOR, who)
    treatment = shown["treatment"]
    assert (treatment["subject_id"], treatment["arm"]) == (who, desk.arm(who))
    assert treatment["arm_name"] == f"{treatment['arm']} name"
    assert [(one["event"], one["arm"]) for one in treatment["allocations"]] == [("RAND", treatment["arm"])]
    assert [one["kit_number"] for one in treatment["kits"]] == [number]
    assert treatment["kits"][0]["kit_type"] == f"ZZKIT{treatment['arm'][-1]}"
    seal_pending(desk.database)
    (entry,) = [one for one in iter_sealed(desk.database, STUDY) if one.command == "break_code"]
    assert (entry.actor, entry.role, entry.reason) == ("investigator", "investigator", WHY)
    assert entry.signature is not None
    assert (entry.signature["meaning"], entry.after["category"]) == ("code broken", "medical_emergency")
    state = desk.state()
    stored = [str(one) for one in desk.rows(ledger_entry) if one.command == "break_code"]
    stored += [str(one) for name in ("code_break", "code_break_read") for one in state[name]]
    assert len(stored) == 3
    assert "ZZ" not in "".join(stored)
    assert readings(desk, who) == [("investigator", 1, "break")]
    assert readings(desk, other) == []
    rebuild_projections(desk.database, STUDY)
    after = desk.state()
    assert {name: after[name] for name in after if name != "ledger_seal"} == {
        name: state[name] for name in state if name != "ledger_seal"
    }


def test_nothing_of_supply_and_no_end_of_participation_stops_a_break(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(stocked=False)
    who = desk.randomized()
    pause_resupply(desk.service, Act(SYSTEM_ACTOR, reason="customs"), STUDY, PauseRequest())
    ended = EndRequest(subject_id=who, end_reason="ADVERSE EVENT")
    discontinue(desk.service, Act(SYSTEM_ACTOR), STUDY, ended)
    desk.move(days=4000)
    assert break_for(desk, INVESTIGATOR, who)["treatment"]["arm"] == desk.arm(who)
    assert status(desk, who).end_reason == "ADVERSE EVENT"


def test_a_break_is_refused_with_a_way_on_and_leaves_all_as_it_was(bare: Desk) -> None:
    desk = bare
    who, waiting = desk.randomized(), desk.eligible()
    coordinator, monitor = person("coordinator"), person("monitor")
    assert refused(desk, INVESTIGATOR, "S01-9999") == "not-found"
    assert refused(desk, INVESTIGATOR, waiting) == "not-randomized"
    assert refused(desk, INVESTIGATOR, who, reason="  ") == "reason-missing"
    assert refused(desk, INVESTIGATOR, who, unsigned=True) == "signature-refused"
    assert refused(desk, INVESTIGATOR, who, meaning="hello") == "signature-refused"
    for other in (coordinator, monitor, MANAGER, ELSEWHERE, person("statistician"), person("stranger")):
        assert refused(desk, other, who) == "not-permitted", other.username
    for nobody in (coordinator, ELSEWHERE):
        with pytest.raises(NotPermitted):
            do(desk, nobody, "read_broken_code", subject_id=who)
    with pytest.raises(NotFound, match="no code"):
        do(desk, INVESTIGATOR, "read_broken_code", subject_id=who)
    assert refused(desk, SYSTEM_ACTOR, who) == "emergency-not-yours"
    break_for(desk, INVESTIGATOR, who)
    assert refused(desk, INVESTIGATOR, who) == "already-unblinded"


def test_an_open_label_study_has_no_code(sqlite_desk: Desk) -> None:
    document = protocol()
    document["study"]["blinding"] = "open_label"
    desk = sqlite_desk.set_up(stocked=False, kit_count=3, document=Protocol.model_validate(document))
    assert refused(desk, INVESTIGATOR, desk.randomized()) == "not-blinded"


def test_a_retry_is_answered_the_same_recorded_and_asked_everything_again(bare: Desk) -> None:
    desk = bare
    who = desk.randomized()
    first = break_for(desk, INVESTIGATOR, who, key="k1")
    assert break_for(desk, INVESTIGATOR, who, key="k1") == first
    assert readings(desk, who) == [("investigator", 1, "break"), ("investigator", 2, "retry")]
    with pytest.raises(IdempotencyConflict):
        break_for(desk, INVESTIGATOR, who, key="k1", reason="another")
    before = desk.state()
    with pytest.raises(SignatureRefused):
        break_for(desk, INVESTIGATOR, who, key="k1", unsigned=True)
    moved = Actor("investigator", "investigator", ELSEWHERE.grants)
    with pytest.raises(NotPermitted):
        break_for(desk, moved, who, key="k1")
    assert desk.state() == before


def test_a_later_reading_is_signed_and_recorded_and_nobody_reads_what_another_broke(
    bare_sqlite: Desk,
) -> None:
    desk = bare_sqlite
    who = desk.randomized()
    break_for(desk, INVESTIGATOR, who)
    desk.move(days=1)
    again = do(desk, INVESTIGATOR, "read_broken_code", subject_id=who, key="r")
    assert (again["reading"], again["treatment"]["arm"]) == (2, desk.arm(who))
    assert do(desk, INVESTIGATOR, "read_broken_code", subject_id=who, key="r") == again
    with pytest.raises(NotFound):
        do(desk, COLLEAGUE, "read_broken_code", subject_id=who)
    with pytest.raises(DomainRefusal, match="reason"):
        do(desk, INVESTIGATOR, "read_broken_code", subject_id=who, reason="")
    with pytest.raises(SignatureRefused):
        do(desk, INVESTIGATOR, "read_broken_code", subject_id=who, unsigned=True)
    break_for(desk, COLLEAGUE, who)
    seen = list_broken_code_readings(desk.database, MANAGER, STUDY).readings
    assert sorted((one.person, one.number, one.act) for one in seen) == [
        ("colleague", 1, "break"),
        ("investigator", 1, "break"),
        ("investigator", 2, "read"),
        ("investigator", 3, "retry"),
    ]
    assert readings(desk, who) == sorted((one.person, one.number, one.act) for one in seen)


@pytest.mark.parametrize("keys", [("a", "b"), ("a", "a")], ids=["two keys", "one key"])
def test_of_two_breaks_at_once_by_one_person_one_is_made(bare: Desk, keys: tuple[str, str]) -> None:
    desk = bare
    who = desk.randomized()

    def attempt(key: str) -> str:
        try:
            return str(break_for(desk, INVESTIGATOR, who, key=key)["treatment"]["arm"])
        except DomainRefusal as refusal:
            return str(refusal.code)

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(attempt, keys))
    arm = str(desk.arm(who))
    if keys[0] == keys[1]:
        assert outcomes == [arm, arm]
    else:
        assert outcomes in ([arm, "already-unblinded"], [arm, "state-changed"])
    assert [act for _, _, act in readings(desk, who)].count("break") == 1


def test_under_approval_a_planned_break_waits_for_four_eyes_and_an_emergency_does_not(
    empty_desk: Desk,
) -> None:
    desk = empty_desk.set_up(stocked=False, kit_count=3, document=with_policy(approval_by="project_manager"))
    who, other = desk.randomized(), desk.randomized()
    assert refused(desk, INVESTIGATOR, who, kind="planned") == "approval-missing"
    asked = do(desk, INVESTIGATOR, "request_code_break", subject_id=who, category="safety_reporting")
    name = asked["request_id"]
    assert (name, asked["state"]) == (f"{who}-U1", "requested")
    assert refused(desk, INVESTIGATOR, who, kind="planned") == "approval-awaited"
    for someone, code in ((MEDICAL, "not-the-approver"), (person("monitor"), "not-permitted")):
        with pytest.raises(DomainRefusal) as caught:
            do(desk, someone, "approve_code_break", request_id=name)
        assert caught.value.code == code
    with pytest.raises(NotFound):
        do(desk, MANAGER, "approve_code_break", request_id="S01-0001-U9")
    with pytest.raises(NotPermitted):
        do(desk, person("stranger"), "approve_code_break", request_id="S01-0001-U9")
    approved = do(desk, MANAGER, "approve_code_break", request_id=name, reason="")
    assert approved == {"request_id": name, "subject_id": who, "site_id": "S01", "state": "approved"}
    with pytest.raises(DomainRefusal, match="approved"):
        do(desk, MANAGER, "refuse_code_break", request_id=name)
    assert refused(desk, COLLEAGUE, who, kind="planned") == "approval-missing"  # the request is another's
    assert break_for(desk, INVESTIGATOR, who, kind="planned")["treatment"]["arm"] == desk.arm(who)
    assert refused(desk, MANAGER, who) == "not-permitted"

    asked = do(desk, INVESTIGATOR, "request_code_break", subject_id=other, category="other")
    assert break_for(desk, INVESTIGATOR, other)["treatment"]["arm"] == desk.arm(other)
    states = {one.request_id: one.state for one in list_code_breaks(desk.database, MANAGER, STUDY).requests}
    assert states == {name: "used", asked["request_id"]: "used"}
    with pytest.raises(DomainRefusal, match="used"):
        do(desk, MANAGER, "approve_code_break", request_id=asked["request_id"])


def test_nobody_approves_a_request_of_their_own_and_a_refused_one_may_be_made_again(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk.set_up(stocked=False, kit_count=3, document=with_policy(approval_by="medical_monitor"))
    who = desk.randomized()
    own = do(desk, MEDICAL, "request_code_break", subject_id=who, category="safety_reporting")["request_id"]
    with pytest.raises(DomainRefusal) as caught:
        do(desk, MEDICAL, "approve_code_break", request_id=own)
    assert caught.value.code == "four-eyes"
    second = Actor("second", "Second", MEDICAL.grants)
    with pytest.raises(DomainRefusal, match="reason"):
        do(desk, second, "refuse_code_break", request_id=own, reason="")
    with pytest.raises(SignatureRefused):
        do(desk, second, "refuse_code_break", request_id=own, unsigned=True)
    assert do(desk, second, "refuse_code_break", request_id=own)["state"] == "refused"
    again = do(desk, MEDICAL, "request_code_break", subject_id=who, category="safety_reporting")
    with pytest.raises(DomainRefusal, match="requested"):
        do(desk, MEDICAL, "request_code_break", subject_id=who, category="other")
    do(desk, second, "approve_code_break", request_id=again["request_id"])
    assert break_for(desk, MEDICAL, who, kind="planned")["treatment"]["arm"] == desk.arm(who)
    assert refused(desk, second, who) == "emergency-not-yours"
    with pytest.raises(DomainRefusal, match="already"):
        do(desk, MEDICAL, "request_code_break", subject_id=who, category="other")


def test_the_protocol_says_whether_the_subject_is_discontinued(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(
        stocked=False, kit_count=3, document=with_policy(discontinue_after_code_break=True)
    )
    who, gone = desk.randomized(), desk.randomized()
    assert break_for(desk, INVESTIGATOR, who, key="k")["discontinued"]
    assert (status(desk, who).status, status(desk, who).end_reason) == ("discontinued", ENDED_BY_BREAK)
    assert break_for(desk, INVESTIGATOR, who, key="k")["discontinued"]
    assert not break_for(desk, COLLEAGUE, who)["discontinued"]  # it is already
    discontinue(desk.service, Act(SYSTEM_ACTOR), STUDY, EndRequest(subject_id=gone, end_reason="DEATH"))
    assert not break_for(desk, INVESTIGATOR, gone)["discontinued"]
    commands = [one.command for one in desk.rows(ledger_entry) if one.subject_id == who]
    assert commands.count("discontinue") == 1


def test_without_that_word_of_the_protocol_the_subject_goes_on(bare_sqlite: Desk) -> None:
    desk = bare_sqlite
    who = desk.randomized()
    assert not break_for(desk, INVESTIGATOR, who)["discontinued"]
    assert status(desk, who).status == "randomized"


def test_the_lists_name_no_arm_but_the_one_for_the_unblinded(bare_sqlite: Desk) -> None:
    desk = bare_sqlite
    who, other = desk.randomized(), desk.randomized("S02")
    break_for(desk, INVESTIGATOR, who, reason="I think it is ZZARMA")
    break_for(desk, ELSEWHERE, other)
    listed = list_code_breaks(desk.database, MANAGER, STUDY)
    assert {(one.subject_id, one.person, one.category, one.readings) for one in listed.breaks} == {
        (who, "investigator", "medical_emergency", 1),
        (other, "elsewhere", "medical_emergency", 1),
    }
    assert "ZZ" not in listed.model_dump_json()
    of_site = list_code_breaks(desk.database, person("coordinator"), STUDY).breaks
    assert [one.subject_id for one in of_site] == [who]
    for nobody in ("depot", "supply", "edc.system", "administrator", "stranger"):
        with pytest.raises(NotPermitted):
            list_code_breaks(desk.database, person(nobody), STUDY)
    opened = list_unblinded_code_breaks(desk.database, person("auditor"), STUDY).breaks
    assert {(one.subject_id, one.arm, one.reason) for one in opened} == {
        (who, desk.arm(who), "I think it is ZZARMA"),
        (other, desk.arm(other), WHY),
    }
    with pytest.raises(NotPermitted):
        list_unblinded_code_breaks(desk.database, INVESTIGATOR, STUDY)

"""Several randomization events for one subject: who is admitted, what becomes of the arm, and what nobody at the site can tell."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import Actor, Grant
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.participation import EndRequest, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import EligibilityRequest, record_eligibility
from allocation.commands.visits import VisitRequest, record_visit
from allocation.errors import DomainRefusal, RTSMError
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import kit, subject
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from allocation.views.blinded.subjects import subject_detail
from tests.api.trial import ARMS, STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.live_trial import again, amend, explained, live, running, with_arms, with_events

A, B, C = ARMS
COORDINATOR = Actor("co", "Co", (Grant("site_coordinator", STUDY, "site", "S01"),))


def later(code: str = "AGAIN", *, after: str = "RAND", **more: Any) -> dict[str, Any]:
    """A later event that draws at randomization; `admission` gives what it asks for besides `after`."""
    admission = {"after": after, **more.pop("admission", {})}
    event = {"code": code, "visit": "V3", "method": "complete", "drawn": "at_randomization"}
    return {**event, "admission": admission, **more}


def to(from_arm: str, *arms: str) -> dict[str, Any]:
    return {"from_arm": from_arm, "to": [{"arm": arm, "ratio": 1} for arm in arms]}


def of_each_arm(desk: Desk, each: int = 1) -> dict[str, list[str]]:
    """Subjects randomized until every arm has some."""
    found: dict[str, list[str]] = {arm: [] for arm in ARMS}
    while min(map(len, found.values())) < each:
        who = desk.randomized()
        found[explained(desk, who)[0].arm].append(who)
    return found


def now(desk: Desk, who: str) -> Any:
    with desk.database.read() as connection:
        return connection.execute(select(subject).where(subject.c.subject_id == who)).one()


def dispensed(desk: Desk, who: str, visit: str, **more: Any) -> list[str]:
    request = DispenseRequest(subject_id=who, visit_code=visit, override_reason="as agreed", **more)
    numbers = dispense(desk.service, ACT, STUDY, request)["kit_numbers"]
    with desk.database.read() as connection:
        return list(connection.execute(select(kit.c.kit_type).where(kit.c.kit_number.in_(numbers))).scalars())


def sound(desk: Desk) -> None:
    """The ledger is whole, replays to what is there, and each of its decisions derives to the same again."""
    assert verify_ledger(desk.database, STUDY).difference is None
    before = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == before
    Derivation(desk.database, STUDY).run()


def test_subjects_are_kept_moved_and_split_and_the_site_cannot_tell_which(empty_desk: Desk) -> None:
    transitions = [to(A, A), to(B, C), to(C, C, A)]
    desk = running(empty_desk, with_events(live("complete"), later(transitions=transitions)))
    people = of_each_arm(desk, 2)
    desk.move(days=14)
    answers, details = [], []
    for who in (one for group in people.values() for one in group):
        answers.append(again(desk, who, "AGAIN"))
        details.append(subject_detail(desk.database, COORDINATOR, STUDY, who).model_dump(mode="json"))
    found = {arm: [explained(desk, who)[1] for who in group] for arm, group in people.items()}
    assert {one.arm for one in found[A]} == {A}
    assert {one.arm for one in found[B]} == {C}
    assert {one.arm for one in found[C]} <= {C, A}
    assert {(one.method, one.from_arm) for group in found.values() for one in group} == {
        ("keep", A),
        ("move", B),
        ("complete", C),
    }
    assert all(one.derives_to_the_same for group in found.values() for one in group)
    numbers = [one["randomization_number"] for one in answers]
    assert len(set(numbers)) == len(numbers)
    assert {len(number) for number in numbers} == {7}
    hidden = {"subject_id", "randomization_number"}
    same = [{name: value for name, value in one.items() if name not in hidden} for one in answers]
    assert all(one == same[0] for one in same)
    assert all(one.keys() == details[0].keys() for one in details)
    assert "ZZ" not in str([answers, details])
    assert [now(desk, who).arm for who in people[B]] == [C] * len(people[B])
    sound(desk)


def test_whoever_keeps_the_arm_keeps_the_dose_and_another_arm_begins_at_its_own(empty_desk: Desk) -> None:
    event = later(transitions=[to(A, A), to(B, A), to(C, A)], visit="V4")
    desk = running(empty_desk, with_events(live("complete"), event), kit_count=60)
    desk.resupply()
    people = of_each_arm(desk)
    subjects = [people[A][0], people[B][0]]
    for who in subjects:
        dispensed(desk, who, "V2")
    desk.move(days=14)
    for who in subjects:
        dispensed(desk, who, "V3", titration="up")
        assert now(desk, who).dose_level == "ZZD2"
        again(desk, who, "AGAIN")
    assert [now(desk, who).dose_level for who in subjects] == ["ZZD2", "ZZD1"]
    sound(desk)


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    # what is wrong, what the admission asks for, days after the first randomization, the code
    ("too early", {"admission": {"min_days_after": 10}}, "day 9", "outside-event-window"),
    ("too late", {"admission": {"max_days_after": 10}}, "day 11", "outside-event-window"),
    ("before the randomization", {}, "dated before", "before-randomization"),
    ("visit to come", {"admission": {"visits_done": ["V3"]}}, "day 9", "visit-not-done"),
    ("not found eligible", {"admission": {"require_eligibility": True}}, "day 9", "not-eligible"),
    ("another arm", {"admission": {"from_arms": [A]}}, "in arm B", "not-admitted"),
    ("an arm without a transition", {"transitions": [to(A, A)]}, "in arm B", "not-admitted"),
    ("screened only", {}, "screened only", "not-on-study"),
    ("discontinued", {}, "discontinued", "not-on-study"),
    ("passed already", {}, "passed already", "already-randomized"),
    ("unknown event", {"code": "OTHER"}, "day 9", "unknown-event"),
    ("an event between", {"after": "BETWEEN"}, "day 9", "event-out-of-order"),
]


@pytest.mark.parametrize(
    ("rules", "when", "code"), [one[1:] for one in REFUSALS], ids=[one[0] for one in REFUSALS]
)
def test_who_is_not_admitted_is_told_why_and_nothing_changes(
    sqlite_desk: Desk, rules: dict[str, Any], when: str, code: str
) -> None:
    between = [later("BETWEEN")] if rules.get("after") else []
    desk = running(sqlite_desk, with_events(live("complete"), *between, later(**rules)))
    who = desk.screened() if when == "screened only" else of_each_arm(desk)[B][0]
    desk.move(days=int(when.removeprefix("day ")) if when.startswith("day ") else 9)
    if when == "discontinued":
        discontinue(desk.service, ACT, STUDY, EndRequest(subject_id=who, end_reason="OTHER"))
    if when == "passed already":
        again(desk, who, "AGAIN")
    on = (desk.now - timedelta(days=12)).date() if when == "dated before" else None
    before = desk.state()
    request = RandomizeRequest(subject_id=who, event="AGAIN", randomized_on=on)
    with pytest.raises(DomainRefusal) as caught:
        randomize(desk.service, ACT, STUDY, request)
    assert caught.value.code == code
    assert caught.value.fix
    assert "ZZ" not in f"{caught.value} {caught.value.fix}"
    assert desk.state() == before


def test_the_eligibility_for_a_later_event_is_its_own_and_may_be_found_again(empty_desk: Desk) -> None:
    asks = later(admission={"require_eligibility": True})
    desk = running(empty_desk, with_events(live("complete"), asks, later("FREE")))
    who, screened = desk.randomized(), desk.screened()

    def assess(eligible: bool, event: str = "AGAIN", subject_id: str = who, **more: Any) -> dict[str, Any]:
        request = EligibilityRequest(subject_id=subject_id, eligible=eligible, event=event, **more)
        return record_eligibility(desk.service, ACT, STUDY, request)

    assert assess(False, failed_criteria=("IN01",)) == {"subject_id": who, "status": "randomized"}
    with pytest.raises(DomainRefusal, match="not been found eligible for AGAIN"):
        again(desk, who, "AGAIN")
    assert assess(True)["status"] == "randomized"
    assert again(desk, who, "AGAIN")["event"] == "AGAIN"
    before = desk.state()
    for code, how in {
        "no-eligibility-here": {"event": "FREE"},
        "not-found": {"event": "NONE"},
        "not-on-study": {"subject_id": screened},
        "contradiction": {"failed_criteria": ("IN01",)},
    }.items():
        with pytest.raises(RTSMError) as caught:
            assess(True, **how)
        assert caught.value.code == code
    assert desk.state() == before
    assert assess(True, "RAND", screened) == {"subject_id": screened, "status": "eligible"}
    sound(desk)


def test_a_subject_is_treated_again_as_often_as_the_protocol_says(empty_desk: Desk) -> None:
    event = later("FLARE", max_occurrences=3, admission={"min_days_after": 7})
    desk = running(empty_desk, with_events(live("complete"), event))
    who = desk.randomized()
    for _ in range(3):
        desk.move(days=6)
        with pytest.raises(DomainRefusal, match="6 days after"):
            again(desk, who, "FLARE")
        desk.move(days=1)
        again(desk, who, "FLARE")
    desk.move(days=30)
    with pytest.raises(DomainRefusal) as caught:
        again(desk, who, "FLARE")
    assert caught.value.code == "already-randomized"
    found = explained(desk, who)
    assert [(one.event, one.occurrence) for one in found] == [
        ("RAND", 1),
        ("FLARE", 1),
        ("FLARE", 2),
        ("FLARE", 3),
    ]
    assert all(one.from_arm == earlier.arm for earlier, one in pairwise(found))
    assert len({one.randomization_number for one in found}) == 4
    sound(desk)


def crossover() -> dict[str, Any]:
    """Two sequences: A has treatment X, then Y; B has Y, then X."""
    document = with_arms(with_events(live("biased_coin", parameters={"p": 0.7})), A, B)
    document["epochs"].append({"code": "SECOND", "name": "Second period", "term": "TREATMENT"})
    for visit in document["visits"]:
        if visit["code"] in ("V3", "V4"):
            visit["epoch"] = "SECOND"
    order = {A: ("X", "Y"), B: ("Y", "X")}
    for arm in document["arms"]:
        first, second = order[arm["code"]]
        arm["treatments"] = [{"epoch": "TRT", "treatment": first}, {"epoch": "SECOND", "treatment": second}]
    document["dispensing"] = [
        {"visits": ["V2", "V3"], "treatment": one, "kits": [{"kit_type": kind, "quantity": 1}]}
        for one, kind in (("X", "ZZKITA"), ("Y", "ZZKITB"))
    ]
    return document


def test_a_sequence_of_a_crossover_is_given_each_periods_treatment(empty_desk: Desk) -> None:
    desk = running(empty_desk, crossover())
    desk.stock(["ZZKITA", "ZZKITB"], 60)
    people = [desk.randomized() for _ in range(4)]
    first = {who: dispensed(desk, who, "V2") for who in people}
    desk.move(days=14)
    desk.resupply()
    second = {who: dispensed(desk, who, "V3") for who in people}
    in_order = {A: (["ZZKITA"], ["ZZKITB"]), B: (["ZZKITB"], ["ZZKITA"])}
    assert {explained(desk, who)[0].arm for who in people} == {A, B}
    for who in people:
        assert (first[who], second[who]) == in_order[explained(desk, who)[0].arm]
    sound(desk)


def test_an_extension_takes_whoever_has_come_to_its_visit_into_one_open_arm(empty_desk: Desk) -> None:
    extension = later(
        "EXT",
        visit="V4",
        transitions=[to(A, C), to(B, C)],
        admission={"visits_done": ["V2"], "from_arms": [A, B]},
    )
    desk = running(
        empty_desk,
        with_events(live("biased_coin", parameters={"p": 0.7}, arms=[A, B]), extension),
        kit_count=60,
    )
    desk.resupply()
    people = [desk.randomized() for _ in range(4)]
    for who in people[:3]:
        record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_code="V2"))
        assert randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))["event"] == "EXT"
    with pytest.raises(DomainRefusal, match="V2 have not taken place"):
        again(desk, people[3], "EXT")
    assert Counter(now(desk, who).arm == C for who in people) == {True: 3, False: 1}
    sound(desk)


def test_each_cohort_draws_among_its_own_arms_and_balances_by_itself(empty_desk: Desk) -> None:
    cohorts = [
        {"code": "LOW", "name": "Low", "arms": [A, B]},
        {"code": "HIGH", "name": "High", "arms": [B, C]},
    ]
    desk = running(empty_desk, with_events(live("block_urn", parameters={"lambda": 1}), cohorts=cohorts))
    arms = {
        cohort: [explained(desk, desk.randomized(cohort=cohort))[0].arm for _ in range(6)]
        for cohort in ("LOW", "HIGH")
    }
    assert Counter(arms["LOW"]) == {A: 3, B: 3}
    assert Counter(arms["HIGH"]) == {B: 3, C: 3}
    sound(desk)


def test_a_closed_arm_takes_nobody_more_and_those_who_are_in_it_may_stay(empty_desk: Desk) -> None:
    events = (live("complete"), later(transitions=[to(A, A, B), to(B, A), to(C, C, A)]))
    desk = running(empty_desk, with_events(*events))
    people = of_each_arm(desk, 2)
    closed = with_events(*events)
    closed["study"] = {**closed["study"], "version": 2}
    closed["arms"] = [{**arm, "open": arm["code"] != A} for arm in closed["arms"]]
    problem = "leaves no open arm"
    with pytest.raises(ValueError, match=problem):
        Protocol.model_validate(closed)
    closed["randomization"] = [live("complete"), later(transitions=[to(A, A, B), to(B, B), to(C, C, A)])]
    amend(desk, closed)
    assert A not in {explained(desk, desk.randomized())[0].arm for _ in range(8)}
    for who in people[C]:
        again(desk, who, "AGAIN")
        assert now(desk, who).arm == C
        assert explained(desk, who)[1].method == "keep"
    for who in people[A]:
        again(desk, who, "AGAIN")
        assert now(desk, who).arm in (A, B)
    sound(desk)


def test_an_event_that_must_come_after_itself_is_refused_in_the_protocol() -> None:
    with pytest.raises(ValueError, match=r"admission\.after"):
        Protocol.model_validate(with_events(live("complete"), later(max_occurrences=2, after="AGAIN")))

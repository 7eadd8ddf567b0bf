"""After kits were chosen: handing out is confirmed or not, kits are replaced, dosing is held, kits are given again."""

from datetime import date, timedelta
from typing import Any

import pytest

from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dose_hold import HoldDosingRequest, ResumeDosingRequest, hold_dosing, resume_dosing
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from allocation.commands.participation import EndRequest, discontinue
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.ledger.reader import iter_sealed
from allocation.ledger.sealing import seal_pending
from allocation.views.blinded.subjects import projected_visits, subject_detail
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.dosing_trial import (
    BECAUSE,
    Lot,
    assert_sound,
    dispensing,
    document,
    give,
    kit_states,
    kit_type_of,
    refused,
    set_up,
)

AT_SITE = ("site_available", "site", "S01", None, None)


def confirm(desk: Desk, who: str, handed: list[str], others: list[str] | None = None, **more: Any) -> Any:
    request = ConfirmDispensingRequest.model_validate(
        {
            "subject_id": who,
            "handed_out": handed,
            "not_dispensed": [{"kit_number": one, "reason": "torn"} for one in others or ()],
            **more,
        }
    )
    return confirm_dispensing(desk.service, ACT, STUDY, request)


def replace(desk: Desk, who: str, number: str, found: str = "lost", act: Any = BECAUSE) -> Any:
    request = ReplaceKitRequest.model_validate({"subject_id": who, "kit_number": number, "found": found})
    return replace_kit(desk.service, act, STUDY, request)


def hold(desk: Desk, who: str, **more: Any) -> Any:
    return hold_dosing(desk.service, BECAUSE, STUDY, HoldDosingRequest(subject_id=who, **more))


def resume(desk: Desk, who: str) -> Any:
    return resume_dosing(desk.service, BECAUSE, STUDY, ResumeDosingRequest(subject_id=who))


@pytest.mark.parametrize("back_to", ["stock", "quarantine"])
def test_assigned_kits_are_handed_out_when_that_is_confirmed(empty_desk: Desk, back_to: str) -> None:
    data = document({"confirmation": True, "not_dispensed_to": back_to}, dispensing=dispensing(2))
    desk = set_up(empty_desk, data)
    who, other = desk.randomized(), desk.randomized()
    answer = give(desk, who, "V2")
    first, second = answer["kit_numbers"]
    assert answer["awaits_confirmation"]
    assert kit_states(desk, first) == [("assigned", "site", "S01", who, None)]
    seen = subject_detail(desk.database, ACT.actor, STUDY, who)
    assert (seen.visits[-1].confirmation, seen.subject.last_dispensed_on) == ("awaited", None)
    with refused(desk, "confirmation-awaited"):
        give(desk, who, "V3", override_reason="early")
    with refused(desk, "kit-left-out", "handed_out"):
        confirm(desk, who, [first])
    with refused(desk, "not-found", "not_dispensed"):
        confirm(desk, who, [first, second], ["K999"])
    with refused(desk, "nothing-to-confirm"):
        confirm(desk, other, [first, second])
    with refused(desk, "before-the-visit", "handed_on"):
        confirm(desk, who, [first, second], handed_on=desk.now.date() - timedelta(days=1))
    desk.move(days=1)
    today = desk.now.date()
    assert confirm(desk, who, [first], [second])["confirmation"] == "confirmed"
    returned = AT_SITE if back_to == "stock" else ("quarantined", *AT_SITE[1:])
    assert kit_states(desk, first, second) == [("dispensed", "subject", who, who, today), returned]
    seen = subject_detail(desk.database, ACT.actor, STUDY, who)
    assert [one.kit_number for one in seen.kits] == [first]
    assert (seen.visits[-1].confirmation, seen.subject.last_dispensed_on) == ("confirmed", today)
    with refused(desk, "nothing-to-confirm"):
        confirm(desk, who, [first])
    assert_sound(desk)


def test_nothing_is_handed_out_past_its_last_day_or_on_hold(empty_desk: Desk) -> None:
    lots = (Lot("ZZKITA", 2, date(2026, 3, 20)), Lot("ZZKITB"), Lot("ZZKITC"))
    data = document({"confirmation": True})
    for kit_type in data["kit_types"]:
        kit_type["expiry"] = {"dns_days": 0, "dnc_days": 0, "dnd_days": 0}
    desk = set_up(empty_desk, data, lots)
    who = desk.randomized()
    (number,) = give(desk, who, "V2")["kit_numbers"]
    desk.move(days=17)
    confirmable = desk.now.date()
    hold(desk, who)
    with refused(desk, "dose-on-hold", "handed_out"):
        confirm(desk, who, [number])
    resume(desk, who)
    desk.move(days=1)
    with refused(desk, "kit-past-last-dispense-date", "handed_out"):
        confirm(desk, who, [number])
    discontinue(desk.service, ACT, STUDY, EndRequest(subject_id=who, end_reason="ADVERSE EVENT"))
    # What was handed out in time is recorded, whatever became of the subject since.
    assert confirm(desk, who, [number], handed_on=confirmable)["handed_on"] == confirmable.isoformat()
    assert_sound(desk)


def test_kits_that_were_not_handed_out_are_free_for_the_next_subject(empty_desk: Desk) -> None:
    lots = (Lot("ZZKITA", 1), Lot("ZZKITB"), Lot("ZZKITC"))
    desk = set_up(empty_desk, document({"confirmation": True}), lots)
    people = [desk.randomized() for _ in "ABCCA"]
    (number,) = give(desk, people[0], "V2")["kit_numbers"]
    with refused(desk, "no-usable-kit"):
        give(desk, people[4], "V2")
    assert confirm(desk, people[0], [], [number])["confirmation"] == "not_dispensed"
    assert give(desk, people[4], "V2")["kit_numbers"] == [number]
    confirm(desk, people[4], [number])
    assert [one.kit_number for one in subject_detail(desk.database, ACT.actor, STUDY, people[0]).kits] == []
    assert_sound(desk)


@pytest.mark.parametrize(
    ("found", "status"), [("lost", ("lost", "lost", "")), ("damaged", ("damaged", "site", "S01"))]
)
def test_a_kit_is_replaced_by_one_of_its_type_for_the_same_visit(
    empty_desk: Desk, found: str, status: tuple[str, str, str]
) -> None:
    desk = set_up(empty_desk, document())
    people = [desk.randomized() for _ in "ABC"]
    old = [give(desk, who, "V2")["kit_numbers"][0] for who in people]
    desk.move(days=5)
    with refused(desk, "reason-missing", "reason"):
        replace(desk, people[1], old[1], found, ACT)
    for stranger in (old[0], "K999"):
        with refused(desk, "not-found", "kit_number"):
            replace(desk, people[1], stranger, found)
    answer = replace(desk, people[1], old[1], found)
    new = answer["kit_number"]
    assert kit_type_of(desk, new) == kit_type_of(desk, old[1]) == ["ZZKITB"]
    assert kit_states(desk, old[1])[0][:3] == status
    assert kit_states(desk, new) == [("dispensed", "subject", people[1], people[1], desk.now.date())]
    kits = subject_detail(desk.database, ACT.actor, STUDY, people[1]).kits
    assert {(one.kit_number, one.visit_number) for one in kits} == {(old[1], "2"), (new, "2")}
    with refused(desk, "not-found", "kit_number"):
        replace(desk, people[1], old[1], found)  # it was replaced
    hold(desk, people[0])
    with refused(desk, "dose-on-hold"):
        replace(desk, people[0], old[0], found)
    assert_sound(desk)


@pytest.mark.parametrize(
    ("found", "status"), [("lost", ("lost", "lost", "")), ("damaged", ("quarantined", "site", "S01"))]
)
def test_a_kit_that_is_only_assigned_is_replaced_by_another_assigned_one(
    empty_desk: Desk, found: str, status: tuple[str, str, str]
) -> None:
    desk = set_up(empty_desk, document({"confirmation": True}))
    who = desk.randomized()
    (old,) = give(desk, who, "V2")["kit_numbers"]
    new = replace(desk, who, old, found)["kit_number"]
    assert kit_states(desk, old)[0][:3] == status
    assert kit_states(desk, new) == [("assigned", "site", "S01", who, None)]
    confirm(desk, who, [new])
    assert_sound(desk)


def test_a_study_may_have_no_replacement(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document({"replacement": False}))
    who = desk.randomized()
    (old,) = give(desk, who, "V2")["kit_numbers"]
    with refused(desk, "no-replacement"):
        replace(desk, who, old)


def ignored(desk: Desk) -> set[tuple[str, str]]:
    """Whom the last order's decision left out, and why."""
    seal_pending(desk.database)
    orders = [one.after for one in iter_sealed(desk.database, STUDY) if one.command == "order_shipment"]
    return {(who, why) for who, why in orders[-1]["record"]["ignored_subjects"]}


def test_while_dosing_is_on_hold_visits_go_on_without_kits_and_supply_does_not_plan(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document(), seed=2)
    who, other = desk.randomized(), desk.randomized()
    give(desk, who, "V2")
    give(desk, other, "V2")
    with refused(desk, "reason-missing", "reason"):
        hold_dosing(desk.service, ACT, STUDY, HoldDosingRequest(subject_id=who))
    with refused(desk, "before-randomization", "held_on"):
        hold(desk, who, held_on=date(2026, 1, 1))
    with refused(desk, "dose-not-on-hold"):
        resume(desk, who)
    assert hold(desk, who)["dose_held_on"] == desk.now.date().isoformat()
    with refused(desk, "dose-on-hold"):
        hold(desk, who)
    desk.move(days=14)
    with refused(desk, "dose-on-hold", "subject_id"):
        give(desk, who, "V3")
    assert run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    assert ignored(desk) == {(who, "on_dose_hold")}
    record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_code="V3"))
    shown = projected_visits(desk.database, ACT.actor, STUDY, who, now=desk.now)
    assert shown.dose_held_on is not None
    assert [one.visit_code for one in shown.visits] == ["V4"]
    assert resume(desk, who)["dose_held_on"] is None
    with refused(desk, "visit-on-record"):
        give(desk, who, "V3")
    assert_sound(desk)


def test_an_unscheduled_visit_repeats_the_last_dispensing_and_never_a_missed_one(empty_desk: Desk) -> None:
    data = document({"unscheduled": True}, dispensing=dispensing(1, ("V2",)) + dispensing(2, ("V3",)))
    desk = set_up(empty_desk, data)
    who = desk.randomized()
    again = {"visit_number": "2.1", "epoch": "TRT", "name": "LOST KITS", "override_reason": "kits lost"}
    with refused(desk, "nothing-dispensed-before", "visit_number"):
        give(desk, who, None, **again)
    give(desk, who, "V2")
    with refused(desk, "no-titration-here", "titration"):
        give(desk, who, None, **again, titration="up")
    with refused(desk, "planned-number", "visit_number"):
        give(desk, who, None, **{**again, "visit_number": "3"})
    desk.move(days=14)
    miss_visit(desk.service, ACT, STUDY, MissVisitRequest(subject_id=who, visit_code="V3"))
    answer = give(desk, who, None, **again)
    assert len(answer["kit_numbers"]) == 1  # as at V2: the two of V3 were missed with it
    assert (answer["visit_code"], answer["visit_number"]) == (None, "2.1")
    seen = {one.visit_number: one for one in subject_detail(desk.database, ACT.actor, STUDY, who).visits}
    assert (seen["2.1"].name, seen["2.1"].dispensed) == ("LOST KITS", True)
    assert (seen["3"].status, seen["3"].dispensed) == ("missed", False)
    assert_sound(desk)


def test_a_study_may_have_no_unscheduled_dispensing(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document())
    who = desk.randomized()
    give(desk, who, "V2")
    with refused(desk, "no-unscheduled-dispensing", "visit_number"):
        give(desk, who, None, visit_number="2.1")

"""Recalling a lot: everything of it is out of use at once, whoever had some is named, and each site sees its own part."""

import json
from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import quarantine_kits, release_kits
from allocation.commands.kits import KitRow, LoadKitsRequest, load_kits
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, dispatch_shipment
from allocation.errors import DomainRefusal, FileRefused, NotFound, NotPermitted
from allocation.ledger.replay import rebuild_projections
from allocation.study.protocol import Protocol
from allocation.views.blinded.recalls import recalled_kits
from tests.api.trial import KIT_TYPE_OF_ARM, STUDY, protocol
from tests.commands.desk import ACT, Desk
from tests.commands.test_kit_acts import do, intact, kits, last_entry

LOT_OF = {arm: f"ZZLOT{index}" for index, arm in enumerate(KIT_TYPE_OF_ARM, start=1)}


def recall(desk: Desk, lot_id: str = "ZZLOT1", **more: Any) -> dict[str, Any]:
    return recall_lot(desk.service, Act(SYSTEM_ACTOR, **more), STUDY, RecallLotRequest(lot_id=lot_id))


def test_a_recall_quarantines_every_kit_in_one_entry_and_names_who_had_some(desk: Desk) -> None:
    who = desk.randomized()
    lot_id = LOT_OF[str(desk.arm(who))]
    (given,) = dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))[
        "kit_numbers"
    ]
    shipment = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"][0]["shipment_id"]
    dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=shipment))
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    before = len(desk.state()["ledger_entry"])
    answer = recall(desk, lot_id)
    assert len(desk.state()["ledger_entry"]) == before + 1
    ours = kits(desk, lot_id=lot_id)
    assert {(one["kit_number"], one["status"], one["place"]) for one in answer["kits"]} == {
        (one.kit_number, one.status, one.place) for one in ours
    }
    assert {one.status for one in ours} == {"quarantined", "dispensed"}
    assert {"depot", "transit", "site"} <= {one.place_kind for one in ours if one.status == "quarantined"}
    assert answer["quarantined"] == len(ours) - 1
    assert answer["subjects"] == [
        {
            "subject_id": who,
            "site_id": "S01",
            "kit_number": given,
            "visit_number": "2",
            "visit_code": "V2",
            "dispensed_on": desk.now.date().isoformat(),
            "return_asked": True,
        }
    ]
    assert kits(desk, kit_number=given)[0].return_asked_on == desk.now.date()
    assert kits(desk, status="quarantined") == [one for one in ours if one.kit_number != given]
    intact(desk)
    state = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == state


def test_recalling_twice_changes_nothing_and_a_retry_gets_the_first_answer(desk: Desk) -> None:
    first = recall(desk, idempotency_key="r1")
    before = desk.state()
    assert recall(desk, idempotency_key="r1") == first
    again = recall(desk, idempotency_key="r2")
    assert desk.state() == before
    assert again == {**first, "recalled_before": True, "quarantined": 0, "told": []}


def test_no_kit_of_a_recalled_lot_comes_back_into_use(desk: Desk) -> None:
    answer = recall(desk)
    number = answer["kits"][0]["kit_number"]
    for scope, code in (({"lot_id": "ZZLOT1"}, "lot-recalled"), ({"kit_numbers": (number,)}, "kit-recalled")):
        with pytest.raises(DomainRefusal) as caught:
            do(desk, release_kits, **scope)
        assert caught.value.code == code
    assert do(desk, release_kits, site_id="S01")["kits"] == []
    late = KitRow(kit_number="N1", kit_type="ZZKITA", lot_id="ZZLOT1", line=2)
    with pytest.raises(FileRefused) as refused:
        load_kits(desk.service, ACT, STUDY, LoadKitsRequest(depot_id="D1", kits=(late,)))
    assert refused.value.problems == ("line 2: lot ZZLOT1 was recalled",)
    numbers = {one["kit_number"] for one in answer["kits"]}
    for _ in range(2):
        run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    assert {one.status for one in kits(desk) if one.kit_number in numbers} == {"quarantined"}


def test_a_kit_that_was_only_assigned_is_taken_back_and_the_visit_can_still_be_settled(
    empty_desk: Desk,
) -> None:
    document = protocol()
    document["dosing"] = {"confirmation": True}
    desk = empty_desk.set_up(document=Protocol.model_validate(document))
    who = desk.randomized()
    (number,) = dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))[
        "kit_numbers"
    ]
    assert recall(desk, LOT_OF[str(desk.arm(who))])["subjects"] == []
    found = kits(desk, kit_number=number)[0]
    assert (found.status, found.subject_id, found.visit_number) == ("quarantined", None, None)
    with pytest.raises(NotFound):
        confirm_dispensing(
            desk.service, ACT, STUDY, ConfirmDispensingRequest(subject_id=who, handed_out=(number,))
        )
    settled = confirm_dispensing(desk.service, ACT, STUDY, ConfirmDispensingRequest(subject_id=who))
    assert settled["confirmation"] == "not_dispensed"
    intact(desk)


def test_who_may_recall_and_what_an_unknown_lot_is_answered(desk: Desk) -> None:
    before = desk.state()
    for role in ("supply_manager_blinded", "site_pharmacist_unblinded", "depot_operator"):
        act = Act(Actor("eve", "Eve", (Grant(role, STUDY),)))
        for lot_id in ("ZZLOT1", "NOLOT"):
            with pytest.raises(NotPermitted):
                recall_lot(desk.service, act, STUDY, RecallLotRequest(lot_id=lot_id))
    with pytest.raises(NotFound):
        recall(desk, "NOLOT")
    assert desk.state() == before


def test_a_site_sees_its_own_recalled_kits_and_no_word_of_what_they_are(desk: Desk) -> None:
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    lot_id = LOT_OF[str(desk.arm(who))]
    other = next(one for one in LOT_OF.values() if one != lot_id)
    kept = next(one.kit_number for one in kits(desk, lot_id=other, place="S01"))
    do(desk, quarantine_kits, kit_numbers=(kept,))
    recall(desk, lot_id)
    seen = {}
    for site_id in ("S01", "S02"):
        reader = Actor("ada", "Ada", (Grant("site_coordinator", STUDY, "site", site_id),))
        view = recalled_kits(desk.database, reader, STUDY)
        assert "ZZ" not in json.dumps(view.model_dump(mode="json"))
        seen[site_id] = {one.kit_number: (one.site_id, one.subject_id) for one in view.kits}
    for site_id, found in seen.items():
        at_place = {one.kit_number for one in kits(desk, lot_id=lot_id, place=site_id)}
        with_subject = {one.kit_number for one in kits(desk, lot_id=lot_id, place=who)}
        assert set(found) == at_place | (with_subject if site_id == "S01" else set())
    assert who in {subject for _, subject in seen["S01"].values()}
    for role in ("sponsor_blinded", "supply_manager_blinded", "depot_operator", "monitor"):
        with pytest.raises(NotPermitted):
            recalled_kits(desk.database, Actor("eve", "Eve", (Grant(role, STUDY),)), STUDY)


def test_the_entry_of_a_recall_keeps_what_stood_before(desk: Desk) -> None:
    recall(desk, reason="out of specification")
    entry = last_entry(desk)
    assert (entry.command, entry.reason, entry.before) == (
        "recall_lot",
        "out of specification",
        {"lot_status": "released"},
    )
    assert len(entry.kit_numbers) == 20

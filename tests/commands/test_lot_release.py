"""Where a lot may be used is decided while the study runs; commands and database both keep the rest from subjects and sites."""

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import quarantine_kits, release_kits
from allocation.commands.kits import KitRow, LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lot_release import (
    ChangeLotReleaseRequest,
    JudgeLotRequest,
    change_lot_release,
    judge_lot,
)
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, dispatch_shipment
from allocation.commands.signed_requests import asked_content
from allocation.errors import DomainRefusal, FileRefused, NotPermitted, SignatureRefused
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import kit
from allocation.rules.lot_status import LOT_REJECTED, LOT_RELEASED, LOT_RESTRICTED, RELEASE_CHANGED
from allocation.study.protocol import Protocol
from allocation.views.blinded.stock import site_stock
from allocation.views.unblinded.lots import list_lots
from tests.api.trial import STUDY, protocol
from tests.commands.desk import ACT, Desk
from tests.commands.test_kit_acts import do, intact
from tests.commands.test_kit_acts import kits as stock

WHY = "certificate of the qualified person"
MEANING = {"release": LOT_RELEASED, "restrict": LOT_RESTRICTED, "reject": LOT_REJECTED}
LOT_OF = {"ZZARMA": "ZZLOT1", "ZZARMB": "ZZLOT2", "ZZARMC": "ZZLOT3"}


def signed(desk: Desk, command: Any, request: Any, meaning: str) -> dict[str, Any]:
    signature = desk.signed(meaning, asked_content(STUDY, command.__name__, request, WHY)).signature
    answer: dict[str, Any] = command(
        desk.service, Act(SYSTEM_ACTOR, reason=WHY, signature=signature), STUDY, request
    )
    return answer


def judged(desk: Desk, decision: Any, lot: str = "ZZLOT1") -> dict[str, Any]:
    return signed(desk, judge_lot, JudgeLotRequest(lot_id=lot, decision=decision), MEANING[decision])


def released(desk: Desk, lot: str = "ZZLOT1", **where: Any) -> dict[str, Any]:
    return signed(desk, change_lot_release, ChangeLotReleaseRequest(lot_id=lot, **where), RELEASE_CHANGED)


def ordered(desk: Desk) -> dict[str, set[str]]:
    """By site, the lots of what the depot sends in a seeding run."""
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    return {
        one["site_id"]: {kit.lot_id for kit in stock(desk, shipment_id=one["shipment_id"])} for one in orders
    }


def test_a_lot_is_shipped_only_to_the_countries_that_it_is_released_for(empty_desk: Desk) -> None:
    desk = empty_desk.set_up_without_list()
    assert released(desk, withdraw=("FRA",))["released_for"] == ["DEU"]
    sent = ordered(desk)
    assert (sent["S01"], sent["S02"]) == ({"ZZLOT1", "ZZLOT2", "ZZLOT3"}, {"ZZLOT2", "ZZLOT3"})
    assert released(desk, release=("*",))["released_for"] == ["*"]
    assert "ZZLOT1" in ordered(desk).get("S02", {"ZZLOT1"})
    intact(desk)


def test_a_pending_lot_waits_a_restricted_one_is_used_where_it_is_and_a_released_one_ships(
    empty_desk: Desk,
) -> None:
    desk = empty_desk.set_up()
    judged(desk, "restrict", "ZZLOT2")
    for one in LOT_OF.values():
        assert stock(desk, lot_id=one, place="S01", status="site_available")
    desk.move(days=1)
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    assert not stock(desk, lot_id="ZZLOT2", status="requested")
    who = desk.randomized()
    while desk.arm(who) != "ZZARMB":
        who = desk.randomized()
    given = dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    assert {one.lot_id for one in stock(desk, kit_number=given["kit_numbers"][0])} == {"ZZLOT2"}
    assert judged(desk, "release", "ZZLOT2")["status"] == "released"
    more = {"lot_id": "P1", "kit_type": "ZZKITA", "expiry_date": "2027-01-01", "status": "pending"}
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": [more]}))
    row = KitRow(kit_number="P100", kit_type="ZZKITA", lot_id="P1", pick_sequence=1000)
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest(depot_id="D1", kits=(row,)))
    do(desk, quarantine_kits, kit_numbers=("P100",))
    do(desk, release_kits, kit_numbers=("P100",))
    shown = {one.lot_id: one.status for one in list_lots(desk.database, SYSTEM_ACTOR, STUDY).lots}
    assert shown["P1"] == "pending"  # a kit out of quarantine does not release its lot
    order = next(one.shipment_id for one in stock(desk, place="S01") if one.shipment_id)
    values = {"status": "requested", "shipment_id": order}
    with pytest.raises(IntegrityError, match="not released"), desk.database.write() as connection:
        connection.execute(update(kit).where(kit.c.kit_number == "P100").values(**values))
    intact(desk)


def test_a_withdrawn_lot_is_neither_dispensed_nor_handed_out_and_the_database_refuses_it_too(
    empty_desk: Desk,
) -> None:
    document = protocol()
    document["dosing"] = {"confirmation": True}
    desk = empty_desk.set_up(document=Protocol.model_validate(document))
    who, other = desk.randomized(), desk.randomized()
    (number,) = dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))[
        "kit_numbers"
    ]
    for lot in LOT_OF.values():
        answer = released(desk, lot, withdraw=("DEU",))
        assert set(answer["held"]) <= {"S01"}
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=other, visit_code="V2"))
    assert caught.value.code == "no-usable-kit"
    confirm = ConfirmDispensingRequest(subject_id=who, handed_out=(number,))
    with pytest.raises(DomainRefusal) as caught:
        confirm_dispensing(desk.service, ACT, STUDY, confirm)
    assert (caught.value.code, "ZZ" in str(caught.value)) == ("kit-not-released", False)
    assert desk.state() == before
    here = stock(desk, place="S01", status="site_available")[0].kit_number
    for values in (
        {"status": "assigned"},
        {"status": "dispensed", "place_kind": "subject", "place": other},
    ):
        with pytest.raises(IntegrityError, match="not released"), desk.database.write() as connection:
            connection.execute(update(kit).where(kit.c.kit_number == here).values(**values))
    for lot in LOT_OF.values():
        released(desk, lot, release=("DEU",))
    assert confirm_dispensing(desk.service, ACT, STUDY, confirm)["handed_out"] == [number]
    intact(desk)
    rebuild_projections(desk.database, STUDY)  # the triggers let every entry be folded again
    intact(desk)


def test_a_rejected_lot_is_quarantined_everywhere_and_never_released(desk: Desk) -> None:
    taken = judged(desk, "reject")["quarantined"]
    assert len(taken) == 20
    assert {one.status for one in stock(desk, lot_id="ZZLOT1")} == {"quarantined"}
    for scope, code in (
        ({"lot_id": "ZZLOT1"}, "lot-rejected"),
        ({"kit_numbers": (taken[0],)}, "kit-rejected"),
    ):
        with pytest.raises(DomainRefusal) as caught:
            do(desk, release_kits, **scope)
        assert caught.value.code == code
    late = KitRow(kit_number="N1", kit_type="ZZKITA", lot_id="ZZLOT1", line=2)
    with pytest.raises(FileRefused, match="was rejected"):
        load_kits(desk.service, ACT, STUDY, LoadKitsRequest(depot_id="D1", kits=(late,)))
    with pytest.raises(DomainRefusal) as caught:
        judged(desk, "release")
    assert caught.value.code == "lot-status"
    intact(desk)


def test_a_label_group_stands_for_its_countries(empty_desk: Desk) -> None:
    document = protocol()
    for country in document["countries"]:
        country["label_group"] = "EU"
    desk = empty_desk.set_up_without_list(Protocol.model_validate(document))
    row = {"lot_id": "E1", "kit_type": "ZZKITA", "expiry_date": "2027-01-01", "released_for": ["EU"]}
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": [row]}))
    shown = {one.lot_id: one.released_for for one in list_lots(desk.database, SYSTEM_ACTOR, STUDY).lots}
    assert shown["E1"] == ("DEU", "FRA")
    assert released(desk, "E1", withdraw=("EU",))["released_for"] == []
    assert released(desk, "E1", release=("FRA",))["released_for"] == ["FRA"]


def test_what_is_refused_changes_nothing(desk: Desk) -> None:
    before = desk.state()
    asked = JudgeLotRequest(lot_id="ZZLOT1", decision="reject")
    with pytest.raises(SignatureRefused):
        judge_lot(desk.service, Act(SYSTEM_ACTOR, reason=WHY), STUDY, asked)
    with pytest.raises(SignatureRefused):
        signed(desk, judge_lot, asked, LOT_RELEASED)
    for role in ("supply_manager_blinded", "depot_operator", "site_pharmacist_unblinded"):
        with pytest.raises(NotPermitted):
            judge_lot(desk.service, Act(Actor("eve", "Eve", (Grant(role, STUDY),)), reason=WHY), STUDY, asked)
    for where, code in (
        ({"release": ("*",)}, "release-unchanged"),
        ({"release": ("USA",)}, "unknown-country"),
        ({"release": ("DEU",), "withdraw": ("DEU",)}, "release-and-withdraw"),
    ):
        with pytest.raises(DomainRefusal) as caught:
            released(desk, **where)
        assert caught.value.code == code
    assert desk.state() == before


def test_blinded_people_read_the_blinded_lot_and_never_the_manufacturing_lot(empty_desk: Desk) -> None:
    desk = empty_desk.set_up()
    row = {"lot_id": "ZZLOT9", "kit_type": "ZZKITA", "expiry_date": "2026-05-30", "blinded_lot": "B26"}
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": [row]}))
    kits = tuple(
        KitRow(kit_number=f"N{n}", kit_type="ZZKITA", lot_id="ZZLOT9", pick_sequence=500 + n)
        for n in range(4)
    )
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest(depot_id="D1", kits=kits))
    for _ in range(3):
        desk.randomized()
    desk.resupply()
    reader = Actor("ada", "Ada", (Grant("site_coordinator", STUDY, "site", "S01"),))
    seen = site_stock(desk.database, reader, STUDY, "S01", now=desk.now)
    assert {one.blinded_lot for one in seen.kits} == {"B2026", "B26"}
    assert "ZZ" not in seen.model_dump_json()


def test_what_was_ordered_before_its_lot_was_withdrawn_stays_at_the_depot(empty_desk: Desk) -> None:
    desk = empty_desk.set_up_without_list()
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    released(desk, withdraw=("FRA",))
    judged(desk, "restrict", "ZZLOT2")
    for one in orders:
        dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=one["shipment_id"]))
    assert {one.lot_id for one in stock(desk, place="S01-S001")} == {"ZZLOT1", "ZZLOT3"}
    assert {one.lot_id for one in stock(desk, place="S02-S001")} == {"ZZLOT3"}
    intact(desk)

"""What a depot can give is counted by the dates that bind where its kits would go, not by those that they happen to carry."""

from datetime import date

from allocation.commands.depot_explanation import explain_depot
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.order_approval import ShipmentRequest, cancel_shipment
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.shipments import DispatchRequest, dispatch_shipment
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_dates_that_moved import BECAUSE
from tests.commands.test_depot_to_depot import chain, run, with_stock
from tests.commands.test_kit_acts import intact, kits
from tests.commands.test_lot_expiry import change
from tests.commands.test_lot_release import judged
from tests.commands.test_order_limits import ordered, two_sites, with_supply
from tests.commands.test_resupply_golden import rule_c_protocol

GONE = date(2026, 3, 2)
"""The first day on which it is expired, and the day of the test."""


def test_a_site_that_may_not_use_a_scarce_lot_takes_no_share_from_one_that_may(empty_desk: Desk) -> None:
    """8 kits, of which each of two sites wants 6; in France they are over, so the German site gets its 6 and not half of the 8."""
    desk = empty_desk
    document = with_supply(rule_c_protocol(14, 42, "today", 6), depot_shortage="fair_share")
    two_sites(desk, document, {"L1": 8})
    countries = {one.code: one.country for one in document.sites}
    assert countries["S01"] != countries["S02"]
    change(desk, GONE, countries["S02"], lot="L1")
    assert ordered(desk) == {"S01": 6}
    found = explain_resupply(desk.database, ACT.actor, STUDY, "S01")
    assert found.derives_to_the_same
    (share,) = found.record["fair_share"]
    assert share["usable"] == {countries["S01"]: 8, countries["S02"]: 0}
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["order_shipment"] == 1


def test_a_depot_counts_kits_that_came_back_from_an_order_by_the_dates_of_where_they_may_go(
    empty_desk: Desk,
) -> None:
    """D1's 12 kits last longest in one country; an order for the other is cancelled, and all 12 count again."""
    desk = empty_desk
    document = chain(min_buffer=1, max_buffer=2)
    with_stock(desk, document, central=60, local=12)
    countries = {one.code: one.country for one in document.sites}
    change(desk, date(2027, 1, 31), countries["S02"], lot="L1")
    run(desk)
    for shipment_id in ("S01-S001", "S02-S001"):
        cancel_shipment(desk.service, BECAUSE, STUDY, ShipmentRequest(shipment_id=shipment_id))
    desk.now = desk.now.replace(year=2027)
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest(sites=("S02",)))
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    found = explain_depot(desk.database, ACT.actor, STUDY, "D1")
    assert found.derives_to_the_same
    (decision,) = found.record["decisions"]
    assert decision["on_hand"] == 6, "six went to the site that may still use them"
    counted = {(line.kits, line.counted) for line in found.stock if line.why == "counted"}
    assert counted == {(6, True)}
    dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id="S01-S002"))


def test_a_depot_is_refilled_by_the_dates_where_its_kits_go_and_not_by_those_that_they_carry(
    empty_desk: Desk,
) -> None:
    """L1 lasts until 2031 in France, which CENTRAL supplies itself, so its kits carry that; where D1's go it was over in January 2030."""
    desk = empty_desk
    document = chain().model_dump(mode="json")
    for country in document["countries"]:
        country["depot"] = "CENTRAL" if country["code"] == "FRA" else "D1"
    document["lanes"] = [
        {**lane, "depot": "CENTRAL"} if lane.get("country") == "FRA" else lane for lane in document["lanes"]
    ]
    code = with_stock(desk, Protocol.model_validate(document), central=20, local=0)
    change(desk, date(2031, 1, 31), "FRA", lot="L1")
    lots = [{"lot_id": "L2", "kit_type": code, "expiry_date": "2032-01-31"}]
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": lots}))
    rows = [{"kit_number": f"L2{n:03d}", "kit_type": code, "lot_id": "L2"} for n in range(20)]
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate({"depot_id": "CENTRAL", "kits": rows}))
    desk.now = desk.now.replace(year=2030)
    assert {one.expiry_date.year for one in kits(desk, lot_id="L1", place="CENTRAL")} == {2031}
    (order,) = run(desk)["depot_orders"]
    assert order == {"depot_id": "D1", "shipment_id": "D1-D001", "kits": 10}
    assert {one.lot_id for one in kits(desk, shipment_id="D1-D001")} == {"L2"}
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["order_shipment"] >= 1


def test_what_was_ordered_for_a_depot_before_its_lot_was_restricted_stays_where_it_is(
    empty_desk: Desk,
) -> None:
    desk = empty_desk
    code = with_stock(desk, chain(), central=60, local=0)
    lots = [{"lot_id": "L0", "kit_type": code, "expiry_date": "2029-01-31"}]
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": lots}))
    rows = [{"kit_number": f"L0{n:03d}", "kit_type": code, "lot_id": "L0"} for n in range(4)]
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate({"depot_id": "CENTRAL", "kits": rows}))
    run(desk)
    assert {one.lot_id for one in kits(desk, shipment_id="D1-D001")} == {"L0", "L1"}
    judged(desk, "restrict", "L0")
    dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id="D1-D001"))
    assert [one.lot_id for one in kits(desk, place="D1-D001")] == ["L1"] * 6
    assert {(one.status, one.place) for one in kits(desk, lot_id="L0")} == {("depot_available", "CENTRAL")}
    intact(desk)

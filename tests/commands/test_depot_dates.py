"""What a depot can give is counted by the dates that bind where its kits would go, not by those that they happen to carry."""

from datetime import date

from allocation.commands.depot_explanation import explain_depot
from allocation.commands.order_approval import ShipmentRequest, cancel_shipment
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.shipments import DispatchRequest, dispatch_shipment
from allocation.ledger.sealing import seal_pending
from tests.api.trial import STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_dates_that_moved import BECAUSE
from tests.commands.test_depot_to_depot import chain, run, with_stock
from tests.commands.test_lot_expiry import change
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

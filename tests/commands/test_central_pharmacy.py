"""A central pharmacy with a satellite, whose orders come from the pharmacy's stock; what it will need is ordered by the pharmacy."""

from typing import Any

import pytest

from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.shipments import (
    DispatchRequest,
    ReceiveRequest,
    dispatch_shipment,
    receive_shipment,
)
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_order_limits import ordered, two_sites
from tests.commands.test_resupply_golden import rule_c_protocol


def with_satellite(**more: Any) -> Protocol:
    """S02 is a satellite of S01, two days away; both are seeded with 6, S01 keeps 1 to 2 and its satellite's demand of 14 and 42 days."""
    document = rule_c_protocol(14, 42, "today", 6).model_dump(mode="json")
    (satellite,) = [one for one in document["sites"] if one["code"] == "S02"]
    satellite.update({"supplied_by_site": "S01", "days_from_pharmacy": 2, **more})
    return Protocol.model_validate(document)


def test_a_satellite_is_supplied_from_its_pharmacy_which_orders_for_both(empty_desk: Desk) -> None:
    desk = empty_desk
    two_sites(desk, with_satellite(), {"L1": 80})
    assert ordered(desk) == {"S01": 6}, (
        "the depot seeds the pharmacy, which has nothing to seed its satellite with"
    )
    deliver(desk, "S01-S001", days=3)
    assert ordered(desk) == {"S01": 2, "S02": 6}, (
        "the pharmacy has 6 and is asked for 6: below 1 + 6, and up to 2 + 6; the satellite gets its 6 of it"
    )
    found = explain_resupply(desk.database, ACT.actor, STUDY, "S02")
    assert (found.depot_id, found.why) == ("S01", "seeding")
    assert found.derives_to_the_same
    pharmacy = explain_resupply(desk.database, ACT.actor, STUDY, "S01")
    assert pharmacy.derives_to_the_same
    (decision,) = pharmacy.record["decisions"]
    assert ["S02", "minimum", 0, 6] in decision["counted"]
    sent = dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id="S02-T001"))
    assert (len(sent["kits"]), sent["expected_on"]) == (6, "2026-03-07")
    desk.move(days=2)
    receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id="S02-T001"))
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["order_shipment"] >= 3
    assert verify_ledger(desk.database, STUDY).intact


def deliver(desk: Desk, shipment_id: str, days: int) -> None:
    dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=shipment_id))
    desk.move(days=days)
    receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=shipment_id))


@pytest.mark.parametrize(
    ("pharmacy", "said"), [("S02", "no central pharmacy"), ("S09", "site")], ids=["itself", "unknown"]
)
def test_a_satellite_of_itself_or_of_no_site_is_refused(pharmacy: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"supplied_by_site.*{said}"):
        with_satellite(supplied_by_site=pharmacy)

"""Acts that leave a site with less to use, though no kit of it is moved, ask for an event run of that site and of no other."""

from datetime import timedelta

import pytest

from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.scheduled_resupply import run_waiting
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.stock_indents import IndentRequest, indent_stock
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY, protocol
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_kit_acts import at_site
from tests.commands.test_lot_expiry import NEW, OLD, change
from tests.commands.test_lot_release import released
from tests.commands.test_scheduled_resupply import schedule


@pytest.fixture
def by_event(empty_desk: Desk) -> Desk:
    """The stocked trial, which decides by event; nothing waits."""
    document = protocol()
    document["supply"]["on_event"] = True
    desk = empty_desk.set_up(document=Protocol.model_validate(document))
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    assert schedule(desk).sites_waiting == ()
    return desk


def waiting(desk: Desk) -> list[str]:
    return sorted(schedule(desk).sites_waiting)


def test_withdrawing_a_lot_from_a_country_asks_for_its_sites_and_the_run_orders_no_kit_of_it(
    by_event: Desk,
) -> None:
    desk = by_event
    released(desk, release=("*",), withdraw=("FRA",))
    assert waiting(desk) == ["S02"]
    assert run_waiting(desk.service, STUDY)
    assert waiting(desk) == []
    released(desk, release=("FRA",))
    assert waiting(desk) == [], "there is more of it than before"
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()


def test_a_shorter_expiry_asks_for_the_sites_where_it_holds_and_a_longer_one_for_none(by_event: Desk) -> None:
    desk = by_event
    change(desk, NEW)
    assert waiting(desk) == []
    change(desk, OLD, "DEU")
    assert waiting(desk) == ["S01"]
    run_waiting(desk.service, STUDY)
    change(desk, desk.now.date() + timedelta(days=25))
    assert waiting(desk) == ["S01", "S02"]


def test_a_lot_that_a_site_has_nothing_of_asks_for_nobody(by_event: Desk) -> None:
    desk = by_event
    desk.move(days=300)  # everything at the sites is expired
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    change(desk, OLD - timedelta(days=1))
    assert waiting(desk) == []


def test_a_kit_that_turns_up_in_the_box_of_another_site_asks_for_the_site_that_had_it(by_event: Desk) -> None:
    desk = by_event
    request = IndentRequest(site_id="S02", groups={"BOTTLE": 1})
    shipment_id = indent_stock(desk.service, ACT, STUDY, request)["shipment_id"]
    dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=shipment_id))
    strange = at_site(desk)[0]
    desk.move(days=2)
    receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=shipment_id, unlisted=(strange,)))
    assert waiting(desk) == ["S01"]

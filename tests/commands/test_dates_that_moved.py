"""Kits whose dates, or whose lot, changed while they were set aside, on their way, in a return or with a subject.

Each is a defect that stays mended. The first, a satellite's order that failed while any lot had a date of a country, was found by
tests/commands/test_any_order.py; the others were found by reading what the first one's code had in common with its neighbours.
"""

from datetime import date, timedelta

import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.kit_acts import quarantine_kits, release_kits
from allocation.commands.order_approval import ShipmentRequest, cancel_shipment
from allocation.commands.service import Act
from allocation.commands.transfers import TransferKitsRequest, transfer_kits
from allocation.errors import DomainRefusal
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.return_people import given, policy
from tests.commands.test_central_pharmacy import deliver, with_satellite
from tests.commands.test_devices import back, devices, inspect
from tests.commands.test_kit_acts import at_site, do, intact
from tests.commands.test_kit_acts import kits as stock
from tests.commands.test_lot_expiry import NEW, OLD, bound, change, dates_of
from tests.commands.test_lot_release import judged
from tests.commands.test_order_limits import ordered, two_sites
from tests.commands.test_returns import declare, receive, refused, reuse, ship

BECAUSE = Act(SYSTEM_ACTOR, reason="needed there")


def moved(desk: Desk) -> str:
    """A transfer of one kit of each type from Germany to France."""
    request = TransferKitsRequest(from_site="S01", to_site="S02", groups={"BOTTLE": 1})
    return str(transfer_kits(desk.service, BECAUSE, STUDY, request)["shipment_id"])


def test_a_satellite_is_supplied_while_a_lot_has_another_expiry_in_some_country(empty_desk: Desk) -> None:
    desk = empty_desk
    two_sites(desk, with_satellite(), {"L1": 80})
    assert ordered(desk) == {"S01": 6}
    deliver(desk, "S01-S001", days=3)
    change(desk, date(2029, 12, 31), "FRA", lot="L1")
    assert ordered(desk)["S02"] == 6
    carried = {one.expiry_date for one in stock(desk, shipment_id="S02-T001")}
    assert carried == {date(2029, 12, 31)}


def test_kits_of_a_cancelled_transfer_have_the_dates_of_the_country_where_they_stay(desk: Desk) -> None:
    change(desk, NEW, "FRA")
    shipment_id = moved(desk)
    assert dates_of(desk, place="S01", status="requested") == bound(NEW)
    cancel_shipment(desk.service, BECAUSE, STUDY, ShipmentRequest(shipment_id=shipment_id))
    assert dates_of(desk, place="S01") == bound(OLD)
    intact(desk)


def test_kits_that_left_a_transfer_for_quarantine_are_released_and_expire_by_the_dates_where_they_are(
    desk: Desk,
) -> None:
    change(desk, NEW, "FRA")
    moved(desk)
    taken = tuple(one.kit_number for one in stock(desk, place="S01", status="requested"))
    do(desk, quarantine_kits, kit_numbers=taken)
    do(desk, release_kits, kit_numbers=taken)
    assert dates_of(desk, place="S01") == bound(OLD)
    moved(desk)
    taken = tuple(one.kit_number for one in stock(desk, place="S01", status="requested"))
    do(desk, quarantine_kits, kit_numbers=taken)
    desk.now += OLD - desk.now.date() + timedelta(days=1)
    expire_kits(desk.service, ACT, STUDY, ExpireKitsRequest())
    (waits,) = [one for one in stock(desk, lot_id="ZZLOT1") if one.kit_number in taken]
    assert waits.status == "expired"
    intact(desk)


def test_a_transfer_takes_no_kit_that_is_too_near_its_expiry_where_it_goes(desk: Desk) -> None:
    change(desk, desk.now.date() + timedelta(days=10), "FRA")
    with pytest.raises(DomainRefusal) as caught:
        moved(desk)
    assert caught.value.code == "transfer-short"


def test_a_returned_kit_of_a_lot_that_was_rejected_since_is_not_used_again(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(
        document=policy(reuse=True, reconciliation=False, approval=False, destruction_at_site=True)
    )
    number = next(one.kit_number for one in stock(desk, lot_id="ZZLOT1", place="S01"))
    assert number in at_site(desk)
    name = declare(desk, number)
    ship(desk, name)
    receive(desk, name)
    judged(desk, "reject")
    assert refused(lambda: reuse(desk, name, number)) == "kit-not-reusable"


def test_a_device_is_inspected_by_the_dates_that_its_lot_has_by_then(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=devices())
    late, number = given(desk)
    lot = next(one.lot_id for one in stock(desk, kit_number=number))
    back(desk, late, number)
    change(desk, desk.now.date() + timedelta(days=40), lot=lot)
    inspect(desk, number)
    (held,) = stock(desk, kit_number=number)
    assert held.expiry_date == desk.now.date() + timedelta(days=40)
    second, other = given(desk)
    lot = next(one.lot_id for one in stock(desk, kit_number=other))
    back(desk, second, other)
    change(desk, desk.now.date() + timedelta(days=5), lot=lot)
    with pytest.raises(DomainRefusal) as caught:
        inspect(desk, other)
    assert caught.value.code == "kit-expired"

"""The central view: now from the projections, at a past moment by following kits; both as a full replay says."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.inventory import inventory_by_look, inventory_by_type
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, dispatch_shipment
from allocation.errors import DomainRefusal, NotPermitted
from allocation.ledger.kit_follower import WITHOUT_KITS, kits_as_of
from allocation.ledger.projections import FOLDS
from allocation.ledger.reader import last_position
from allocation.ledger.replay import replayed
from allocation.ledger.schema import kit
from allocation.ledger.sealing import seal_pending
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk

MANAGER = Actor("mia", "Mia", (Grant("supply_manager_blinded", STUDY),))


def course(desk: Desk) -> None:
    """Kits are dispensed, quarantined, recalled and shipped, an hour or more apart."""
    for index in range(3):
        subject_id = desk.randomized()
        desk.move(hours=1)
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=subject_id, visit_code="V2"))
        desk.move(hours=index + 1)
    alarm = Act(SYSTEM_ACTOR, reason="alarm")
    quarantine_kits(desk.service, alarm, STUDY, KitScopeRequest(site_id="S02"))
    desk.move(hours=1)
    for order in run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"][:1]:
        dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=order["shipment_id"]))
    desk.move(hours=1)
    recall_lot(desk.service, alarm, STUDY, RecallLotRequest(lot_id="ZZLOT2"))


def test_following_kits_gives_what_a_full_replay_gives_at_every_position(desk: Desk) -> None:
    course(desk)
    seal_pending(desk.database)
    last = last_position(desk.database, STUDY)
    for position in sorted({1, last // 3, last // 2, last - 1, last}):
        connection = replayed(desk.database, STUDY, position)
        rows = connection.execute(select(kit)).all()
        connection.close()
        followed = kits_as_of(desk.database, STUDY, position=position)
        assert {
            one.kit_number: (one.status, one.place_kind, one.place, one.expiry_date, one.shipment_id)
            for one in rows
        } == {
            number: (one.status, one.place_kind, one.place, one.expiry_date, one.shipment_id)
            for number, one in followed.items()
        }


def test_a_command_that_is_not_read_is_one_that_there_is() -> None:
    assert set(WITHOUT_KITS) <= set(FOLDS)


def test_the_view_of_now_is_the_view_of_the_last_position_and_every_kit_is_in_it_once(desk: Desk) -> None:
    course(desk)
    seal_pending(desk.database)
    now = inventory_by_type(desk.service, SYSTEM_ACTOR, STUDY)
    last = last_position(desk.database, STUDY)
    then = inventory_by_type(desk.service, SYSTEM_ACTOR, STUDY, str(last))
    assert sum(line.kits for line in now.stock) == 60
    assert (then.stock, then.shipments, then.position) == (now.stock, now.shipments, last)
    assert {(one.place, one.kits, one.usable) for one in then.places} == {
        (one.place, one.kits, one.usable) for one in now.places
    }
    assert (then.supply, [one.days_of_supply for one in then.places]) == ((), [None] * len(then.places))


def test_at_a_past_moment_kits_are_where_they_were(desk: Desk) -> None:
    before = inventory_by_look(desk.service, MANAGER, STUDY)
    moment = desk.now
    desk.move(hours=1)
    course(desk)
    then = inventory_by_look(desk.service, MANAGER, STUDY, moment.isoformat())
    assert (then.stock, then.shipments) == (before.stock, before.shipments)
    assert then.as_of == moment
    now = inventory_by_look(desk.service, MANAGER, STUDY)
    assert now.stock != before.stock
    assert {line.status for line in now.stock} >= {"quarantined", "dispensed", "depot_available"}
    long_ago = inventory_by_look(desk.service, MANAGER, STUDY, "2020-01-01T00:00:00Z")
    assert long_ago.stock == ()


def test_shipments_in_flight_places_and_countries_are_shown_and_a_late_one_is_marked(desk: Desk) -> None:
    course(desk)
    desk.move(days=20)
    found = inventory_by_look(desk.service, MANAGER, STUDY)
    under_way = {one.status: one for one in found.shipments}
    sent = under_way["in_transit"]
    assert (sent.from_kind, sent.from_place, sent.late) == ("depot", "D1", True)
    places = {one.place: one for one in found.places}
    assert places[sent.to_place].coming == sent.kits
    assert {one.place: one.country for one in found.places} == {"D1": "DEU", "S01": "DEU", "S02": "FRA"}
    at_site = Counter({line.place: 0 for line in found.stock})
    for line in found.stock:
        if line.place_kind == "site":
            at_site[line.place] += line.kits
    assert places["S01"].kits == at_site["S01"]
    assert places["S02"].usable == 0  # all in quarantine


def test_days_of_supply_are_stock_over_what_is_due_and_blinded_readers_get_them_for_a_site_alone(
    desk: Desk,
) -> None:
    course(desk)
    found = inventory_by_type(desk.service, SYSTEM_ACTOR, STUDY)
    lines = [one for one in found.supply if one.site_id == "S01"]
    assert sum(one.demand for one in lines) == 3  # each of three subjects is due at V3
    for one in lines:
        expected = one.on_hand * one.window_days // one.demand if one.demand else None
        assert (one.window_days, one.days_of_supply) == (28, expected)
    blinded = inventory_by_look(desk.service, MANAGER, STUDY)
    (site,) = [one for one in blinded.places if one.place == "S01"]
    assert site.days_of_supply == sum(one.on_hand for one in lines) * 28 // 3
    assert "ZZ" not in blinded.model_dump_json()


def test_a_site_sees_its_own_kits_and_what_comes_to_it(desk: Desk) -> None:
    course(desk)
    anna = Actor("anna", "Anna", (Grant("site_coordinator", STUDY, "site", "S01"),))
    found = inventory_by_look(desk.service, anna, STUDY)
    assert {one.place for one in found.places} == {"S01"}
    assert {line.place for line in found.stock if line.place_kind == "site"} == {"S01"}
    assert {one.to_place for one in found.shipments} <= {"S01"}
    assert {line.place_kind for line in found.stock} <= {"site", "transit"}
    with pytest.raises(NotPermitted):
        inventory_by_type(desk.service, anna, STUDY)


@pytest.mark.parametrize("text", ["yesterday", "2026-03-01T08:00", "999999", "0", "99999999999999999999"])
def test_what_is_no_past_moment_is_refused_by_name(desk: Desk, text: str) -> None:
    with pytest.raises(DomainRefusal) as refusal:
        inventory_by_look(desk.service, MANAGER, STUDY, text)
    assert refusal.value.field == "as_of"


def test_a_moment_ahead_is_refused(desk: Desk) -> None:
    ahead = (desk.now + timedelta(days=1)).astimezone(UTC)
    with pytest.raises(DomainRefusal, match="still to come"):
        inventory_by_look(desk.service, MANAGER, STUDY, datetime.isoformat(ahead))

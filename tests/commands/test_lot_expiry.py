"""Expiry extended and shortened: everywhere, by country, on unprinted and on printed labels."""

from datetime import date, timedelta
from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.expiry_change import (
    ChangeLotExpiryRequest,
    RelabelKitsRequest,
    change_lot_expiry,
    relabel_kits,
)
from allocation.commands.kit_acts import quarantine_kits, release_kits
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.signed_requests import asked_content
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.errors import DomainRefusal, KitTransitionRefused, NotFound, NotPermitted, SignatureRefused
from allocation.ledger.verify import verify_ledger
from allocation.rules.kit_authority import EXPIRY_CHANGED, RELABELLED
from allocation.views.unblinded.lots import list_lots
from tests.api.trial import AS_IS, SITES, STUDY, kits, lots
from tests.commands.desk import ACT, Desk
from tests.commands.test_kit_acts import do, intact, last_entry
from tests.commands.test_kit_acts import kits as stock

WHY = "stability data to 36 months"
OLD, NEW = date(2026, 10, 15), date(2027, 10, 15)  # of ZZLOT1
MEANING = {"change_lot_expiry": EXPIRY_CHANGED, "relabel_kits": RELABELLED}


def signed(desk: Desk, command: Any, request: Any) -> dict[str, Any]:
    name = command.__name__
    signature = desk.signed(MEANING[name], asked_content(STUDY, name, request, WHY)).signature
    answer: dict[str, Any] = command(
        desk.service, Act(SYSTEM_ACTOR, reason=WHY, signature=signature), STUDY, request
    )
    return answer


def change(desk: Desk, until: date, *countries: str, lot: str = "ZZLOT1") -> dict[str, Any]:
    return signed(
        desk, change_lot_expiry, ChangeLotExpiryRequest(lot_id=lot, expiry_date=until, countries=countries)
    )


def relabel(desk: Desk, until: date, **where: Any) -> dict[str, Any]:
    return signed(desk, relabel_kits, RelabelKitsRequest(lot_id="ZZLOT1", printed_expiry=until, **where))


def dates_of(desk: Desk, **where: Any) -> set[tuple[date, date]]:
    return {(one.expiry_date, one.last_dispense_date) for one in stock(desk, lot_id="ZZLOT1", **where)}


def bound(expiry: date) -> set[tuple[date, date]]:
    """The expiry date and what its do-not-dispense window of 15 days leaves."""
    return {(expiry, expiry - timedelta(days=16))}


def test_an_unprinted_lot_is_extended_everywhere_at_once_in_transit_too_and_dispensed_kits_are_listed(
    desk: Desk,
) -> None:
    who = desk.randomized()
    while desk.arm(who) != "ZZARMA":
        who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    for one in orders:
        dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=one["shipment_id"]))
    answer = change(desk, NEW)
    had = [one for one in stock(desk, lot_id="ZZLOT1") if one.status == "dispensed"]
    assert answer["dispensed"] == [{"kit_number": one.kit_number, "subject_id": one.place} for one in had]
    assert had
    assert dates_of(desk, status="dispensed") == bound(OLD)
    for place in ("depot", "transit", "site"):
        assert dates_of(desk, place_kind=place) == bound(NEW), place
    assert answer["dated"] == 20 - len(had)
    entry = last_entry(desk)
    assert (entry.reason, entry.before["expiry_date"]) == (WHY, OLD.isoformat())
    assert entry.signature["meaning"] == EXPIRY_CHANGED
    intact(desk)


def test_an_expired_kit_comes_back_only_by_extension_into_quarantine_and_release_under_signature(
    desk: Desk,
) -> None:
    desk.move(days=250)  # behind 2026-10-15
    expire_kits(desk.service, ACT, STUDY, ExpireKitsRequest())
    expired = [one.kit_number for one in stock(desk, lot_id="ZZLOT1", status="expired")]
    assert expired
    with pytest.raises(KitTransitionRefused):
        do(desk, release_kits, kit_numbers=(expired[0],))
    assert sorted(change(desk, NEW)["quarantined"]) == expired
    assert {one.status for one in stock(desk, lot_id="ZZLOT1")} == {"quarantined"}
    assert do(desk, release_kits, lot_id="ZZLOT1")["kits"] == expired
    assert {one.status for one in stock(desk, lot_id="ZZLOT1")} == {"depot_available", "site_available"}
    intact(desk)


def test_a_shorter_expiry_binds_at_once_and_the_next_expiry_run_turns_the_kits_over(desk: Desk) -> None:
    sooner = desk.now.date()
    change(desk, sooner)
    assert dates_of(desk) == bound(sooner)
    assert expire_kits(desk.service, ACT, STUDY, ExpireKitsRequest())["kits"] == 20
    assert {one.status for one in stock(desk, lot_id="ZZLOT1")} == {"expired"}
    intact(desk)


def test_a_country_has_its_own_date_where_its_kits_are_and_for_what_is_ordered_for_it(desk: Desk) -> None:
    change(desk, NEW, "DEU")
    assert dates_of(desk, place="S01") == bound(NEW)
    assert dates_of(desk, place="S02") == bound(OLD)
    assert dates_of(desk, place="D1") == bound(NEW)  # the depot may still ship it to Germany
    desk.move(days=250)  # over in France, usable in Germany
    expire_kits(desk.service, ACT, STUDY, ExpireKitsRequest())
    assert {one.status for one in stock(desk, lot_id="ZZLOT1", place="S02")} == {"expired"}
    assert {one.status for one in stock(desk, lot_id="ZZLOT1", place="S01")} == {"site_available"}
    assert {one.status for one in stock(desk, lot_id="ZZLOT1", place="D1")} == {"depot_available"}
    shown = list_lots(desk.database, SYSTEM_ACTOR, STUDY).lots[0]
    assert (shown.expiry_date, shown.expiry_by_country) == (OLD, {"DEU": NEW})
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    sent = {one["site_id"]: one["shipment_id"] for one in orders}
    types_of = {
        site_id: {one.lot_id for one in stock(desk, shipment_id=shipment_id)}
        for site_id, shipment_id in sent.items()
    }
    assert "ZZLOT1" not in types_of.get("S02", set())
    intact(desk)


def test_an_ordered_kit_carries_the_date_of_the_country_that_it_goes_to(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False)
    change(desk, NEW, "FRA")
    assert dates_of(desk) == bound(NEW)
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    sent = {one["site_id"]: one["shipment_id"] for one in orders}
    assert dates_of(desk, shipment_id=sent["S01"]) == bound(OLD)
    assert dates_of(desk, shipment_id=sent["S02"]) == bound(NEW)
    later = NEW + timedelta(days=30)
    change(desk, later, "DEU")  # what is on order for Germany follows it
    assert dates_of(desk, shipment_id=sent["S01"]) == bound(later)
    assert dates_of(desk, shipment_id=sent["S02"]) == bound(NEW)
    for shipment_id in sent.values():
        dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=shipment_id))
        receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=shipment_id))
    assert dates_of(desk, place="S01") == bound(later)
    intact(desk)


def printed_desk(desk: Desk) -> Desk:
    """A stocked trial whose first lot has its expiry date on the labels."""
    desk.load()
    for site_id in SITES:
        open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
    rows = lots(AS_IS)["lots"]
    rows[0]["expiry_printed"] = True
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": rows}))
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate(kits(AS_IS, 60)))
    desk.resupply()
    return desk


def test_a_printed_lot_is_extended_place_by_place_as_it_is_relabelled(empty_desk: Desk) -> None:
    desk = printed_desk(empty_desk)
    answer = change(desk, NEW)
    assert (answer["dated"], sum(answer["to_relabel"].values())) == (0, 20)
    assert dates_of(desk) == bound(OLD)  # a kit is never used past its own label
    with pytest.raises(DomainRefusal) as caught:
        relabel(desk, NEW, site_id="S01")
    assert caught.value.code == "nothing-to-relabel"  # not in quarantine yet
    held = [one.kit_number for one in stock(desk, lot_id="ZZLOT1", place="S01")]
    do(desk, quarantine_kits, kit_numbers=tuple(held))
    with pytest.raises(DomainRefusal) as caught:
        relabel(desk, NEW + timedelta(days=1), site_id="S01")
    assert caught.value.code == "label-beyond-expiry"
    assert relabel(desk, NEW, site_id="S01") == {"kits": held, "expiry_date": NEW.isoformat()}
    assert dates_of(desk, place="S01") == bound(NEW)
    assert dates_of(desk, place="S02") == dates_of(desk, place="D1") == bound(OLD)
    assert {one.status for one in stock(desk, lot_id="ZZLOT1", place="S01")} == {"quarantined"}
    do(desk, release_kits, kit_numbers=tuple(held))
    desk.move(days=250)
    expire_kits(desk.service, ACT, STUDY, ExpireKitsRequest())
    at_depot = [one.kit_number for one in stock(desk, lot_id="ZZLOT1", place="D1", status="expired")]
    assert relabel(desk, NEW, depot_id="D1", kit_numbers=tuple(at_depot[:2]))["kits"] == at_depot[:2]
    assert len(stock(desk, lot_id="ZZLOT1", place="D1", status="expired")) == len(at_depot) - 2
    shorter = desk.now.date()
    change(desk, shorter)  # a shortening reaches printed kits at once
    assert max(one.expiry_date for one in stock(desk, lot_id="ZZLOT1")) == shorter
    intact(desk)


def test_what_is_refused_changes_nothing(desk: Desk) -> None:
    before = desk.state()
    asked = ChangeLotExpiryRequest(lot_id="ZZLOT1", expiry_date=NEW)
    for act in (Act(SYSTEM_ACTOR, reason=WHY), Act(SYSTEM_ACTOR)):
        with pytest.raises((SignatureRefused, DomainRefusal)):
            change_lot_expiry(desk.service, act, STUDY, asked)
    for role in ("supply_manager_blinded", "depot_operator", "site_pharmacist_unblinded"):
        act = Act(Actor("eve", "Eve", (Grant(role, STUDY),)), reason=WHY)
        with pytest.raises(NotPermitted):
            change_lot_expiry(desk.service, act, STUDY, asked)
    for until, countries, lot, code in (
        (OLD, (), "ZZLOT1", "expiry-unchanged"),
        (NEW, ("USA",), "ZZLOT1", "unknown-country"),
        (NEW, (), "NOLOT", "not-found"),
    ):
        with pytest.raises(DomainRefusal) as caught:
            change(desk, until, *countries, lot=lot)
        assert caught.value.code == code
    with pytest.raises(DomainRefusal) as caught:
        relabel(desk, NEW, site_id="S01")
    assert caught.value.code == "expiry-not-printed"
    with pytest.raises(NotFound):
        relabel(desk, NEW, site_id="S99")
    assert desk.state() == before
    assert verify_ledger(desk.database, STUDY).intact

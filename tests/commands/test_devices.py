"""Reusable devices: inspected after each use, given to the next subject, and every use accounted for on its own."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from allocation.access.actors import SYSTEM_ACTOR, Actor
from allocation.commands.count_corrections import CorrectKitCountRequest, correct_kit_count
from allocation.commands.devices import ReissueDeviceRequest, reissue_device
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_counts import (
    ReturnFromSubjectRequest,
    return_from_subject,
)
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.return_steps import ReturnRequest
from allocation.commands.returns import withdraw_return
from allocation.commands.service import Act
from allocation.errors import DomainRefusal, KitTransitionRefused, NotFound, NotPermitted, SignatureRefused
from allocation.ledger.schema import device_use, kit, kit_count, lot
from allocation.rules.kit_authority import DEVICE_INSPECTED
from allocation.study.protocol import Protocol
from allocation.views.blinded.kit_history import kit_history
from allocation.views.blinded.reconciliation import reconciliation
from allocation.views.blinded.site_accountability import site_log
from allocation.views.blinded.subject_accountability import subject_accountability
from allocation.views.blinded.subjects import subject_detail
from pipelines.datasets import Product, derive
from pipelines.events.reading import read_events
from pipelines.supply.conservation import conservation_breaks
from tests.api.trial import STUDY, protocol
from tests.commands.desk import Desk
from tests.commands.return_people import MONITOR, SITE, SUPPLY, given, signed
from tests.commands.test_kit_acts import do, intact, kits
from tests.commands.test_returns import declare

WHY = "wiped, battery and guard checked"


def devices(**more: Any) -> Protocol:
    document = protocol()
    for kind in document["kit_types"]:
        kind |= {"reusable": True, **more}
    return Protocol.model_validate(document)


def inspect(desk: Desk, number: str, outcome: str = "fit", who: Actor = SITE, why: str = WHY) -> Any:
    request = ReissueDeviceRequest.model_validate({"kit_number": number, "outcome": outcome})
    act = signed(desk, who, "reissue_device", request, DEVICE_INSPECTED, why)
    return reissue_device(desk.service, act, STUDY, request)


def back(desk: Desk, who: str, number: str, units: str = "35", **more: Any) -> None:
    counted = {"kit_number": number, "returned_units": Decimal(units), **more}
    request = ReturnFromSubjectRequest.model_validate({"subject_id": who, "kits": [counted]})
    return_from_subject(desk.service, Act(SYSTEM_ACTOR, reason="told by phone"), STUDY, request)


def given_again(desk: Desk, number: str) -> str:
    """The subject to whom the device is given next: those of its arm get it before what is picked later."""
    for _ in range(12):
        who, handed_out = given(desk)
        if handed_out == number:
            return who
    raise AssertionError(f"{number} was given to nobody")


def refusal(desk: Desk, number: str, outcome: str = "fit") -> str:
    """The code of the refusal, which leaves all as it was."""
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        inspect(desk, number, outcome)
    assert desk.state() == before
    return str(caught.value.code)


def test_a_device_serves_two_subjects_and_each_use_is_accounted_for(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=devices())
    first, number = given(desk)
    desk.move(days=3)
    back(desk, first, number)
    assert inspect(desk, number) == {
        "kit_number": number,
        "site_id": "S01",
        "status": "site_available",
        "uses": 1,
    }
    (stock,) = kits(desk, kit_number=number)
    assert (stock.status, stock.place, stock.uses) == ("site_available", "S01", 1)
    assert (stock.subject_id, stock.visit_number, stock.dispensed_on) == (None, None, None)
    desk.move(days=1)
    second = given_again(desk, number)
    desk.move(days=5)
    back(desk, second, number, "30", lost_units=Decimal(5))
    with desk.database.read() as connection:
        counts = connection.execute(select(kit_count).order_by(kit_count.c.use)).all()
        uses = connection.execute(select(device_use)).all()
    assert [(one.use, one.revision, one.subject_id, one.returned_units) for one in counts] == [
        (1, 0, first, "35"),
        (2, 0, second, "30"),
    ]
    assert [(one.use, one.outcome, one.subject_id) for one in uses] == [(1, "fit", first)]
    for who, use, units, status in ((first, 1, "35", "returned"), (second, 2, "30", "returned")):
        (told,) = subject_accountability(desk.database, MONITOR, STUDY, who).kits
        assert (told.kit_number, told.use, told.returned_units, told.corrections) == (number, use, units, 0)
        (shown,) = subject_detail(desk.database, SITE, STUDY, who).kits
        assert (shown.kit_number, shown.status) == (number, status)
    lines = [one for one in site_log(desk.database, SITE, STUDY, "S01").kits if one.kit_number == number]
    assert [(one.use, one.subject_id, one.returned_units) for one in lines] == [
        (1, first, "35"),
        (2, second, "30"),
    ]
    lost = [
        (one.kit_number, one.subject_id, one.units)
        for one in reconciliation(desk.database, MONITOR, STUDY, now=desk.now).discrepancies
        if one.kind == "units_lost"
    ]
    assert lost == [(number, second, "5")]
    intact(desk)
    acts = [one.act for one in kit_history(desk.database, MONITOR, STUDY, number).steps]
    assert acts[-5:] == [
        "dispense",
        "return_from_subject",
        "reissue_device",
        "dispense",
        "return_from_subject",
    ]
    events = read_events(desk.database, STUDY)
    products: tuple[Product, ...] = ("blinded", "unblinded")
    for product in products:
        built = derive(events, product)
        moves, moved = built["supply/kit_movements"], events["kit_movements"]
        assert conservation_breaks(moves, moved).is_empty()
        rows = built["sdtm/da"].filter(pl.col("DAREFID") == number)
        found = rows.select("USUBJID", "DATESTCD", "DASTRESN").rows()
        assert [(who[-len(first) :], *what) for who, *what in found] == [
            (first, "DISPAMT", 35.0),
            (first, "RETAMT", 35.0),
            (second, "DISPAMT", 35.0),
            (second, "RETAMT", 30.0),
            (second, "LOSTAMT", 5.0),
        ]


def test_the_dataset_of_kits_forgets_the_subject_of_a_device_that_is_stock_again(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=devices())
    who, number = given(desk)
    back(desk, who, number)
    inspect(desk, number)
    intact(desk)
    events = read_events(desk.database, STUDY)
    row = derive(events, "unblinded")["supply/kits"].filter(pl.col("kit_number") == number)
    assert row.select("status", "subject_id", "visit_number", "dispensed_on").row(0) == (
        "site_available",
        None,
        None,
        None,
    )


def test_an_unfit_device_is_damaged_and_never_inspected_again(desk_of_devices: Desk) -> None:
    desk = desk_of_devices
    who, number = given(desk)
    back(desk, who, number)
    assert inspect(desk, number, "unfit")["status"] == "damaged"
    assert [one.subject_id for one in kits(desk, kit_number=number)] == [who]
    with pytest.raises(KitTransitionRefused):
        inspect(desk, number)
    name = declare(desk, number)
    taken = ReturnRequest(return_id=name)
    withdraw_return(desk.service, Act(SITE, reason="another box"), STUDY, taken)
    assert refusal(desk, number) == "device-inspected"
    intact(desk)


@pytest.fixture
def desk_of_devices(empty_desk: Desk) -> Desk:
    return empty_desk.set_up(document=devices())


def test_the_database_lets_no_kit_forget_its_subject_without_an_inspection(desk_of_devices: Desk) -> None:
    desk = desk_of_devices
    who, number = given(desk)
    back(desk, who, number)
    forget = update(kit).where(kit.c.kit_number == number).values(dispensed_on=None, uses=1)
    for also in ({}, {"status": "site_available"}):
        with pytest.raises(IntegrityError), desk.database.write() as connection:
            connection.execute(forget.values(**also))
    inspect(desk, number, "unfit")
    with pytest.raises(IntegrityError), desk.database.write() as connection:
        connection.execute(forget)


def test_only_a_counted_whole_device_of_a_usable_lot_is_used_again(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=devices(max_uses=2))
    who, number = given(desk)
    with pytest.raises((NotFound, KitTransitionRefused)):
        inspect(desk, number)
    back(desk, who, number, "34")
    assert refusal(desk, number) == "kit-not-reusable"
    right = CorrectKitCountRequest(subject_id=who, kit_number=number, returned_units=Decimal(35))
    correct_kit_count(desk.service, Act(SYSTEM_ACTOR, reason="counted again"), STUDY, right)
    name = declare(desk, number)
    assert refusal(desk, number) == "kit-in-return"
    withdraw_return(desk.service, Act(SITE, reason="it stays"), STUDY, ReturnRequest(return_id=name))
    lot_id = kits(desk, kit_number=number)[0].lot_id
    for status, code in (("quarantined", "lot-not-released"), ("rejected", "kit-rejected")):
        with desk.database.write() as connection:
            connection.execute(update(lot).where(lot.c.lot_id == lot_id).values(status=status))
        assert refusal(desk, number) == code
    with desk.database.write() as connection:
        connection.execute(update(lot).where(lot.c.lot_id == lot_id).values(status="released"))
    inspect(desk, number)
    with pytest.raises(DomainRefusal) as caught:
        correct_kit_count(desk.service, Act(SYSTEM_ACTOR, reason="again"), STUDY, right)
    assert caught.value.code == "kit-counted"
    second = given_again(desk, number)
    back(desk, second, number)
    assert refusal(desk, number) == "device-used-up"
    desk.move(days=3000)
    assert inspect(desk, number, "unfit")["uses"] == 2


def test_a_recall_names_every_subject_who_had_the_device_and_it_is_not_used_again(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=devices())
    earlier, number = given(desk)
    back(desk, earlier, number)
    inspect(desk, number)
    later = given_again(desk, number)
    lot_id = kits(desk, kit_number=number)[0].lot_id
    answer = recall_lot(
        desk.service, Act(SYSTEM_ACTOR, reason="defect"), STUDY, RecallLotRequest(lot_id=lot_id)
    )
    had = {
        (one["subject_id"], one["return_asked"]) for one in answer["subjects"] if one["kit_number"] == number
    }
    assert had == {(earlier, False), (later, True)}
    back(desk, later, number)
    assert refusal(desk, number) == "kit-recalled"
    intact(desk)


def test_a_kit_that_is_no_device_stays_returned(sqlite_desk: Desk) -> None:
    plain = devices(reusable=False)
    desk = sqlite_desk.set_up(document=plain)
    who, number = given(desk)
    back(desk, who, number)
    for outcome in ("fit", "unfit"):
        assert refusal(desk, number, outcome) == "kit-not-reusable"


def test_an_expired_device_is_not_used_again(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=devices())
    who, number = given(desk)
    back(desk, who, number)
    desk.move(days=3000)
    assert refusal(desk, number) == "kit-expired"


def test_what_was_taken_out_of_use_at_the_site_is_not_taken_for_a_device_that_came_back(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk.set_up(document=devices())
    number = next(one.kit_number for one in kits(desk, status="site_available") if one.place == "S01")
    do(desk, quarantine_kits, kit_numbers=(number,))
    name = declare(desk, number)
    withdraw_return(desk.service, Act(SITE, reason="it stays"), STUDY, ReturnRequest(return_id=name))
    assert refusal(desk, number) == "kit-not-counted"


def test_an_inspection_is_signed_by_the_site_with_a_reason(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=devices())
    who, number = given(desk)
    back(desk, who, number)
    before = desk.state()
    request = ReissueDeviceRequest(kit_number=number, outcome="fit")
    with pytest.raises(SignatureRefused):
        reissue_device(desk.service, Act(SITE, reason=WHY), STUDY, request)
    with pytest.raises(DomainRefusal, match="reason"):
        inspect(desk, number, why=" ")
    for other in (SUPPLY, MONITOR):
        with pytest.raises(NotPermitted):
            inspect(desk, number, who=other)
    assert desk.state() == before
    assert inspect(desk, number)["status"] == "site_available"
    with pytest.raises(KitTransitionRefused):
        inspect(desk, number)

"""What returns leave to read: the chain of custody of a kit, the log of a site, and every discrepancy."""

from decimal import Decimal
from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.kit_acts import quarantine_kits, report_kits_lost
from allocation.commands.kit_counts import ReturnFromSubjectRequest, return_from_subject
from allocation.commands.participation import EndRequest, discontinue
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.sealing import seal_pending
from allocation.views.blinded.kit_history import kit_history
from allocation.views.blinded.reconciliation import reconciliation
from allocation.views.blinded.site_accountability import site_log
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.return_people import DEPOT, MONITOR, SITE, given, policy
from tests.commands.test_kit_acts import at_site, do, kits
from tests.commands.test_returns import approve, declare, destroy, receive, reconcile, ship

OPEN = Actor("olga", "Olga", (Grant("supply_manager_unblinded", STUDY),))
SPONSOR = Actor("sara", "Sara", (Grant("sponsor_blinded", STUDY),))


def back(desk: Desk, who: str, number: str, **counted: Any) -> None:
    line = {"kit_number": number, "returned_units": Decimal(20), **counted}
    request = ReturnFromSubjectRequest.model_validate({"subject_id": who, "kits": [line]})
    return_from_subject(desk.service, Act(SYSTEM_ACTOR, reason="told by phone"), STUDY, request)


def found(desk: Desk, who: Actor = SYSTEM_ACTOR, **of: Any) -> set[tuple[str, str, bool]]:
    report = reconciliation(desk.database, who, STUDY, now=desk.now, **of)
    return {(one.kind.value, one.kit_number, one.overdue) for one in report.discrepancies}


def test_the_chain_of_custody_has_every_entry_of_a_kit_in_order(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=policy())
    who, number = given(desk)
    back(desk, who, number)
    name = declare(desk, number)
    reconcile(desk, name)
    approve(desk, name)
    ship(desk, name)
    receive(desk, name)
    destroy(desk, name)
    seal_pending(desk.database)
    history = kit_history(desk.database, OPEN, STUDY, number)
    assert [one.act for one in history.steps] == [
        "load_kits",
        "order_shipment",
        "dispatch_shipment",
        "receive_shipment",
        "dispense",
        "return_from_subject",
        "declare_return",
        "reconcile_return",
        "approve_return",
        "dispatch_return",
        "receive_return",
        "destroy_returned_kits",
    ]
    entries = [one.entry or 0 for one in history.steps]
    assert entries == sorted(entries)
    assert [one.actor for one in history.steps][-6:] == ["anna", "mo", "pia", "anna", "dan", "dan"]
    (line,) = [one for one in site_log(desk.database, SITE, STUDY, "S01").kits if one.kit_number == number]
    assert (line.subject_id, line.returned_units, line.used_units) == (who, "20", "15")
    assert (line.return_id, line.settled_as, line.certificate) == (name, "destroyed", "C-1")
    assert line.returned_to_depot_on == line.settled_on == desk.now.date()


def test_a_blinded_reader_is_not_told_what_kits_share_because_of_what_is_in_them(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up()
    number = at_site(desk)[0]
    lot_id = kits(desk, kit_number=number)[0].lot_id
    recall_lot(desk.service, Act(OPEN, reason="lot of placebo"), STUDY, RecallLotRequest(lot_id=lot_id))
    seal_pending(desk.database)
    for who, recalls in ((SITE, 1), (SPONSOR, 0), (DEPOT, 0)):
        steps = kit_history(desk.database, who, STUDY, number).steps
        (load,) = [one for one in steps if one.act == "load_kits"]
        assert (load.entry, load.recorded_at, load.actor) == (None, None, None)
        told = [one for one in steps if one.act == "recall_lot"]
        assert [(one.entry, one.actor, one.reason) for one in told] == [(None, None, "")] * recalls
    assert kit_history(desk.database, OPEN, STUDY, number).steps[-1].reason == "lot of placebo"


def test_a_history_is_told_where_the_kit_was_and_names_subjects_to_those_who_may_see_them(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk.set_up()
    who, number = given(desk)
    other = Actor("otto", "Otto", (Grant("site_coordinator", STUDY, "site", "S02"),))
    elsewhere = Actor("dora", "Dora", (Grant("depot_operator", STUDY, "depot", "D9"),))
    for stranger in (other, elsewhere):
        with pytest.raises(NotFound):
            kit_history(desk.database, stranger, STUDY, number)
    with pytest.raises(NotFound):
        kit_history(desk.database, SITE, STUDY, "NOKIT")
    assert kit_history(desk.database, SITE, STUDY, number).steps[-1].subject_id == who
    told = kit_history(desk.database, DEPOT, STUDY, number).steps[-1]
    assert (told.subject_id, who in told.text) == (None, False)
    with pytest.raises(NotPermitted):
        site_log(desk.database, other, STUDY, "S01")


def test_what_agrees_is_no_discrepancy(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=policy(reconciliation=False, approval=False))
    who, number = given(desk)
    back(desk, who, number)
    name = declare(desk, number)
    ship(desk, name)
    receive(desk, name)
    destroy(desk, name)
    assert found(desk) == set()


def test_every_kind_of_difference_is_listed_with_its_place(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=policy(overdue_days=30), stocked=False)
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    ours, theirs = (one["shipment_id"] for one in orders)
    sent = dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=ours))["kits"]
    late = dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=theirs))["kits"]
    bad = {sent[0]: "lost", sent[1]: "damaged"}
    receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=ours, dispositions=bad))
    desk.resupply()
    subjects = [given(desk) for _ in range(3)]
    (stays, with_subject), (gap, counted), (loses, gone) = subjects
    back(desk, gap, counted, lost_units=Decimal(1), used_units=Decimal(10))
    back(desk, loses, gone, returned_units=Decimal(0), lost_units=Decimal(35), came_back=False)
    discontinue(desk.service, ACT, STUDY, EndRequest(subject_id=stays, end_reason="ADVERSE EVENT"))
    held, lost, missing = at_site(desk)[:3]
    do(desk, quarantine_kits, kit_numbers=(held,))
    do(desk, report_kits_lost, kit_numbers=(lost,))
    name = declare(desk, missing)
    reconcile(desk, name, {"kit_number": missing, "found": False, "reason": "cabinet empty"})
    assert found(desk, site_id="S01") == {
        ("not_received", sent[0], False),
        ("received_damaged", sent[1], False),
        ("in_limbo", sent[1], False),
        ("units_unexplained", counted, False),
        ("units_lost", counted, False),
        ("waits_for_return", counted, False),
        ("container_lost", gone, False),
        ("not_returned", with_subject, False),
        ("in_limbo", held, False),
        ("lost", lost, False),
        ("missing_in_return", missing, False),
    }
    desk.move(days=40)
    assert {("not_returned", with_subject, True), ("waits_for_return", counted, True)} <= found(
        desk, who=MONITOR, site_id="S01"
    )
    elsewhere = found(desk, site_id="S02")
    assert {one for one in elsewhere if one[0] == "late_shipment"} == {
        ("late_shipment", number, True) for number in late
    }
    assert found(desk, who=SITE) == found(desk, site_id="S01")
    with pytest.raises(NotPermitted):
        found(desk, who=SITE, site_id="S02")
    with pytest.raises(NotFound):
        found(desk, depot_id="D9")


def test_what_is_asked_back_stands_there_until_it_comes(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up()
    who, number = given(desk)
    lot_id = kits(desk, kit_number=number)[0].lot_id
    recall_lot(desk.service, ACT, STUDY, RecallLotRequest(lot_id=lot_id))
    assert ("asked_back", number, False) in found(desk)
    desk.move(days=31)
    assert ("asked_back", number, True) in found(desk)
    back(desk, who, number)
    assert "asked_back" not in {kind for kind, _, _ in found(desk)}


def test_a_return_that_stands_still_is_overdue(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=policy(overdue_days=10))
    number = at_site(desk)[0]
    name = declare(desk, number)
    assert found(desk) == set()
    desk.move(days=11)
    assert found(desk) == {("return_stands", number, True)}
    reconcile(desk, name)
    approve(desk, name)
    ship(desk, name)
    assert found(desk) == set()
    desk.move(days=20)
    assert found(desk, who=DEPOT) == {("return_stands", number, True)}

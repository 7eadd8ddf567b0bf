"""Quarantine, release and writing off: by kit, lot, shipment and site, with what the table of kit states asks for."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.certificates import Certificate
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import (
    DestroyKitsRequest,
    destroy_kits,
    kit_act_content,
    quarantine_kits,
    reject_kits,
    release_kits,
    report_kits_damaged,
    report_kits_lost,
)
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.errors import DomainRefusal, KitTransitionRefused, NotFound, NotPermitted, SignatureRefused
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import verify
from allocation.ledger.reader import sealed_entries
from allocation.ledger.schema import destruction_certificate, kit
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.rules.kit_authority import DESTROYED, REJECTED, RELEASED
from allocation.rules.kit_status import KitPosition, KitStatus, Place, conservation_errors
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY, protocol
from tests.commands.desk import ACT, Desk

WHY = "refrigerator alarm"
CERTIFICATE = Certificate(
    number="DC-1",
    destroyed_on=date(2026, 3, 2),
    place="Nord Entsorgung",
    file_name="dc-1.pdf",
    file_sha256="a" * 64,
)
MEANING = {release_kits: RELEASED, reject_kits: REJECTED, destroy_kits: DESTROYED}


def do(desk: Desk, command: Any, *, key: str | None = None, **scope: Any) -> dict[str, Any]:
    """The act with the reason, and signed where it must be; kits are conserved after it."""
    request = scope_for(command, **scope)
    signature = None
    if command in MEANING:
        content = kit_act_content(STUDY, command.__name__, request, WHY)
        signature = desk.signed(MEANING[command], content).signature
    act = Act(SYSTEM_ACTOR, idempotency_key=key, reason=WHY, signature=signature)
    answer: dict[str, Any] = command(desk.service, act, STUDY, request)
    rows = kits(desk)
    positions = [
        KitPosition(one.kit_number, KitStatus(one.status), Place(one.place_kind), one.place or None)
        for one in rows
    ]
    assert conservation_errors([one.kit_number for one in rows], positions) == ()
    return answer


def scope_for(command: Any, **scope: Any) -> KitScopeRequest:
    """The kits that a command is asked about; destruction names its certificate, too."""
    if command is destroy_kits:
        return DestroyKitsRequest(**scope, certificate=CERTIFICATE)
    return KitScopeRequest(**scope)


def kits(desk: Desk, **where: Any) -> list[Any]:
    with desk.database.read() as connection:
        rows = connection.execute(select(kit).order_by(kit.c.kit_number)).all()
    return [one for one in rows if all(getattr(one, name) == value for name, value in where.items())]


def at_site(desk: Desk, site_id: str = "S01") -> list[str]:
    return [one.kit_number for one in kits(desk, place_kind="site", place=site_id, status="site_available")]


def intact(desk: Desk) -> None:
    """The ledger verifies in the database, and its export without one."""
    verification = verify_ledger(desk.database, STUDY)
    assert verification.intact, verification.difference
    with TemporaryDirectory() as folder:
        exported = Path(folder) / "ledger.jsonl"
        entries = export_ledger(desk.database, STUDY, exported)
        assert verify(exported.read_text().splitlines())[0] == entries


def last_entry(desk: Desk) -> Any:
    seal_pending(desk.database)
    return sealed_entries(desk.database, STUDY)[-1]


def test_a_quarantined_kit_is_not_dispensed_and_a_released_one_is(desk: Desk) -> None:
    who = desk.randomized()
    stock = at_site(desk)
    assert do(desk, quarantine_kits, site_id="S01") == {"kits": stock, "not_possible": 0}
    with pytest.raises(DomainRefusal) as caught:
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    assert caught.value.code == "no-usable-kit"
    assert do(desk, release_kits, site_id="S01")["kits"] == stock
    assert dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))["kit_numbers"]
    intact(desk)


def test_one_act_is_one_entry_with_reason_signature_and_kits(desk: Desk) -> None:
    first = at_site(desk)[0]
    do(desk, quarantine_kits, kit_numbers=(first,))
    entry = last_entry(desk)
    assert (entry.command, entry.reason, entry.kit_numbers, entry.site_id) == (
        "quarantine_kits",
        WHY,
        (first,),
        "S01",
    )
    before = len(sealed_entries(desk.database, STUDY))
    do(desk, release_kits, kit_numbers=(first,))
    assert len(sealed_entries(desk.database, STUDY)) in (before, before + 1)
    assert last_entry(desk).signature["meaning"] == RELEASED


def test_the_database_itself_refuses_to_take_a_kit_out_of_quarantine_to_a_subject(desk: Desk) -> None:
    number = at_site(desk)[0]
    do(desk, quarantine_kits, kit_numbers=(number,))
    for values in (
        {"status": "dispensed", "place_kind": "subject", "place": "S01-0001"},
        {"status": "assigned"},
        {"status": "requested"},
        {"status": "in_transit", "place_kind": "transit"},
    ):
        with pytest.raises(IntegrityError), desk.database.write() as connection:
            connection.execute(update(kit).where(kit.c.kit_number == number).values(**values))


def test_kits_of_an_open_order_leave_it_when_they_are_quarantined(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False)
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    name = orders[0]["shipment_id"]
    ordered = [one.kit_number for one in kits(desk, shipment_id=name)]
    do(desk, quarantine_kits, kit_numbers=(ordered[0],))
    answer = dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=name))
    assert answer["kits"] == ordered[1:]
    assert kits(desk, kit_number=ordered[0])[0].shipment_id is None
    do(desk, quarantine_kits, shipment_id=orders[1]["shipment_id"])
    with pytest.raises(DomainRefusal) as caught:
        dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=orders[1]["shipment_id"]))
    assert caught.value.code == "nothing-to-ship"
    intact(desk)


def test_a_shipment_that_is_quarantined_on_its_way_is_received_into_quarantine(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False)
    name = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"][0]["shipment_id"]
    dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=name))
    numbers = do(desk, quarantine_kits, shipment_id=name)["kits"]
    assert numbers
    assert {one.place_kind for one in kits(desk, status="quarantined")} == {"transit"}
    good = ReceiveRequest(shipment_id=name, dispositions={numbers[0]: "available"})
    with pytest.raises(DomainRefusal) as caught:
        receive_shipment(desk.service, ACT, STUDY, good)
    assert caught.value.code == "kit-quarantined"
    found = ReceiveRequest(shipment_id=name, dispositions={numbers[0]: "lost", numbers[1]: "damaged"})
    answer = receive_shipment(desk.service, ACT, STUDY, found)
    assert answer["kits"] == {"lost": 1, "damaged": 1, "quarantined": len(numbers) - 2}
    assert at_site(desk) == []
    assert do(desk, release_kits, shipment_id=name) == {"kits": numbers[2:], "not_possible": 2}
    assert at_site(desk) == numbers[2:]
    intact(desk)


def test_a_lot_is_quarantined_wherever_it_is_and_so_is_the_lot(desk: Desk) -> None:
    answer = do(desk, quarantine_kits, lot_id="ZZLOT1")
    rows = kits(desk, lot_id="ZZLOT1")
    assert len(answer["kits"]) == len(rows) == 20
    assert {one.status for one in rows} == {"quarantined"}
    assert {one.place_kind for one in rows} == {"depot", "site"}
    before = desk.state()
    assert do(desk, quarantine_kits, lot_id="ZZLOT1", key="again") == {"kits": [], "not_possible": 20}
    assert desk.state() == before, "a lot in quarantine is not quarantined twice"
    assert len(do(desk, release_kits, lot_id="ZZLOT1")["kits"]) == 20
    intact(desk)


def test_a_retry_gets_the_first_answer(desk: Desk) -> None:
    first = do(desk, quarantine_kits, key="k1", site_id="S01")
    before = desk.state()
    assert do(desk, quarantine_kits, key="k1", site_id="S01") == first
    assert desk.state() == before


def test_kits_are_damaged_lost_rejected_and_destroyed_at_a_site(empty_desk: Desk) -> None:
    document = protocol()
    document["supply"]["returns"] = {
        "destruction_at_site": True,
        "reconciliation": False,
        "approval": False,
    }
    desk = empty_desk.set_up(document=Protocol.model_validate(document))
    one, two, three = at_site(desk)[:3]
    do(desk, report_kits_damaged, kit_numbers=(one,))
    do(desk, report_kits_lost, kit_numbers=(two,))
    do(desk, quarantine_kits, kit_numbers=(three,))
    do(desk, reject_kits, kit_numbers=(three,))
    assert do(desk, destroy_kits, kit_numbers=(one, three))["kits"] == sorted((one, three))
    states = {row.kit_number: (row.status, row.place_kind, row.place) for row in kits(desk)}
    assert states[one] == states[three] == ("destroyed", "destroyed", "")
    assert states[two] == ("lost", "lost", "")
    intact(desk)


def test_kits_at_a_depot_are_destroyed_under_a_certificate_that_is_kept_once(desk: Desk) -> None:
    one, two, three = [row.kit_number for row in kits(desk, place_kind="depot", status="depot_available")][:3]
    do(desk, report_kits_damaged, kit_numbers=(one, two, three))
    do(desk, destroy_kits, kit_numbers=(one,))
    do(desk, destroy_kits, kit_numbers=(two,))  # the same certificate covers both
    with desk.database.read() as connection:
        (kept,) = connection.execute(select(destruction_certificate)).all()
    assert (kept.certificate, kept.place, kept.file_sha256) == ("DC-1", "Nord Entsorgung", "a" * 64)
    before = desk.state()
    for code, changed in (
        ("certificate-differs", {"place": "Elsewhere"}),
        ("contradicting-date", {"number": "DC-2", "destroyed_on": date(2027, 1, 1)}),
    ):
        request = DestroyKitsRequest(kit_numbers=(three,), certificate=CERTIFICATE.model_copy(update=changed))
        content = kit_act_content(STUDY, "destroy_kits", request, WHY)
        act = Act(SYSTEM_ACTOR, reason=WHY, signature=desk.signed(DESTROYED, content).signature)
        with pytest.raises(DomainRefusal) as refused:
            destroy_kits(desk.service, act, STUDY, request)
        assert refused.value.code == code
    assert desk.state() == before
    intact(desk)


@pytest.mark.parametrize("command", [quarantine_kits, release_kits, report_kits_lost, destroy_kits])
def test_without_a_reason_or_its_signature_nothing_is_done(desk: Desk, command: Any) -> None:
    request = scope_for(command, site_id="S01")
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        command(desk.service, ACT, STUDY, request)
    assert caught.value.code == "reason-missing"
    if command in MEANING:
        other = scope_for(command, site_id="S02")
        for signature in (
            None,
            desk.signed(MEANING[command], kit_act_content(STUDY, command.__name__, other, WHY)).signature,
            desk.signed("read", kit_act_content(STUDY, command.__name__, request, WHY)).signature,
        ):
            with pytest.raises(SignatureRefused):
                command(desk.service, Act(SYSTEM_ACTOR, reason=WHY, signature=signature), STUDY, request)
    assert desk.state() == before


def test_one_kit_that_does_not_allow_the_act_stops_it_for_all(desk: Desk) -> None:
    numbers = at_site(desk)
    do(desk, report_kits_lost, kit_numbers=(numbers[0],))
    before = desk.state()
    with pytest.raises(KitTransitionRefused, match=numbers[0]):
        do(desk, quarantine_kits, kit_numbers=tuple(numbers[:3]))
    with pytest.raises(NotFound):
        do(desk, quarantine_kits, kit_numbers=(numbers[1], "NOKIT"))
    assert desk.state() == before


def test_a_site_acts_on_its_own_stock_and_is_told_nothing_of_others(desk: Desk) -> None:
    ada = Actor("ada", "Ada", (Grant("site_coordinator", STUDY, "site", "S01"),))
    act = Act(ada, reason=WHY)
    ours, theirs = at_site(desk)[0], at_site(desk, "S02")[0]
    depot = kits(desk, place_kind="depot")[0].kit_number
    answer = quarantine_kits(desk.service, act, STUDY, KitScopeRequest(kit_numbers=(ours,)))
    assert answer == {"kits": [ours], "not_possible": 0}
    before = desk.state()
    for number in (theirs, depot, "NOKIT"):
        with pytest.raises(NotFound) as caught:
            quarantine_kits(desk.service, act, STUDY, KitScopeRequest(kit_numbers=(number,)))
        assert caught.value.message == f"kit {number} is not known here"
    for scope in ({"lot_id": "ZZLOT1"}, {"lot_id": "NOLOT"}, {"site_id": "S02"}, {"shipment_id": "S02-S001"}):
        with pytest.raises(NotPermitted):
            quarantine_kits(desk.service, act, STUDY, KitScopeRequest(**scope))
    with pytest.raises(NotPermitted):
        release_kits(desk.service, act, STUDY, KitScopeRequest(kit_numbers=(ours,)))
    assert desk.state() == before


def test_a_blinded_supply_manager_names_no_lot_and_a_depot_nothing_at_a_site(desk: Desk) -> None:
    blinded = Actor("sue", "Sue", (Grant("supply_manager_blinded", STUDY),))
    keeper = Actor("dan", "Dan", (Grant("depot_operator", STUDY, "depot", "D1"),))
    before = desk.state()
    with pytest.raises(NotPermitted):
        quarantine_kits(desk.service, Act(blinded, reason=WHY), STUDY, KitScopeRequest(lot_id="ZZLOT1"))
    number = at_site(desk)[0]
    with pytest.raises(NotFound):
        quarantine_kits(desk.service, Act(keeper, reason=WHY), STUDY, KitScopeRequest(kit_numbers=(number,)))
    wide = Actor("don", "Don", (Grant("depot_operator", STUDY),))
    with pytest.raises(NotPermitted):
        report_kits_damaged(desk.service, Act(wide, reason=WHY), STUDY, KitScopeRequest(site_id="S01"))
    assert desk.state() == before
    number = kits(desk, place_kind="depot")[0].kit_number
    request = KitScopeRequest(kit_numbers=(number,))
    assert quarantine_kits(desk.service, Act(keeper, reason=WHY), STUDY, request)["kits"] == [number]

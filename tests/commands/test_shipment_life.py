"""A shipment between its order and its receipt: ordered by hand, approved, packed by scan, sent, split, lost, received in part."""

import io
from collections import Counter
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.order_approval import (
    ShipmentRequest,
    approve_order,
    cancel_shipment,
    refuse_order,
)
from allocation.commands.packing import ExchangeRequest, PackRequest, exchange_kit, pack_kits
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.shipments_on_the_way import (
    CorrectDispatchRequest,
    correct_dispatch,
    lose_shipment,
)
from allocation.commands.stock_indents import IndentRequest, indent_stock
from allocation.errors import DomainRefusal, NotFound, NotPermitted
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import verify
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import kit, shipment
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from allocation.views.blinded.shipments import list_shipments, shipment_detail
from data_contracts import check
from pipelines.datasets import derive
from pipelines.events.reading import read_events
from pipelines.supply.conservation import conservation_breaks
from tests.api.trial import STUDY, protocol
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk

BEN = Actor("ben", "Ben", (Grant("supply_manager_blinded", STUDY),))
OPEN = Actor("olga", "Olga", (Grant("supply_manager_unblinded", STUDY),))
SITE = Actor("cora", "Cora", (Grant("site_coordinator", STUDY, "site", "S01"),))
DEPOT = Actor("dan", "Dan", (Grant("depot_operator", STUDY, "depot", "D1"),))
WHY = "because it is so"


def supplied(desk: Desk, kit_count: int = 60, **supply: Any) -> Desk:
    """Open sites and kits at the depot, under a protocol with these settings of supply."""
    document = protocol()
    document["supply"].update(supply)
    return desk.set_up_without_list(Protocol.model_validate(document), kit_count)


def do(
    desk: Desk, command: Any, request: Any, actor: Actor = SYSTEM_ACTOR, reason: str = WHY
) -> dict[str, Any]:
    answer: dict[str, Any] = command(desk.service, Act(actor, reason=reason), STUDY, request)
    assert "ZZ" not in str(answer)
    return answer


def refused(
    desk: Desk, code: str, command: Any, request: Any, actor: Actor = SYSTEM_ACTOR, reason: str = WHY
) -> str:
    """The act is refused with this code, changes nothing, and tells nothing of what is in a kit."""
    before = desk.state()
    with pytest.raises(DomainRefusal) as found:
        do(desk, command, request, actor, reason)
    assert found.value.code == code
    assert "ZZ" not in str(found.value)
    assert desk.state() == before
    return str(found.value)


def order(desk: Desk, kits: int = 3, actor: Actor = SITE, site_id: str = "S01") -> str:
    asked = IndentRequest(site_id=site_id, groups={"Bottle of 35 tablets": kits})
    shipment_id: str = do(desk, indent_stock, asked, actor)["shipment_id"]
    return shipment_id


def run(desk: Desk) -> dict[str, int]:
    answer = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    return {one["shipment_id"]: one["kits"] for one in answer["orders"]}


def kits_in(desk: Desk, shipment_id: str) -> list[Any]:
    with desk.database.read() as connection:
        query = select(kit).where(kit.c.shipment_id == shipment_id).order_by(kit.c.kit_number)
        return list(connection.execute(query))


def kit_at(desk: Desk, number: str) -> tuple[str, str, str]:
    with desk.database.read() as connection:
        row = connection.execute(select(kit).where(kit.c.kit_number == number)).one()
    return row.status, row.place_kind, row.place


def status_of(desk: Desk, shipment_id: str) -> str:
    with desk.database.read() as connection:
        query = select(shipment.c.status).where(shipment.c.shipment_id == shipment_id)
        return str(connection.execute(query).scalar_one())


def named(shipment_id: str) -> ShipmentRequest:
    return ShipmentRequest(shipment_id=shipment_id)


def assert_sound(desk: Desk, tmp_path: Path, *, in_lake: bool = False) -> Counter[str]:
    """Ledger, replay, the offline verifier and the pipeline tell one story, in which kits are conserved and decisions derive again."""
    seal_pending(desk.database)
    found = verify_ledger(desk.database, STUDY)
    assert found.intact, found.difference
    before = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == before
    out = tmp_path / "export.jsonl"
    with redirect_stdout(io.StringIO()):
        export_ledger(desk.database, STUDY, out)
    with out.open(encoding="utf-8") as lines:
        verify(lines)
    if in_lake and not desk.database.is_postgresql:  # what is derived there knows no database
        assert_conserved(desk, read_events(desk.database, STUDY))
    return Derivation(desk.database, STUDY).run()


def assert_conserved(desk: Desk, events: Any) -> None:
    datasets = derive(events, "unblinded")
    supply = {name: datasets[f"supply/{name}"] for name in ("kits", "kit_movements", "sites", "shipments")}
    for name, frame in supply.items():
        result = check(name, frame, supply)
        assert result.passed, result
    shipments = supply["shipments"]
    assert conservation_breaks(supply["kit_movements"], events["kit_movements"]).is_empty()
    with desk.database.read() as connection:
        rows = connection.execute(select(shipment.c.shipment_id, shipment.c.status)).all()
    assert dict(shipments.select("shipment_id", "status").iter_rows()) == {row[0]: row[1] for row in rows}


def test_an_order_waits_until_somebody_else_approves_it(empty_desk: Desk, tmp_path: Path) -> None:
    desk = supplied(empty_desk, order_approval="all")
    assert set(run(desk)) == {"S01-S001", "S02-S001"}
    assert {status_of(desk, one) for one in ("S01-S001", "S02-S001")} == {"proposed"}
    assert {one.status for one in kits_in(desk, "S01-S001")} == {
        "requested"
    }  # nobody else gets them meanwhile
    assert run(desk) == {}
    refused(desk, "shipment-state", dispatch_shipment, DispatchRequest(shipment_id="S01-S001"), DEPOT)
    refused(desk, "own-order", approve_order, named("S01-S001"))
    refused(desk, "own-order", refuse_order, named("S01-S001"))
    for who in (SITE, DEPOT):
        refused(desk, "not-permitted", approve_order, named("S01-S001"), who)
    assert do(desk, approve_order, named("S01-S001"), BEN) == {
        "shipment_id": "S01-S001",
        "status": "confirmed",
    }
    refused(desk, "shipment-state", approve_order, named("S01-S001"), BEN)
    assert run(desk) == {}
    do(desk, dispatch_shipment, DispatchRequest(shipment_id="S01-S001"), DEPOT)
    refused(desk, "reason-missing", refuse_order, named("S02-S001"), BEN, " ")
    given_back = do(desk, refuse_order, named("S02-S001"), BEN)["kits"]
    assert {kit_at(desk, one) for one in given_back} == {("depot_available", "depot", "D1")}
    (again,) = run(desk)  # a refused order is as if it had not been placed: the site is still to be seeded
    assert status_of(desk, again) == "proposed"
    assert do(desk, cancel_shipment, named(again))["status"] == "cancelled"
    refused(desk, "shipment-state", cancel_shipment, named(again))
    refused(desk, "shipment-state", cancel_shipment, named("S01-S001"))  # it has left
    assert_sound(desk, tmp_path, in_lake=True)


def test_the_blinded_order_the_same_of_every_look_alike_and_the_unblinded_by_type(
    empty_desk: Desk, tmp_path: Path
) -> None:
    desk = supplied(empty_desk, order_approval="manual")
    shipment_id = order(desk, 3)
    assert Counter(one.kit_type for one in kits_in(desk, shipment_id)) == {
        "ZZKITA": 3,
        "ZZKITB": 3,
        "ZZKITC": 3,
    }
    assert status_of(desk, shipment_id) == "proposed"
    by_type = IndentRequest(site_id="S01", kit_types={"ZZKITB": 2})
    for who in (SITE, BEN):
        refused(desk, "not-permitted", indent_stock, by_type, who)
    second = indent_stock(desk.service, Act(OPEN), STUDY, by_type)["shipment_id"]
    assert Counter(one.kit_type for one in kits_in(desk, second)) == {"ZZKITA": 1, "ZZKITB": 2, "ZZKITC": 1}
    refused(desk, "unknown-group", indent_stock, IndentRequest(site_id="S01", groups={"VIAL": 1}), SITE)
    refused(desk, "not-permitted", indent_stock, IndentRequest(site_id="S02", groups={"BOTTLE": 1}), SITE)
    unknown = IndentRequest(site_id="S01", kit_types={"K9": 1})
    refused(desk, "unknown-kit-type", indent_stock, unknown, OPEN)
    refused(desk, "already-seeded", indent_stock, IndentRequest(site_id="S01", seed=True), SITE)
    seeded = do(desk, indent_stock, IndentRequest(site_id="S02", seed=True), BEN)
    assert seeded["kits"] == 6
    # What is ordered by hand is in the pipeline of the next run, which needs no approval here.
    assert all(status_of(desk, one) == "requested" for one in run(desk))
    order(desk, 40)  # ships what there is
    refused(desk, "nothing-to-ship", indent_stock, IndentRequest(site_id="S01", groups={"BOTTLE": 1}), SITE)
    assert assert_sound(desk, tmp_path)["indent_stock"] == 4


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"seed": True, "groups": {"BOTTLE": 1}},
        {"groups": {"BOTTLE": 0}},
        {"groups": {"BOTTLE": -3}},
        {"groups": {"BOTTLE": 2.5}},
        {"groups": {"BOTTLE": "3"}},
        {"kit_types": {"ZZKITA": 10_001}},
        {"kit_types": {"not a code": 1}},
    ],
)
def test_an_order_that_makes_no_sense_is_no_request(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"quantit|groups|whole number|String should match"):
        IndentRequest(site_id="S01", **asked)


def test_what_is_packed_is_what_was_ordered_and_nothing_leaves_unpacked(
    empty_desk: Desk, tmp_path: Path
) -> None:
    desk = supplied(empty_desk, pack_by_scan=True)
    shipment_id, other = order(desk, 2), order(desk, 1)
    first, *rest = [one.kit_number for one in kits_in(desk, shipment_id)]
    theirs = kits_in(desk, other)[0].kit_number

    def pack(*scans: str) -> PackRequest:
        return PackRequest(shipment_id=shipment_id, scans=scans)

    told = refused(desk, "kit-not-ordered", pack_kits, pack(first, theirs), DEPOT)
    assert first in told
    refused(desk, "kit-packed", pack_kits, pack(first, f"(21){first}"), DEPOT)
    refused(desk, "not-found", pack_kits, pack("9999999"), DEPOT)
    refused(desk, "label-contradicts", pack_kits, pack(f"(17)200101(21){first}"), DEPOT)
    refused(desk, "not-permitted", pack_kits, pack(first), SITE)
    answer = do(desk, pack_kits, pack(first), DEPOT)
    assert (answer["packed"], answer["to_pack"]) == ([first], rest)
    refused(desk, "kit-packed", pack_kits, pack(first), DEPOT)
    send = DispatchRequest(shipment_id=shipment_id)
    assert rest[0] in refused(desk, "not-packed", dispatch_shipment, send, DEPOT)

    damaged, lost = rest[0], rest[1]
    exchange = ExchangeRequest(shipment_id=shipment_id, kit_number=damaged, found="damaged")
    refused(desk, "reason-missing", exchange_kit, exchange, DEPOT, "")
    type_of = {one.kit_number: one.kit_type for one in kits_in(desk, shipment_id)}
    new = do(desk, exchange_kit, exchange, DEPOT)["replacement"]
    assert {one.kit_number: one.kit_type for one in kits_in(desk, shipment_id)}[new] == type_of[damaged]
    assert kit_at(desk, damaged) == ("damaged", "depot", "D1")
    refused(desk, "kit-not-ordered", exchange_kit, exchange, DEPOT)
    missing = ExchangeRequest(shipment_id=shipment_id, kit_number=lost, found="lost")
    newer = do(desk, exchange_kit, missing, DEPOT)["replacement"]
    assert kit_at(desk, lost) == ("lost", "lost", "")

    box = [new, newer, *rest[2:4]]
    left = do(desk, pack_kits, pack(*box), DEPOT)["to_pack"]
    assert len(left) == 1
    split = DispatchRequest(
        shipment_id=shipment_id, split=True, carrier="Cold Chain", loggers=("TT-1", "TT-2")
    )
    gone = do(desk, dispatch_shipment, split, DEPOT)
    assert set(gone["kits"]) == {first, *box}
    assert [one.kit_number for one in kits_in(desk, gone["split_off"])] == left
    assert kit_at(desk, left[0]) == ("requested", "depot", "D1")
    refused(desk, "not-packed", dispatch_shipment, DispatchRequest(shipment_id=gone["split_off"]), DEPOT)
    do(desk, pack_kits, PackRequest(shipment_id=gone["split_off"], scans=tuple(left)), DEPOT)
    do(desk, dispatch_shipment, DispatchRequest(shipment_id=gone["split_off"]), DEPOT)
    derived = assert_sound(desk, tmp_path, in_lake=True)
    assert (derived["exchange_kit"], derived["indent_stock"]) == (2, 2)


def test_a_depot_without_another_kit_sends_the_order_without_it(empty_desk: Desk) -> None:
    desk = supplied(empty_desk, kit_count=9)
    shipment_id = order(desk, 3)
    numbers = [one.kit_number for one in kits_in(desk, shipment_id)]
    exchange = ExchangeRequest(shipment_id=shipment_id, kit_number=numbers[0], found="damaged")
    assert do(desk, exchange_kit, exchange, DEPOT)["replacement"] is None
    assert do(desk, dispatch_shipment, DispatchRequest(shipment_id=shipment_id), DEPOT)["kits"] == numbers[1:]


def test_what_was_said_at_dispatch_is_corrected_with_a_reason(empty_desk: Desk) -> None:
    desk = supplied(empty_desk)
    shipment_id = order(desk, 1)
    later = CorrectDispatchRequest(shipment_id=shipment_id, tracking_number="T2", loggers=("TT-9",))
    refused(desk, "shipment-state", correct_dispatch, later, DEPOT)
    desk.move(days=2)
    for on, code in ((date(2026, 3, 1), "dispatch-date"), (date(2026, 3, 5), "dispatch-date")):
        refused(
            desk, code, dispatch_shipment, DispatchRequest(shipment_id=shipment_id, dispatched_on=on), DEPOT
        )
    sent = DispatchRequest(shipment_id=shipment_id, dispatched_on=date(2026, 3, 3), carrier="Cold Chain")
    assert do(desk, dispatch_shipment, sent, DEPOT)["expected_on"] == "2026-03-05"
    refused(desk, "reason-missing", correct_dispatch, later, DEPOT, "")
    early = CorrectDispatchRequest(shipment_id=shipment_id, expected_on=date(2026, 3, 2))
    refused(desk, "arrival-before-dispatch", correct_dispatch, early, DEPOT)
    refused(desk, "not-permitted", correct_dispatch, later, SITE)
    assert do(desk, correct_dispatch, later, DEPOT)["corrected"] == ["loggers", "tracking_number"]
    (found,) = list_shipments(desk.database, SITE, STUDY, now=desk.now).shipments
    assert (found.carrier, found.tracking_number, found.loggers) == ("Cold Chain", "T2", ("TT-9",))
    assert (found.ordered_by, found.dispatched_on, found.late) == ("cora", date(2026, 3, 3), False)
    assert list_shipments(desk.database, SITE, STUDY, late=True, now=desk.now).shipments == ()
    desk.move(days=2)
    (late,) = list_shipments(desk.database, SITE, STUDY, late=True, now=desk.now).shipments
    assert (late.shipment_id, late.late) == (shipment_id, True)
    with pytest.raises(ValueError, match="tracking_number"):
        CorrectDispatchRequest(shipment_id=shipment_id)


def test_a_delivery_comes_in_parts_with_strangers_and_what_never_came_is_ordered_again(
    empty_desk: Desk, tmp_path: Path
) -> None:
    desk = supplied(empty_desk)
    first, second = run(desk)  # one to each site
    numbers = [one.kit_number for one in kits_in(desk, first)]
    do(desk, dispatch_shipment, DispatchRequest(shipment_id=first), DEPOT)
    do(desk, dispatch_shipment, DispatchRequest(shipment_id=second), DEPOT)
    for place in (numbers[3],):
        do(desk, quarantine_kits, KitScopeRequest(kit_numbers=(place,)), BEN)
    with desk.database.read() as connection:
        query = select(kit.c.kit_number).where(kit.c.status == "depot_available").order_by(kit.c.kit_number)
        at_depot = list(connection.execute(query).scalars())
    of_other = kits_in(desk, second)[0].kit_number

    def receive(found: dict[str, str], *unlisted: str) -> ReceiveRequest:
        return ReceiveRequest.model_validate(
            {"shipment_id": first, "dispositions": found, "unlisted": unlisted}
        )

    never = dict.fromkeys(numbers, "not_arrived")
    refused(desk, "nothing-arrived", receive_shipment, receive(never), SITE)
    refused(desk, "kit-listed", receive_shipment, receive({}, numbers[0]), SITE)
    refused(desk, "kit-twice", receive_shipment, receive({}, at_depot[0], f"(21){at_depot[0]}"), SITE)
    refused(desk, "not-found", receive_shipment, receive({}, "9999999"), SITE)
    refused(desk, "kit-not-in-shipment", receive_shipment, receive({at_depot[0]: "damaged"}), SITE)
    refused(desk, "kit-quarantined", receive_shipment, receive({numbers[3]: "available"}), SITE)

    came = {numbers[0]: "damaged", numbers[4]: "not_arrived", numbers[5]: "not_arrived"}
    answer = do(desk, receive_shipment, receive(came, at_depot[0], of_other), SITE)
    assert answer["status"] == "in_transit"
    assert answer["kits"] == {"available": 2, "damaged": 1, "quarantined": 1}
    assert answer["awaited"] == numbers[4:6]
    assert {kit_at(desk, one) for one in (at_depot[0], of_other)} == {("quarantined", "site", "S01")}
    assert {kit_at(desk, one)[:2] for one in numbers[4:6]} == {("in_transit", "transit")}
    detail = shipment_detail(desk.database, SITE, STUDY, first)
    assert {one.kit_number: one.disposition for one in detail.contents}[of_other] == "unlisted"

    answer = do(desk, receive_shipment, receive({numbers[4]: "available", numbers[5]: "not_arrived"}), SITE)
    assert (answer["kits"], answer["awaited"]) == ({"available": 1}, [numbers[5]])
    refused(desk, "reason-missing", lose_shipment, named(first), SITE, "")
    assert do(desk, lose_shipment, named(first), SITE)["kits"] == [numbers[5]]
    assert kit_at(desk, numbers[5]) == ("lost", "lost", "")
    told = refused(desk, "shipment-state", receive_shipment, receive({}), SITE)
    assert "S01-S001 is lost" in told
    # A lost kit that turns up is accounted for, and never used again.
    again = do(desk, receive_shipment, ReceiveRequest(shipment_id=second, unlisted=(numbers[5],)))
    assert (again["status"], kit_at(desk, numbers[5])) == ("received", ("damaged", "site", "S02"))
    told = refused(desk, "shipment-state", receive_shipment, ReceiveRequest(shipment_id=second))
    assert "S02-S001 is received" in told
    with pytest.raises(NotFound):
        do(desk, receive_shipment, ReceiveRequest(shipment_id="S09-S001"))
    with pytest.raises(NotPermitted):
        do(desk, lose_shipment, named(second), SITE)
    assert_sound(desk, tmp_path, in_lake=True)


def test_a_lost_shipment_counts_no_more_and_the_next_run_orders_it_again(
    empty_desk: Desk, tmp_path: Path
) -> None:
    desk = supplied(empty_desk)
    first, second = run(desk)
    for one in (first, second):
        do(desk, dispatch_shipment, DispatchRequest(shipment_id=one), DEPOT)
    assert run(desk) == {}
    refused(desk, "not-permitted", lose_shipment, named(second), SITE)
    do(desk, lose_shipment, named(first), DEPOT)
    assert list(run(desk)) == ["S01-S002"]
    assert_sound(desk, tmp_path)

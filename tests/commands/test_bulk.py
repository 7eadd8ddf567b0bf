"""Bulk supply from the depot to its end: people name lots and quantities, the ledger the units, and everything adds up."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import quarantine_kits, release_kits, report_kits_damaged, report_kits_lost
from allocation.commands.kit_counts import ReturnFromSubjectRequest, return_from_subject
from allocation.commands.kit_numbering import NumberKitsRequest, number_kits_of_lots
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.kits import LoadKitsRequest, load_kits
from allocation.commands.packing import ExchangeRequest, PackRequest, exchange_kit, pack_kits
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.return_ends import DestroyReturnedRequest, destroy_returned_kits
from allocation.commands.return_shipping import ReceiveReturnRequest, receive_return
from allocation.commands.returns import (
    DeclareReturnRequest,
    ReconcileReturnRequest,
    declare_return,
    reconcile_return,
)
from allocation.commands.service import Act
from allocation.commands.shipments import (
    DispatchRequest,
    ReceiveRequest,
    dispatch_shipment,
    receive_shipment,
)
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version, unsupported_changes
from allocation.errors import DomainRefusal, FileRefused, NotFound
from allocation.rules.kit_authority import DESTROYED
from allocation.study.protocol import Protocol
from allocation.study.yaml_files import load_protocol
from allocation.views.blinded.reconciliation import reconciliation
from allocation.views.blinded.returns import return_detail
from allocation.views.blinded.shipments import shipment_detail
from allocation.views.blinded.site_accountability import site_log
from allocation.views.blinded.stock import site_stock
from allocation.views.blinded.subject_accountability import subject_accountability
from allocation.views.blinded.subjects import subject_detail
from tests.api.trial import STUDY
from tests.commands.bulk_trial import bulk_document, load_syringes, with_syringes
from tests.commands.desk import ACT, Desk
from tests.commands.return_people import DEPOT, MONITOR, SITE, signed
from tests.commands.test_kit_acts import do, intact, kits
from tests.commands.test_returns import WHY, approve, ship

WITH_REASON = Act(SYSTEM_ACTOR, reason="counted again")


def of_lot(lot: str, quantity: int, **more: Any) -> dict[str, Any]:
    return {"lot": lot, "quantity": quantity, **more}


def counted(desk: Desk, **where: Any) -> dict[tuple[str, str], int]:
    """Syringes by lot and status."""
    return dict(Counter((one.lot_id, one.status) for one in kits(desk, kit_type="SYRINGES", **where)))


def told(view: Any) -> list[tuple[str | None, int]]:
    """The bulk lines of a view; no unit is named anywhere in it."""
    assert "~" not in view.model_dump_json()
    lines = (
        getattr(view, "kits", None) or getattr(view, "contents", None) or getattr(view, "discrepancies", ())
    )
    return [(one.lot, one.quantity) for one in lines if one.lot is not None]


def refusal(desk: Desk, what: Any, *args: Any) -> DomainRefusal:
    """The refusal of an act, which named no unit and changed nothing."""
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        what(*args)
    assert desk.state() == before
    assert "~" not in str(caught.value)
    return caught.value


def test_lots_and_quantities_go_from_the_depot_to_the_subject_and_every_unit_is_in_the_ledger(
    empty_desk: Desk,
) -> None:
    desk = with_syringes(empty_desk, stocked=False)
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    name = orders[0]["shipment_id"]
    # 12 a site by the seed quantity: all of SY-B, which expires first, goes to the first site.
    assert told(shipment_detail(desk.database, SYSTEM_ACTOR, STUDY, name)) == [("SY-B", 10), ("SYR-1", 2)]
    pack = lambda *bulk: pack_kits(  # noqa: E731
        desk.service, ACT, STUDY, PackRequest.model_validate({"shipment_id": name, "bulk": bulk})
    )
    answer = pack(of_lot("SY-B", 7))
    assert answer["bulk"] == {
        "packed": [of_lot("SY-B", 7)],
        "to_pack": [of_lot("SY-B", 3), of_lot("SYR-1", 2)],
    }
    assert refusal(desk, pack, of_lot("SY-B", 4)).code == "too-few-of-lot"
    assert refusal(desk, pack, of_lot("SY-B", 2), of_lot("SY-B", 2)).code == "too-few-of-lot"
    assert refusal(desk, pack, of_lot("SY-C", 1)).code == "lot-not-here"
    exchange = ExchangeRequest(shipment_id=name, lot="SY-B", found="damaged")
    assert exchange_kit(desk.service, WITH_REASON, STUDY, exchange)["bulk"] == {
        "replacement": [of_lot("SYR-1", 1)]
    }
    answer = dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=name))
    assert answer["bulk"] == {"kits": [of_lot("SY-B", 9), of_lot("SYR-1", 3)]}
    desk.move(days=2)
    receive = lambda *bulk: receive_shipment(  # noqa: E731
        desk.service, ACT, STUDY, ReceiveRequest.model_validate({"shipment_id": name, "bulk": bulk})
    )
    assert refusal(desk, receive, {"lot": "SY-B", "available": 10}).code == "more-than-shipped"
    assert refusal(desk, receive, {"lot": "SY-B", "available": 8}).code == "units-left-out"
    assert refusal(desk, receive, {"lot": "SY-C", "available": 1}).code == "lot-not-in-shipment"
    answer = receive({"lot": "SY-B", "available": 5, "damaged": 1, "quarantined": 1, "lost": 2})
    assert answer["status"] == "received"
    assert counted(desk, place="S01") == {
        ("SY-B", "site_available"): 5,
        ("SY-B", "damaged"): 1,
        ("SY-B", "quarantined"): 1,
        ("SY-A", "site_available"): 3,
    }
    who = desk.randomized()
    answer = dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    assert len(answer["kit_numbers"]) == 1
    assert answer["bulk"] == {"kit_numbers": [of_lot("SY-B", 4)]}  # first expiry first out
    assert told(subject_detail(desk.database, SYSTEM_ACTOR, STUDY, who)) == [("SY-B", 4)]
    replaced = ReplaceKitRequest(subject_id=who, lot="SY-B", found="lost")
    answer = replace_kit(desk.service, WITH_REASON, STUDY, replaced)
    assert (answer["replaced"], answer["kit_number"]) == (None, None)
    assert answer["bulk"] == {"replaced": [of_lot("SY-B", 1)], "kit_number": [of_lot("SY-B", 1)]}
    back = ReturnFromSubjectRequest.model_validate(
        {"subject_id": who, "bulk": [of_lot("SY-B", 4, returned_units="1", lost_units="1")]}
    )
    return_from_subject(desk.service, ACT, STUDY, back)
    (line,) = [
        one
        for one in subject_accountability(desk.database, SYSTEM_ACTOR, STUDY, who).kits
        if one.lot == "SY-B" and one.status == "returned"
    ]
    assert (line.quantity, line.dispensed_units, line.returned_units) == (4, "4", "1")
    assert (line.lost_units, line.used_units) == ("1", "2")
    assert sum(quantity for _, quantity in told(site_log(desk.database, SYSTEM_ACTOR, STUDY, "S01"))) == 10
    assert ("SY-B", 2) in told(reconciliation(desk.database, SYSTEM_ACTOR, STUDY, site_id="S01"))
    intact(desk)


def test_bulk_supply_is_loaded_whole_or_not_at_all_and_numbers_are_for_kits_that_have_them(
    sqlite_desk: Desk,
) -> None:
    desk = with_syringes(sqlite_desk, stocked=False)
    found = refusal(desk, lambda: load_syringes(desk, ("SY-A", 5), ("SY-C", 1), ("ZZLOT1", 1)))
    assert isinstance(found, FileRefused)
    assert [line.split(":")[0] for line in found.problems] == ["row 2", "row 3"]
    assert refusal(desk, lambda: load_syringes(desk, ("ZZLOT1", 1), kit_type="ZZKITA")).code == "file-refused"
    assert isinstance(refusal(desk, lambda: load_syringes(desk, ("SY-A", 1), depot_id="D9")), NotFound)
    numbered = {"kit_number": "9001", "kit_type": "SYRINGES", "lot_id": "SY-A"}
    request = LoadKitsRequest.model_validate({"depot_id": "D1", "kits": [numbered]})
    assert refusal(desk, load_kits, desk.service, ACT, STUDY, request).code == "file-refused"
    listed = NumberKitsRequest.model_validate({"lots": [{"lot_id": "SY-A", "count": 5}]})
    assert refusal(desk, number_kits_of_lots, desk.service, ACT, STUDY, listed).code == "no-numbers"
    assert load_syringes(desk, ("SY-A", 2)) == {"depot_id": "D1", "rows": 1, "units": 2}
    assert len(kits(desk, kit_type="SYRINGES")) == 42


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "3", True])
def test_a_quantity_is_a_whole_number_of_one_or_more(quantity: Any) -> None:
    named = {"lot": "SY-A", "quantity": quantity}
    for kind, fields in (
        (KitScopeRequest, {"site_id": "S01"}),
        (PackRequest, {"shipment_id": "X"}),
        (DeclareReturnRequest, {"site_id": "S01"}),
    ):
        with pytest.raises(ValidationError) as caught:
            kind.model_validate({**fields, "bulk": [named]})
        assert caught.value.errors()[0]["loc"] == ("bulk", 0, "quantity")


def test_a_site_acts_on_so_many_of_a_lot_and_units_set_aside_are_taken_last(sqlite_desk: Desk) -> None:
    document = bulk_document()
    document["dosing"] = {"confirmation": True, "replacement": True}
    desk = with_syringes(sqlite_desk, document=document)
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    assert counted(desk, place="S01") == {
        ("SY-B", "assigned"): 4,
        ("SY-B", "site_available"): 6,
        ("SY-A", "site_available"): 2,
    }
    at = {"site_id": "S01"}
    assert do(desk, quarantine_kits, **at, bulk=[of_lot("SY-B", 3)])["bulk"] == {"kits": [of_lot("SY-B", 3)]}
    assert do(desk, release_kits, **at, bulk=[of_lot("SY-B", 2)])["not_possible"] == 0
    do(desk, report_kits_damaged, **at, bulk=[of_lot("SYR-1", 1)])
    do(desk, report_kits_lost, **at, bulk=[of_lot("SY-B", 4)])
    assert counted(desk, place="S01") == {
        ("SY-B", "assigned"): 4,
        ("SY-B", "site_available"): 1,
        ("SY-B", "quarantined"): 1,
        ("SY-A", "site_available"): 1,
        ("SY-A", "damaged"): 1,
    }
    lines = site_stock(desk.database, SYSTEM_ACTOR, STUDY, "S01")
    assert sum(quantity for _, quantity in told(lines)) == 8
    too_many = KitScopeRequest.model_validate({**at, "bulk": [of_lot("SY-B", 3)]})
    assert (
        refusal(desk, report_kits_damaged, desk.service, WITH_REASON, STUDY, too_many).code
        == "too-few-of-lot"
    )
    number = next(one.kit_number for one in kits(desk, status="assigned") if one.kit_type != "SYRINGES")

    def confirm(handed: int, kept: int) -> dict[str, Any]:
        request = {
            "subject_id": who,
            "handed_out": [number],
            "bulk_handed_out": [of_lot("SY-B", handed)],
            "bulk_not_dispensed": [of_lot("SY-B", kept, reason="needle bent")],
        }
        validated = ConfirmDispensingRequest.model_validate(request)
        return confirm_dispensing(desk.service, ACT, STUDY, validated)

    assert refusal(desk, confirm, 2, 1).code == "kit-left-out"
    assert "1 of lot SY-B" in str(refusal(desk, confirm, 2, 1))
    assert refusal(desk, confirm, 3, 2).code == "too-few-of-lot"
    assert confirm(3, 1)["bulk"] == {"handed_out": [of_lot("SY-B", 3)], "not_dispensed": [of_lot("SY-B", 1)]}
    intact(desk)


def test_bulk_supply_is_returned_counted_received_and_destroyed_by_lot(sqlite_desk: Desk) -> None:
    desk = with_syringes(sqlite_desk)
    declared = DeclareReturnRequest.model_validate(
        {"site_id": "S01", "unused_as": "excess", "bulk": [of_lot("SY-B", 5), of_lot("SYR-1", 2)]}
    )
    answer = declare_return(desk.service, Act(SITE), STUDY, declared)
    name = answer["return_id"]
    assert answer["bulk"] == {"kits": [of_lot("SY-B", 5), of_lot("SYR-1", 2)]}
    missing = {"return_id": name, "bulk": [of_lot("SY-B", 1, found=False, reason="not in the cupboard")]}
    request = ReconcileReturnRequest.model_validate(missing)
    reconcile_return(desk.service, Act(MONITOR), STUDY, request)
    approve(desk, name)
    assert ship(desk, name)["bulk"] == {"kits": [of_lot("SY-B", 4), of_lot("SYR-1", 2)]}
    damaged = {"return_id": name, "bulk": [of_lot("SYR-1", 1, found="damaged", reason="crushed")]}
    arrived = receive_return(desk.service, Act(DEPOT), STUDY, ReceiveReturnRequest.model_validate(damaged))
    assert arrived["kits"] == {"good": 5, "damaged": 1, "missing": 0}
    certificate = {
        "number": "C-1",
        "destroyed_on": desk.now.date(),
        "place": "Incinerator Nord",
        "file_name": "c1.pdf",
        "file_sha256": "a" * 64,
    }
    fields = {"return_id": name, "bulk": [of_lot("SY-B", 3)], "certificate": certificate}
    destroyed = DestroyReturnedRequest.model_validate(fields)
    act = signed(desk, DEPOT, "destroy_returned_kits", destroyed, DESTROYED, WHY)
    answer = destroy_returned_kits(desk.service, act, STUDY, destroyed)
    assert (answer["bulk"], answer["left"]) == ({"kits": [of_lot("SY-B", 3)]}, 3)
    assert ("SY-B", 3) in told(return_detail(desk.database, SYSTEM_ACTOR, STUDY, name))
    intact(desk)


def test_a_recall_of_a_bulk_lot_tells_where_how_many_are(sqlite_desk: Desk) -> None:
    desk = with_syringes(sqlite_desk)
    answer = recall_lot(desk.service, WITH_REASON, STUDY, RecallLotRequest(lot_id="SY-B"))
    assert answer["kits"] == []
    assert {(one["place"], one["status"], one["quantity"]) for one in answer["bulk"]["kits"]} == {
        ("S01", "quarantined", 10)
    }
    assert "~" not in json.dumps(answer)


def test_the_number_of_a_unit_can_be_named_by_nobody(sqlite_desk: Desk) -> None:
    desk = with_syringes(sqlite_desk)
    number = next(one.kit_number for one in kits(desk, kit_type="SYRINGES"))
    for kind, fields in (
        (KitScopeRequest, {"kit_numbers": [number]}),
        (ReceiveRequest, {"shipment_id": "X", "dispositions": {number: "lost"}}),
    ):
        with pytest.raises(ValidationError):
            kind.model_validate(fields)
    request = PackRequest.model_validate({"shipment_id": "S01-S001", "scans": [number]})
    with pytest.raises(DomainRefusal):
        pack_kits(desk.service, ACT, STUDY, request)


def test_kit_types_stay_numbered_or_bulk_in_a_running_study() -> None:
    old, new = bulk_document(), bulk_document(serialized=True)
    (found,) = unsupported_changes(Protocol.model_validate(old), Protocol.model_validate(new))
    assert found.startswith("kit_types[3].serialized")


def test_bulk_supply_is_neither_a_device_nor_pooled() -> None:
    reusable = bulk_document(reusable=True)
    pooled = bulk_document()
    item = {"kit_type": "SYRINGES", "item": "SYRINGE-1ML"}
    pooled["supply"]["pools"] = [{"code": "POOL", "level": "depot", "items": [item]}]
    for document, words in ((reusable, "reusable device"), (pooled, "pooled with other studies")):
        with pytest.raises(ValidationError, match=rf"kit_types\[3\]\.serialized.*{words}"):
            Protocol.model_validate(document)


def test_the_example_study_has_bulk_supply_and_can_be_loaded(sqlite_desk: Desk) -> None:
    example = load_protocol(Path(__file__).resolve().parents[2] / "studies" / "bulk-supply.yaml")
    assert [one.code for one in example.kit_types if not one.serialized] == ["SYRINGES"]
    loaded = LoadStudyVersionRequest(protocol=example)
    assert load_study_version(sqlite_desk.service, ACT, loaded)["study_id"] == "ORT-INJ"

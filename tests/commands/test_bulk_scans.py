"""Bulk supply by scan: the lot and the count of a GS1 label, into the box of an order and out of it."""

from typing import Any

import pytest

from allocation.commands.packing import PackRequest, pack_kits
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.errors import DomainRefusal
from allocation.gs1_labels import read_label, read_scan
from allocation.rules.scanned_kits import LotLabel
from tests.api.trial import STUDY
from tests.commands.bulk_trial import bulk_document, with_syringes
from tests.commands.desk import ACT, Desk
from tests.commands.test_bulk import counted, of_lot, refusal
from tests.commands.test_kit_acts import intact

GTIN = "09521234543213"
GS = "\x1d"


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        ("(10)SY-B(30)12", LotLabel("SY-B", 12)),
        (f"(01){GTIN}(10)SY-B", LotLabel("SY-B", 1, GTIN)),
        (f"(02){GTIN}(37)24(10)SY-B", LotLabel("SY-B", 24, GTIN)),
        (f"]C101{GTIN}10SY-B{GS}3012", LotLabel("SY-B", 12, GTIN)),
    ],
)
def test_a_label_with_a_lot_and_no_serial_number_is_so_many_units(scan: str, expected: LotLabel) -> None:
    assert read_scan(scan) == expected
    with pytest.raises(DomainRefusal, match="serial number"):
        read_label(scan)


@pytest.mark.parametrize("scan", ["(30)12", "(10)SY-B(30)0", f"(02){GTIN}(37)24(30)12(10)SY-B"])
def test_a_label_without_a_lot_or_a_count_that_can_be_is_unreadable(scan: str) -> None:
    with pytest.raises(DomainRefusal) as caught:
        read_scan(scan)
    assert caught.value.code == "label-unreadable"


def test_scanned_lots_are_packed_and_received_by_their_counts(sqlite_desk: Desk) -> None:
    document = bulk_document()
    document["blinding_groups"] = [
        {**one, "gtin": GTIN} if one["code"] == "SYRINGE" else one for one in document["blinding_groups"]
    ]
    desk = with_syringes(sqlite_desk, stocked=False, document=document)
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    name = orders[0]["shipment_id"]  # 10 of SY-B, 2 of SY-A, which people read as SYR-1

    def pack(*scans: str, **more: Any) -> Any:
        request = PackRequest.model_validate({"shipment_id": name, "scans": scans, **more})
        return pack_kits(desk.service, ACT, STUDY, request)["bulk"]

    assert refusal(desk, pack, "(10)SY-B(30)11").code == "too-few-of-lot"
    assert refusal(desk, pack, "(10)SY-B(30)4", "(10)SY-B(30)7").code == "too-few-of-lot"
    assert refusal(desk, pack, "(10)SY-C/7(30)1").code == "lot-not-in-shipment"
    assert refusal(desk, pack, "(17)270101(10)SY-B(30)1").code == "label-contradicts"
    assert refusal(desk, pack, "(01)09501101530003(10)SY-B(30)1").code == "label-contradicts"
    assert pack("(17)261231(10)SY-B(30)6", "(10)SY-B", f"(02){GTIN}(37)2(10)SYR-1")["packed"] == [
        of_lot("SY-B", 7),
        of_lot("SYR-1", 2),
    ]
    assert pack("(10)SY-B(30)2", bulk=[of_lot("SY-B", 1)])["packed"][0] == of_lot("SY-B", 10)
    dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=name))
    desk.move(days=2)

    def receive(*scans: str, **more: Any) -> Any:
        request = ReceiveRequest.model_validate({"shipment_id": name, "scans": scans, **more})
        return receive_shipment(desk.service, ACT, STUDY, request)

    assert refusal(desk, receive, "(10)SY-B(30)11").code == "more-than-shipped"
    by_hand = lambda: receive("(10)SYR-1(30)2", bulk=[{"lot": "SY-A", "available": 2}])  # noqa: E731
    assert refusal(desk, by_hand).code == "lot-counted"
    answer = receive("(10)SY-B(30)9", bulk=[{"lot": "SYR-1", "available": 1, "damaged": 1}])
    assert answer["status"] == "in_transit"
    assert answer["bulk"]["awaited"] == [of_lot("SY-B", 1)]
    assert counted(desk, place="S01") == {
        ("SY-B", "site_available"): 9,
        ("SY-A", "site_available"): 1,
        ("SY-A", "damaged"): 1,
    }
    intact(desk)

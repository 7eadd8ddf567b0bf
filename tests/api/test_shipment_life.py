"""Orders and shipments over HTTP, in a trial whose kits have a GTIN: labels and scans, orders by hand, approval, packing, receipt."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import Trial, trial_at
from tests.api.trial import STUDY, protocol

PATH = f"/studies/{STUDY}"
GTIN = "09501101530003"


@pytest.fixture(scope="module")
def trial(module_url: str) -> Iterator[Trial]:
    """A stocked trial whose blinding group has a GTIN."""
    document = protocol()
    document["blinding_groups"][0]["gtin"] = GTIN
    document["supply"] |= {"order_approval": "manual", "pack_by_scan": True}
    with trial_at(module_url, document=document, stocked=False) as running:
        yield running


def test_an_order_by_hand_is_approved_packed_by_gs1_scan_and_received_in_part(trial: Trial) -> None:
    site, supply, depot = (trial.clients[who] for who in ("coordinator", "supply", "depot"))
    refused = site.post(f"{PATH}/orders", {"site_id": "S01", "kit_types": {"ZZKITA": 2}})
    assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted")
    order = site.done(f"{PATH}/orders", {"site_id": "S01", "groups": {"BOTTLE": 2}})
    assert (order["status"], order["kits"]) == ("proposed", 6)
    named = {"shipment_id": order["shipment_id"]}
    before = trial.state()
    for client, path, body, status, code in (
        (depot, "order-approvals", named, 403, "not-permitted"),
        (depot, "dispatches", named, 409, "shipment-state"),
        (supply, "order-refusals", named, 422, "reason-missing"),
        (supply, "order-approvals", {"shipment_id": "S01-S999"}, 404, "not-found"),
    ):
        refused = client.post(f"{PATH}/{path}", body)
        assert (refused.status_code, refused.json()["code"]) == (status, code), path
    assert trial.state() == before
    assert supply.done(f"{PATH}/order-approvals", named)["status"] == "confirmed"

    contents = depot.get(f"{PATH}/shipments/{named['shipment_id']}").json()["contents"]
    numbers = [one["kit_number"] for one in contents]
    scanned = [f"]C101{GTIN}21{numbers[0]}", f"]C101{GTIN}10ZZLOTX\x1d21{numbers[1]}"]
    wrong = depot.post(f"{PATH}/packings", {**named, "scans": scanned})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "label-contradicts")
    assert "ZZ" not in wrong.text
    unpacked = depot.post(f"{PATH}/dispatches", named)
    assert (unpacked.status_code, unpacked.json()["code"]) == (409, "not-packed")
    done = depot.done(f"{PATH}/packings", {**named, "scans": [scanned[0], *numbers[1:]]})
    assert done["to_pack"] == []
    sent = {**named, "carrier": "Cold Chain", "tracking_number": "T1", "loggers": ["TT-1"]}
    assert len(depot.done(f"{PATH}/dispatches", sent)["kits"]) == 6
    trial.clock.move(days=2)
    part = {**named, "dispositions": {numbers[0]: "not_arrived"}}
    received = site.done(f"{PATH}/receipts", part)
    assert (received["status"], received["awaited"]) == ("in_transit", numbers[:1])
    trial.clock.move(days=3)
    assert [one["late"] for one in site.get(f"{PATH}/shipments", late=True).json()["shipments"]] == [True]
    nothing = site.post(f"{PATH}/receipts", {**named, "scans": ["9999999"]})
    assert (nothing.status_code, nothing.json()["code"]) == (404, "not-found")
    last = site.done(f"{PATH}/receipts", {**named, "scans": [scanned[0]]})
    assert (last["status"], last["kits"]) == ("received", {"available": 1})
    twice = site.post(f"{PATH}/receipts", named)
    assert (twice.status_code, twice.json()["code"]) == (409, "shipment-state")
    assert "is received" in twice.json()["detail"]


def kits_at(trial: Trial, site_id: str, who: str) -> list[str]:
    stock = trial.clients[who].get(f"{PATH}/sites/{site_id}/stock").json()["kits"]
    return [one["kit_number"] for one in stock if one["status"] == "site_available"]


def test_a_label_says_no_lot_to_the_blinded_and_what_it_says_is_scanned(trial: Trial) -> None:
    site = trial.clients["coordinator"]
    number = kits_at(trial, "S01", "coordinator")[0]
    sheet = site.get(f"{PATH}/kit-labels", kit=[number], expiry=True)
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "image/svg+xml")
    assert f"(01){GTIN}(17)26" in sheet.text
    assert "ZZ" not in sheet.text
    assert site.get(f"{PATH}/kit-labels", kit=[number], lot=True).status_code == 403
    named = trial.clients["open.supply"].get(f"{PATH}/kit-labels", kit=[number], lot=True, format="svg")
    assert "(10)ZZLOT" in named.text
    scan = next(text for text in named.text.split("<") if "(01)" in text).split(">")[1]
    lot = scan[scan.index("ZZLOT") : scan.index("(21)")]
    for who in ("coordinator", "open.supply"):
        found = trial.clients[who].get(f"{PATH}/scanned-kit", scan=scan).json()
        assert (found["kit_number"], found["place"]) == (number, "S01")
    other = scan.replace(lot, "ZZLOTX")
    said = {
        who: trial.clients[who].get(f"{PATH}/scanned-kit", scan=other).json()
        for who in ("coordinator", "open.supply")
    }
    assert {one["code"] for one in said.values()} == {"label-contradicts"}
    assert "ZZ" not in str(said["coordinator"])
    assert f"lot ZZLOTX, on record {lot}" in said["open.supply"]["detail"]
    assert trial.clients["other.site"].get(f"{PATH}/scanned-kit", scan=scan).status_code == 404
    bad = site.get(f"{PATH}/scanned-kit", scan="]C1" + f"01{GTIN}")
    assert (bad.status_code, bad.json()["field"]) == (422, "scan")

"""Bulk supply over HTTP: by lot and quantity, and the same bytes to blinded people whatever the arms are called."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Trial, trial_at
from tests.api.transcript import Transcript
from tests.api.trial import AS_IS, PERMUTED, STUDY
from tests.commands.bulk_trial import bulk_document, syringe_lots

PATH = f"/studies/{STUDY}"
READERS = ("coordinator", "monitor", "supply", "depot", "sponsor")
FILE = b"kit_type,lot_id,quantity\nSYRINGES,SY-A,30\nSYRINGES,SY-B,10\n"


def sent(trial: Trial, file: bytes) -> httpx.Response:
    http = trial.clients["open.supply"].http
    headers = {"Content-Type": "text/csv", "Idempotency-Key": f"file-{file.hex()}"}
    return http.post(f"{PATH}/files/bulk-supplies?depot_id=D1", content=file, headers=headers)


def stocked(trial: Trial) -> None:
    """Load the syringes: lots, then a file that is at fault and one that is not."""
    supply = trial.clients["open.supply"]
    supply.done(f"{PATH}/lots", {"lots": syringe_lots()})
    for wrong in (b"-3", b"1.5", b"0", b"many"):
        answer = sent(trial, FILE.replace(b"10", wrong))
        assert answer.status_code == 422, answer.text
        assert "line 3: quantity" in answer.text
    answer = sent(trial, FILE)
    assert answer.json() == {"depot_id": "D1", "rows": 2, "units": 40}, answer.text


def play(trial: Trial) -> Transcript:
    """Order, pack, ship, receive, dispense, set aside and return syringes, each also refused, and read all of it as everyone."""
    stocked(trial)
    out = Transcript(trial)
    orders = [out.post("coordinator", "/orders", {"site_id": "S01", "groups": {"SYRINGE": 12, "BOTTLE": 3}})]
    for order in orders:
        name = {"shipment_id": order["shipment_id"]}
        out.post("depot", "/packings", {**name, "bulk": [{"lot": "SY-B", "quantity": 99}]})
        out.post("depot", "/packings", {**name, "bulk": [{"lot": "SY-B", "quantity": 4}]})
        out.post("depot", "/kit-exchanges", {**name, "lot": "SY-B", "found": "lost", "reason": "not there"})
        out.post("depot", "/dispatches", name)
        trial.clock.move(days=2)
        out.post("coordinator", "/receipts", {**name, "bulk": [{"lot": "SY-B", "available": 99}]})
        out.post("coordinator", "/receipts", {**name, "bulk": [{"lot": "ZY-B", "available": 1}]})
        out.post(
            "coordinator", "/receipts", {**name, "bulk": [{"lot": "SY-B", "available": 8, "damaged": 1}]}
        )
    subjects = []
    for _ in range(2):
        screened = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
        who = {"subject_id": out.post("coordinator", "/subjects", screened)["subject_id"]}
        out.post("investigator", "/eligibility", {**who, "eligible": True})
        out.post("investigator", "/randomizations", who)
        out.post("pharmacist", "/dispensings", {**who, "visit_code": "V2"})
        out.post("pharmacist", "/dispensings", {**who, "visit_code": "V2"})
        lost = {**who, "lot": "SY-B", "found": "lost", "reason": "dropped"}
        out.post("pharmacist", "/kit-replacements", lost)
        back = {"lot": "SY-B", "quantity": 2, "returned_units": "1", "lost_units": "0"}
        out.post("coordinator", "/subject-returns", {**who, "bulk": [back]})
        out.post("coordinator", "/subject-returns", {**who, "bulk": [{**back, "quantity": 40}]})
        for more in ({"quantity": 1}, {"returned_units": "2"}):
            right = {**who, "bulk": [{**back, **more}], "reason": "counted again"}
            out.post("coordinator", "/kit-count-corrections", right)
        subjects.append(who["subject_id"])
    at = {"site_id": "S01", "reason": "alarm"}
    out.post("coordinator", "/quarantines", {**at, "bulk": [{"lot": "SYR-1", "quantity": 1}]})
    out.post("coordinator", "/damaged-kits", {**at, "bulk": [{"lot": "SYR-1", "quantity": 400}]})
    out.post("coordinator", "/returns", {"site_id": "S01", "bulk": [{"lot": "SY-B", "quantity": 1}]})
    pages = ["/overview", "/sites/S01/stock", "/sites/S01/accountability", "/returns/S01-R001", "/inventory"]
    pages += ["/lots/SY-B/history", "/lots/SYR-1/history"]
    pages += [f"/shipments/{order['shipment_id']}" for order in orders]
    pages += [f"/subjects/{subject}" for subject in subjects]
    pages += [f"/subjects/{subject}/accountability" for subject in subjects]
    for who in READERS:
        for page in pages:
            out.get(who, page)
    return out


@pytest.mark.slow
def test_bulk_supply_tells_blinded_people_no_arm_and_no_unit(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("one", "two")]
    document: dict[str, Any] = bulk_document()
    with (
        trial_at(urls[0], AS_IS, document=document, stocked=False) as one,
        trial_at(urls[1], PERMUTED, document=document, stocked=False) as two,
    ):
        first, second = play(one), play(two)
        for mine, twins in zip(first.sent, second.sent, strict=True):
            assert mine == twins
    done = {asked.split(" {")[0] for _, asked, status, _, _ in first.sent if status == 200}
    paths = ("packings", "kit-exchanges", "receipts", "dispensings", "kit-replacements", "subject-returns")
    assert {f"POST /{path}" for path in (*paths, "kit-count-corrections", "quarantines", "returns")} <= done
    pages = ("/sites/S01/stock", "/sites/S01/accountability", "/inventory", "/lots/SY-B/history")
    assert {f"GET {page}" for page in pages} <= done
    for who, asked, _, _, body in first.sent:
        assert b"ZZ" not in body, (who, asked, body[:500])
        assert b"~" not in body, (who, asked, body[:500])
        assert b"SY-A" not in body, (who, asked, body[:500])  # its blinded word is SYR-1

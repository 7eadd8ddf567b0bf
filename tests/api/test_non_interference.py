"""Blinding as non-interference: where only the treatment labels are permuted, a blinded role gets the same bytes.

Two trials are run by the same steps at the same moments. In the second, every arm's label (and with it the type of each kit) is
another one. Whatever a blinded role is sent, answers and refusals alike, is compared byte for byte.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from allocation.access.permissions import BLINDED_ROLES, ROLES
from allocation.commands.studies import GO_LIVE
from allocation.ledger.sealing import seal_pending
from allocation.rules.kit_authority import DESTROYED, RELEASED, REUSED
from allocation.rules.return_process import APPROVED
from tests.api.conftest import Trial, trial_at
from tests.api.running_app import ApiClient
from tests.api.trial import AS_IS, BLINDED, PASSWORD, PEOPLE, PERMUTED, STUDY, protocol

PATH = f"/studies/{STUDY}"
UNBLINDED_PAGES = ("subjects", "stock", "run-out", "inventory", "lists", "protocol", "ledger")


@dataclass
class Transcript:
    """All that blinded people were sent, in order: who, what was asked, status, type and bytes."""

    trial: Trial
    sent: list[tuple[str, str, int, str, bytes]] = field(default_factory=list)

    def note(self, who: str, asked: str, call: Callable[[ApiClient], Any]) -> Any:
        answer = call(self.trial.clients[who])
        self.sent.append((who, asked, answer.status_code, answer.headers["content-type"], answer.content))
        return answer.json() if "json" in answer.headers["content-type"] else None

    def post(self, who: str, path: str, body: dict[str, Any]) -> Any:
        key = f"act-{len(self.sent)}"  # twins send the same keys: what a client chose itself is no leak
        asked = f"POST {path} {json.dumps(body)}"
        return self.note(who, asked, lambda client: client.post(f"{PATH}{path}", body, key=key))

    def get(self, who: str, path: str) -> Any:
        seal_pending(
            self.trial.database
        )  # else the sealer's own timing would show in the ledger's last position
        return self.note(who, f"GET {path}", lambda client: client.get(f"{PATH}{path}"))


def play(trial: Trial) -> Transcript:
    """Screen, randomize and dispense until stock and lists run out, with refusals on the way, reading everything as everyone."""
    out = Transcript(trial)
    subjects = []
    for index in range(14):
        stratum = ("MILD", "SEVERE")[index % 2]
        body = {"site_id": "S01", "sex": "F", "age": 30 + index, "factors": {"SEVERITY": stratum}}
        subjects.append(out.post("coordinator", "/subjects", body)["subject_id"])
        who = {"subject_id": subjects[-1]}
        out.post("investigator", "/randomizations", who)  # refused: not found eligible yet
        out.post("investigator", "/eligibility", {**who, "eligible": True})
        out.post("investigator", "/randomizations", who)
        out.post("investigator", "/randomizations", who)  # refused: randomized already
        out.post("pharmacist", "/dispensings", {**who, "visit_code": "V2"})
        if index % 4 == 3:
            trial.clock.move(hours=7)
            out.post("supply", "/resupply-runs", {})
    read_everything(out, subjects)
    move_shipments(out)
    trial.clock.move(days=12)
    for index, subject in enumerate(subjects):
        move = ("up", "maintain", "down")[index % 3]
        asked = {"subject_id": subject, "visit_code": "V3", "titration": move}
        out.post("pharmacist", "/dispensings", asked)
        out.post("pharmacist", "/dispensings", asked)  # refused: on record, or no kit, or not randomized
    truth = {"subject_id": subjects[0], "factors": {"SEVERITY": "SEVERE"}, "reason": "Source data"}
    out.post("coordinator", "/stratum-corrections", truth)
    out.post("project.manager", "/cohorts", {"cohort": "NONE", "open": False, "reason": "No such cohort"})
    use_what_dosing_can_do(out, subjects)
    out.post("coordinator", "/missed-visits", {"subject_id": subjects[0], "visit_code": "V4"})
    out.post("coordinator", "/visits", {"subject_id": subjects[1], "visit_code": "V4"})
    out.post("coordinator", "/discontinuations", {"subject_id": subjects[1], "end_reason": "ADVERSE EVENT"})
    out.post("coordinator", "/completions", {"subject_id": subjects[2]})
    out.post("supply", "/resupply-runs", {})
    move_shipments(out)
    handle_orders(out)
    return_kits(out, subjects)
    act_on_kits(out)
    trial.clock.move(days=300)  # every kit is past its expiry now
    out.post(
        "pharmacist",
        "/dispensings",
        {"subject_id": subjects[3], "visit_code": "V3", "override_reason": "late"},
    )
    out.post("supply", "/expiries", {})
    out.post("supply", "/resupply-runs", {})
    read_everything(out, subjects)
    return out


def use_what_dosing_can_do(out: Transcript, subjects: list[str]) -> None:
    """Hold and resume, replace kits, and (by an amendment) confirm what was handed out and hand kits out again, each also refused."""
    because = {"reason": "the subject says so"}
    for subject in subjects[:4]:
        who = {"subject_id": subject}
        out.post(
            "coordinator", "/visits", {**who, "visit_number": "3.1", "weight_kg": "70.5", "height_cm": 170}
        )
        out.post("coordinator", "/visits", {**who, "visit_number": "3.2", "weight_kg": "705"})  # refused
        out.post("investigator", "/dose-holds", who)  # refused: no reason
        out.post("investigator", "/dose-holds", {**who, **because})
        out.post("pharmacist", "/dispensings", {**who, "visit_number": "3.3"})  # refused: on hold
        out.post("investigator", "/dose-resumptions", {**who, **because})
        out.post("pharmacist", "/dispensings", {**who, "visit_number": "3.3"})  # refused: not by this version
        kits = out.get("pharmacist", f"/subjects/{subject}")["kits"]
        for kit, found in zip(kits, ("lost", "damaged"), strict=False):
            lost = {**who, "kit_number": kit["kit_number"], "found": found, **because}
            out.post("pharmacist", "/kit-replacements", lost)
            out.post("pharmacist", "/kit-replacements", lost)  # refused: it was replaced, or there is no kit
    amended = twin_protocol(version=2)
    amended["dosing"] = {"confirmation": True, "unscheduled": True, "partial": True, "same_lot": "required"}
    signature = {"password": PASSWORD, "meaning": GO_LIVE}
    out.trial.clients["statistician"].done(f"{PATH}/versions", {"protocol": amended, "signature": signature})
    for index, subject in enumerate(subjects[:6]):
        who = {"subject_id": subject}
        again = {**who, "visit_number": "3.4", "accept_partial": True}
        given = out.post("pharmacist", "/dispensings", again)
        out.post("pharmacist", "/dispensings", again)  # refused: not confirmed yet
        kits = given.get("kit_numbers", [])
        handed, others = (kits, []) if index % 2 else ([], kits)
        torn = [{"kit_number": kit, "reason": "torn"} for kit in others]
        settled = {**who, "handed_out": handed, "not_dispensed": torn}
        out.post("pharmacist", "/dispensing-confirmations", {**settled, "handed_out": ["9999999"]})
        out.post("pharmacist", "/dispensing-confirmations", settled)
        out.post("pharmacist", "/dispensing-confirmations", settled)


def handle_orders(out: Transcript) -> None:
    """Order by hand, approve, pack, exchange, split, correct, lose and receive in part, each also refused."""
    because = {"reason": "as agreed"}
    orders = []
    for who, site_id in (("coordinator", "S01"), ("supply", "S01"), ("other.site", "S02"), ("supply", "S01")):
        out.post(who, "/orders", {"site_id": site_id, "groups": {"VIAL": 1}})
        out.post(who, "/orders", {"site_id": site_id, "kit_types": {"K9": 1}})
        answer = out.post(who, "/orders", {"site_id": site_id, "groups": {"BOTTLE": 1}})
        out.post(who, "/orders", {"site_id": site_id, "seed": True})
        orders.append(answer.get("shipment_id", "S01-S001"))
    for name in orders:
        named = {"shipment_id": name}
        out.post("supply", "/order-approvals", named)
        out.post("supply", "/order-refusals", {**named, **because})
        detail = out.get("depot", f"/shipments/{name}")
        numbers = [kit["kit_number"] for kit in detail["contents"]]
        exchange = {**named, "kit_number": numbers[0], "found": "damaged"}
        out.post("depot", "/kit-exchanges", exchange)
        out.post("depot", "/kit-exchanges", {**exchange, **because})
        out.post("depot", "/packings", {**named, "scans": ["9999999"]})
        out.post("depot", "/packings", {**named, "scans": [numbers[0]]})
        out.post("depot", "/packings", {**named, "scans": numbers[1:3]})
        out.post("depot", "/packings", {**named, "scans": numbers[1:3]})
    for name in orders[:3]:
        sent = out.post("depot", "/dispatches", {"shipment_id": name, "split": True, "loggers": ["TT-1"]})
        late = {"shipment_id": name, "tracking_number": "T9"}
        out.post("depot", "/dispatch-corrections", late)
        out.post("depot", "/dispatch-corrections", {**late, **because})
        rest = {"shipment_id": sent.get("split_off") or name}
        out.post("supply", "/cancellations", {**rest, **because})
        out.post("supply", "/cancellations", {**rest, **because})
    out.post("supply", "/dispatches", {"shipment_id": orders[3]})
    out.post("supply", "/lost-shipments", {"shipment_id": orders[3], **because})
    for name in orders[:2]:
        detail = out.get("coordinator", f"/shipments/{name}")
        numbers = [kit["kit_number"] for kit in detail["contents"]]
        part = {"shipment_id": name, "dispositions": {numbers[0]: "not_arrived"}}
        strange = [kit["kit_number"] for kit in out.get("depot", f"/shipments/{orders[2]}")["contents"]]
        out.post("coordinator", "/receipts", {**part, "unlisted": [f"(10)ZZLOT1(21){strange[0]}"]})
        out.post("coordinator", "/receipts", {**part, "unlisted": strange[:1]})
        out.post("coordinator", "/receipts", {"shipment_id": name})
        out.post("coordinator", "/receipts", {"shipment_id": name})
    out.get("supply", "/shipments?late=true")


def act_on_kits(out: Transcript) -> None:
    """Kits are quarantined, released and found damaged, each also refused; a lot is recalled, and sites read what is theirs."""
    because, signature = {"reason": "alarm"}, {"password": PASSWORD, "meaning": RELEASED}
    stock = out.get("coordinator", "/sites/S01/stock")["kits"]
    here = [one["kit_number"] for one in stock if one["status"] == "site_available"]
    out.post("coordinator", "/quarantines", {"kit_numbers": ["9999999"], **because})
    out.post("coordinator", "/quarantines", {"lot_id": "L1", **because})  # refused: a lot tells what is alike
    for number in [
        one["kit_number"] for one in stock[:3]
    ]:  # what a label says is compared, and a wrong lot is refused without naming one
        for scan in (
            number,
            f"(10)ZZLOT1(21){number}",
            f"(17)261015(21){number}",
            f"(01)09520000000011(21){number}",
        ):
            out.get("coordinator", f"/scanned-kit?scan={scan}")
        out.get("coordinator", f"/kit-labels?kit={number}&expiry=true")
        out.get("coordinator", f"/kit-labels?kit={number}&lot=true")
        out.get("other.site", f"/scanned-kit?scan={number}")
    for number in here[:2]:
        named = {"kit_numbers": [number], **because}
        for path in ("/quarantines", "/quarantines", "/damaged-kits", "/lost-kits", "/kit-releases"):
            out.post("coordinator", path, named)
    out.post(
        "supply", "/transfers", {"from_site": "S01", "to_site": "S02", "groups": {"BOTTLE": 1}, **because}
    )
    out.post(
        "supply", "/transfers", {"from_site": "S01", "to_site": "S02", "kit_types": {"K9": 1}, **because}
    )
    out.post("supply", "/resupply-pauses", {"site_id": "S01", **because})
    out.post("supply", "/resupply-pauses", {"kit_type": "K9", **because})  # refused: names a kit type
    out.get("sponsor", "/resupply-schedule")
    out.post("supply", "/resupply-resumptions", {"site_id": "S01", **because})
    out.post("supply", "/quarantines", {"site_id": "S01", **because})
    out.post("supply", "/kit-releases", {"site_id": "S01", **because, "signature": signature})
    out.trial.clients["open.supply"].done(f"{PATH}/recalls", {"lot_id": "ZZLOT2"})
    out.post("supply", "/quarantines", {"site_id": "S02", **because})
    out.post("supply", "/kit-releases", {"site_id": "S02", **because, "signature": signature})
    for who in BLINDED:
        out.get(who, "/recalled-kits")
    out.get("coordinator", "/sites/S01/stock")


def twin_protocol(version: int = 1) -> dict[str, Any]:
    """The usual protocol with kits that look alike and hold and are taken otherwise by arm, which nobody blinded may learn by counting."""
    document = protocol(version)
    for index, kind in enumerate(document["kit_types"]):
        kind["units_per_kit"] = (35, 70, 50)[index]
    for index, entry in enumerate(document["dispensing"]):
        entry["kits"][0]["units_per_day"] = 1 + index
    document["supply"]["returns"] = {"reuse": True}
    return document


def return_kits(out: Transcript, subjects: list[str]) -> None:
    """Subjects bring kits back, counts are corrected, and a return passes its gates; each also refused."""
    for index, subject in enumerate(subjects[:6]):
        kits = out.get("pharmacist", f"/subjects/{subject}")["kits"]
        for kit in kits[:2]:
            count = {"kit_number": kit["kit_number"], "returned_units": str(index * 15)}
            named = {"subject_id": subject, "kits": [count]}
            wrong = {"subject_id": subject, "kits": [{**count, "returned_units": "71"}]}
            out.post("coordinator", "/subject-returns", wrong)  # refused: more than any of the look holds
            out.post("coordinator", "/subject-returns", named)
            out.post("coordinator", "/subject-returns", named)  # refused: it is back
            right = {"subject_id": subject, **count, "returned_units": "33", "reason": "counted again"}
            out.post("coordinator", "/kit-count-corrections", right)
        out.get("monitor", f"/subjects/{subject}/accountability")
    stock = out.get("coordinator", "/sites/S01/stock")["kits"]
    usable = [one["kit_number"] for one in stock if one["status"] == "site_available"]
    back = [one["kit_number"] for one in stock if one["status"] == "returned"]
    declared = {"site_id": "S01", "kit_numbers": [*back, *usable[:3]], "unused_as": "excess"}
    name = out.post("coordinator", "/returns", declared)["return_id"]
    named = {"return_id": name}
    out.post("coordinator", "/returns", declared)  # refused: in a return already
    sent = {**named, "carrier": "Carrier", "tracking_number": "T2"}
    out.post("coordinator", "/return-dispatches", sent)  # refused: not counted yet
    differs = {"kit_number": back[0], "units": "1", "reason": "spilled"}
    out.post("monitor", "/return-counts", {**named, "findings": [differs]})
    signature = {"password": PASSWORD, "meaning": APPROVED}
    read = out.get("project.manager", f"/returns/{name}")["content_hash"]
    approval = {**named, "content_hash": read, "signature": signature}
    out.post("monitor", "/return-approvals", approval)  # refused: not a project manager
    out.post("project.manager", "/return-approvals", approval)
    out.post("coordinator", "/return-dispatches", sent)
    missing = {"kit_number": usable[0], "found": "missing", "reason": "not in the box"}
    out.post("depot", "/return-receipts", {**named, "findings": [missing]})
    because = {"reason": "checked"}
    for numbers in ([usable[1]], [back[0]]):  # the second is refused: a subject had it
        signed = {"signature": {"password": PASSWORD, "meaning": REUSED}}
        out.post("supply", "/return-reuses", {**named, "kit_numbers": numbers, **because, **signed})
    certificate = {
        "number": "C1",
        "destroyed_on": out.trial.clock().date().isoformat(),
        "place": "Nord",
        "file_name": "c1.pdf",
        "file_sha256": "a" * 64,
    }
    signed = {"signature": {"password": PASSWORD, "meaning": DESTROYED}}
    out.post("depot", "/return-destructions", {**named, "certificate": certificate, **because, **signed})
    pages = [f"/returns/{name}", "/returns", "/reconciliation", "/sites/S01/accountability"]
    pages += [f"/kits/{number}/history" for number in (back[0], usable[0], usable[1])]
    for who in BLINDED:
        for page in (*pages, f"/subjects/{subjects[0]}/accountability"):
            out.get(who, page)


def move_shipments(out: Transcript) -> None:
    """Send off what is requested and receive it; one kit is damaged, one lost. Each is tried twice."""
    found = out.get("supply", "/shipments?status=requested")["shipments"]
    for shipment in found:
        named = {"shipment_id": shipment["shipment_id"]}
        out.post("depot", "/dispatches", {**named, "carrier": "Carrier", "tracking_number": "T1"})
        out.post("depot", "/dispatches", named)
        detail = out.get("depot", f"/shipments/{shipment['shipment_id']}")
        numbers = [kit["kit_number"] for kit in detail["contents"]]
        found_bad = dict(zip(numbers, ("damaged", "lost"), strict=False)) if len(numbers) > 4 else {}
        who = "coordinator" if shipment["to_place"] == "S01" else "other.site"
        out.post(who, "/receipts", {**named, "dispositions": {"9999999": "damaged"}})
        out.post(who, "/receipts", {**named, "dispositions": found_bad})
        out.post(who, "/receipts", named)


def read_everything(out: Transcript, subjects: list[str]) -> None:
    """Every page as every blinded role, those that are refused too."""
    pages = [
        "/overview?days_ahead=730&events=200",
        "/subjects",
        "/shipments",
        "/cohorts",
        "/run-out",
        "/inventory",
        "/inventory?as_of=40",
        "/resupply-schedule",
        "/sites/S01/stock",
        "/sites/S02/stock",
    ]
    pages += [f"/subjects/{subject}" for subject in subjects]
    pages += [f"/subjects/{subject}/projected-visits" for subject in subjects[:3]]
    shipments = [one["shipment_id"] for one in out.get("supply", "/shipments")["shipments"]]
    pages += [f"/shipments/{shipment}" for shipment in shipments]
    pages += [f"/unblinded/{page}" for page in UNBLINDED_PAGES]
    for who in BLINDED:
        for page in pages:
            out.get(who, page)


@pytest.mark.slow
def test_permuting_the_treatment_labels_changes_no_byte_that_a_blinded_role_gets(
    tmp_path, request, database_kind
):
    urls = [f"sqlite:///{tmp_path / 'one.db'}", f"sqlite:///{tmp_path / 'two.db'}"]
    if database_kind == "postgresql":
        fresh = request.getfixturevalue("fresh_postgres_url")
        urls = [fresh(), fresh()]
    document = twin_protocol()
    with (
        trial_at(urls[0], AS_IS, document=document) as one,
        trial_at(urls[1], PERMUTED, document=document) as two,
    ):
        first, second = play(one), play(two)
        for mine, twins in zip(first.sent, second.sent, strict=True):
            assert mine == twins
        outcomes = {(asked.split(" {")[0].split("?")[0], status) for _, asked, status, _, _ in first.sent}
        assert {("POST /randomizations", 200), ("POST /randomizations", 409)} <= outcomes
        assert {("POST /dispensings", 200), ("POST /dispensings", 409)} <= outcomes
        codes = {json.loads(body)["code"] for _, _, status, _, body in first.sent if status >= 400}
        assert {
            "not-eligible",
            "already-randomized",
            "list-exhausted",
            "no-usable-kit",
            "not-permitted",
            "dose-on-hold",
            "confirmation-awaited",
            "nothing-to-confirm",
            "implausible-measurement",
            "kit-transition-refused",
            "count-impossible",
            "kit-counted",
            "return-gate",
            "kit-not-reusable",
        } <= codes
        assert {"label-contradicts", "not-found"} <= codes
        assert {"unknown-group", "kit-not-ordered", "kit-packed", "reason-missing", "shipment-state"} <= codes
        for path in (
            "orders",
            "kit-exchanges",
            "packings",
            "dispatch-corrections",
            "cancellations",
            "lost-shipments",
        ):
            assert (f"POST /{path}", 200) in outcomes, path
        for path in (
            "quarantines",
            "kit-releases",
            "damaged-kits",
            "subject-returns",
            "kit-count-corrections",
            "returns",
            "return-counts",
            "return-approvals",
            "return-dispatches",
            "return-receipts",
            "return-reuses",
            "return-destructions",
        ):
            assert (f"POST /{path}", 200) in outcomes, path
        for path in ("kit-replacements", "dispensing-confirmations", "dose-holds", "dose-resumptions"):
            assert (f"POST /{path}", 200) in outcomes, path

        # The test can fail: the same comparison for an unblinded role finds the difference.
        for page in ("subjects", "stock", "lists"):
            asked = f"{PATH}/unblinded/{page}"
            assert (
                one.clients["statistician"].get(asked).content
                != two.clients["statistician"].get(asked).content
            )

        assert_no_unblinding_word(first)


def assert_no_unblinding_word(transcript: Transcript) -> None:
    """No arm, kit type, lot, dose or list id (all begin with ZZ) reached a blinded role, except where the role sent it itself."""
    for who, asked, status, _, body in transcript.sent:
        assert b"ZZ" not in body, (who, asked, status, body[:500])
        if status == 200 and body.startswith(b"{"):
            assert not unblinding_fields(json.loads(body)), (who, asked)


def unblinding_fields(value: Any) -> set[str]:
    """The names of fields in a JSON value that could carry an allocation."""
    if isinstance(value, dict):
        named = {"arm", "kit_type", "lot_id", "block", "sequence", "dose_level", "strength", "sha256"} & set(
            value
        )
        return named.union(*(unblinding_fields(one) for one in value.values()))
    if isinstance(value, list):
        return set().union(*(unblinding_fields(one) for one in value))
    return set()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_people_of_the_trial_hold_every_role():
    held = {grant.role for grants in PEOPLE.values() for grant in grants}
    assert held == ROLES
    assert {grant.role for name in BLINDED for grant in PEOPLE[name]} == BLINDED_ROLES

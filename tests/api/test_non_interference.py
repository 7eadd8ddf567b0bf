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
from allocation.rules.kit_authority import REJECTED, RELEASED
from tests.api.conftest import Trial, trial_at
from tests.api.running_app import ApiClient
from tests.api.trial import AS_IS, BLINDED, PASSWORD, PEOPLE, PERMUTED, STUDY, protocol

PATH = f"/studies/{STUDY}"
UNBLINDED_PAGES = ("subjects", "stock", "run-out", "lists", "protocol", "ledger")


@dataclass
class Transcript:
    """All that blinded people were sent, in order: who, what was asked, status, type and bytes."""

    trial: Trial
    sent: list[tuple[str, str, int, str, bytes]] = field(default_factory=list)

    def note(self, who: str, asked: str, call: Callable[[ApiClient], Any]) -> Any:
        answer = call(self.trial.clients[who])
        self.sent.append((who, asked, answer.status_code, answer.headers["content-type"], answer.content))
        return answer.json()

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
    act_on_lots(out)
    act_on_kits(out)
    warm_up(out)
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
    amended = protocol(version=2)
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


def act_on_kits(out: Transcript) -> None:
    """Kits are quarantined, released and found damaged, each also refused; a lot is recalled, and sites read what is theirs."""
    because, signature = {"reason": "alarm"}, {"password": PASSWORD, "meaning": RELEASED}
    stock = out.get("coordinator", "/sites/S01/stock")["kits"]
    here = [one["kit_number"] for one in stock if one["status"] == "site_available"]
    out.post("coordinator", "/quarantines", {"kit_numbers": ["9999999"], **because})
    out.post("coordinator", "/quarantines", {"lot_id": "L1", **because})  # refused: a lot tells what is alike
    for number in here[:2]:
        named = {"kit_numbers": [number], **because}
        for path in ("/quarantines", "/quarantines", "/damaged-kits", "/lost-kits", "/kit-releases"):
            out.post("coordinator", path, named)
    out.post("supply", "/quarantines", {"site_id": "S01", **because})
    out.post("supply", "/kit-releases", {"site_id": "S01", **because, "signature": signature})
    out.trial.clients["open.supply"].done(f"{PATH}/recalls", {"lot_id": "ZZLOT2"})
    out.post("supply", "/quarantines", {"site_id": "S02", **because})
    out.post("supply", "/kit-releases", {"site_id": "S02", **because, "signature": signature})
    for who in BLINDED:
        out.get(who, "/recalled-kits")
    out.get("coordinator", "/sites/S01/stock")


def act_on_lots(out: Transcript) -> None:
    """Unblinded people extend a lot, restrict another and withdraw the third; what blinded people see of it, and try after it."""
    because = {"reason": "certificate"}
    owner = out.trial.clients["open.supply"]

    def signed(meaning: str) -> dict[str, Any]:
        return {**because, "signature": {"password": PASSWORD, "meaning": meaning}}

    longer = {
        "lot_id": "ZZLOT1",
        "expiry_date": "2026-11-20",
        "countries": ["DEU"],
        **signed("expiry date changed"),
    }
    owner.done(f"{PATH}/lot-expiries", longer)
    owner.done(
        f"{PATH}/lot-decisions", {"lot_id": "ZZLOT3", "decision": "restrict", **signed("lot restricted")}
    )
    withdrawn = {"lot_id": "ZZLOT3", "withdraw": ["DEU"], **signed("lot release by country changed")}
    owner.done(f"{PATH}/lot-releases", withdrawn)
    for path in ("/lot-expiries", "/lot-decisions", "/lot-releases"):
        out.post("supply", path, {"lot_id": "ZZLOT1", **because})  # refused
    for who in BLINDED:
        for page in ("/sites/S01/stock", "/overview?events=20", "/run-out"):
            out.get(who, page)
    out.post("supply", "/resupply-runs", {})
    for subject in out.get("coordinator", "/subjects")["subjects"][:3]:
        again = {"subject_id": subject["subject_id"], "visit_number": "3.6", "accept_partial": True}
        out.post("pharmacist", "/dispensings", again)


def warm_up(out: Transcript) -> None:
    """A site's refrigerator is warm and cold: kits are held, some are released, others have spent their budget."""
    began = out.trial.clock.now
    out.trial.clock.move(hours=5)
    told = {"began_at": began.isoformat(), "lowest_celsius": "1", "highest_celsius": "12"}
    told["ended_at"] = out.trial.clock.now.isoformat()
    excursion = {"site_id": "S01", "reported": told, "reason": "refrigerator alarm"}
    found = out.post("coordinator", "/excursions", excursion)
    out.post("other.site", "/excursions", excursion)  # refused: another site
    signature = {"password": PASSWORD, "meaning": RELEASED}
    settled = {"excursion_id": found["excursion_id"], "decision": "release", "reason": "reviewed"}
    out.post("coordinator", "/excursion-settlements", {**settled, "signature": signature})  # refused
    out.post("supply", "/excursion-settlements", {**settled, "signature": signature})  # refused: spent
    rejected = {**settled, "decision": "reject", "signature": {**signature, "meaning": REJECTED}}
    out.post("supply", "/excursion-settlements", {**rejected, "kit_numbers": found["quarantined"][:1]})
    for who in BLINDED:
        for page in (
            "/excursions",
            f"/excursions/{found['excursion_id']}",
            f"/excursions/{found['excursion_id']}/curve",
        ):
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
    with trial_at(urls[0], AS_IS) as one, trial_at(urls[1], PERMUTED) as two:
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
            "budget-spent",
        } <= codes
        for path in ("quarantines", "kit-releases", "damaged-kits", "excursions", "excursion-settlements"):
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
        if status == 200 and b"{" in body:
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

"""Blinding as non-interference: where only the treatment labels are permuted, a blinded role gets the same bytes.

Two trials are run by the same steps at the same moments. In the second, every arm's label (and with it the type of each kit) is
another one. Whatever a blinded role is sent, answers and refusals alike, is compared byte for byte.
"""

import json
from typing import Any

import pytest

from allocation.access.permissions import BLINDED_ROLES, ROLES
from allocation.commands.studies import GO_LIVE
from allocation.rules.code_break import BROKEN_CODE_READ, CODE_BROKEN
from allocation.rules.supply_proposal import PROPOSAL_SIGNED
from tests.api.conftest import Trial, trial_at
from tests.api.supply_acts_of_twins import (
    act_on_kits,
    act_on_lots,
    handle_orders,
    move_shipments,
    return_kits,
    twin_protocol,
    warm_up,
)
from tests.api.test_proposal_routes import file
from tests.api.transcript import Transcript, is_shown
from tests.api.trial import AS_IS, BLINDED, PASSWORD, PEOPLE, PERMUTED, STUDY

PATH = f"/studies/{STUDY}"
UNBLINDED_PAGES = (
    "supply-proposals",
    "subjects",
    "stock",
    "run-out",
    "inventory",
    "lists",
    "protocol",
    "ledger",
)


def play(trial: Trial, *, midway: bool) -> Transcript:
    """Screen, randomize and dispense until stock and lists run out, with refusals on the way, reading everything as everyone.

    `midway`: whether it is read before anything was shipped, too, and not only at the end.
    """
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
    propose(trial, out)
    if midway:
        read_everything(out, subjects[::5])
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
    break_a_code(out, subjects)
    use_what_dosing_can_do(out, subjects)
    out.post("coordinator", "/missed-visits", {"subject_id": subjects[0], "visit_code": "V4"})
    out.post("coordinator", "/visits", {"subject_id": subjects[1], "visit_code": "V4"})
    out.post("coordinator", "/discontinuations", {"subject_id": subjects[1], "end_reason": "ADVERSE EVENT"})
    out.post("coordinator", "/completions", {"subject_id": subjects[2]})
    out.post("supply", "/resupply-runs", {})
    move_shipments(out)
    handle_orders(out)
    return_kits(out, subjects)
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
    for who in BLINDED:
        for page in UNBLINDED_PAGES:
            out.get(who, f"/unblinded/{page}")  # refused
    return out


def propose(trial: Trial, out: Transcript) -> None:
    """Supply parameters by kit type are proposed, and blinded people try to have a say in it."""
    filed = file(trial, [{"kit_type": "ZZKITA", "max_buffer": 9}])
    named = {name: filed[name] for name in ("proposal_id", "report_sha256")}
    signature = {"password": PASSWORD, "meaning": PROPOSAL_SIGNED}
    for reader in BLINDED:
        out.post(reader, "/supply-proposal-signatures", {**named, "signature": signature})
        out.get(reader, f"/unblinded/supply-proposals/{filed['proposal_id']}/comparison")


def break_a_code(out: Transcript, subjects: list[str]) -> None:
    """An emergency at one subject, its reading by the investigator, and what others are refused and told of it."""
    signed = {"password": PASSWORD, "meaning": CODE_BROKEN}
    emergency = {"kind": "emergency", "category": "medical_emergency", "reason": "coma"}
    again = {"reason": "hand-over", "signature": {**signed, "meaning": BROKEN_CODE_READ}}
    for subject in subjects[:2]:
        out.post(
            "investigator", "/broken-code-readings", {"subject_id": subject, **again}
        )  # refused: not broken
    who = {"subject_id": subjects[0]}
    for reader in ("coordinator", "other.site", "sponsor", "investigator"):  # but the last: refused
        out.post(reader, "/code-breaks", {**who, **emergency, "signature": signed})
    for reader in ("investigator", "coordinator", "medical.monitor"):
        out.post(reader, "/broken-code-readings", {**who, **again})
    for reader in BLINDED:
        for page in (
            "/code-breaks",
            "/broken-code-readings",
            "/unblinded/code-breaks",
            "/overview?events=20",
        ):
            out.get(reader, page)


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
    out.unblinded("statistician", "/versions", {"protocol": amended, "signature": signature})
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
        "/supply-proposals",
        "/sites/S01/stock",
        "/sites/S02/stock",
    ]
    shipments = [one["shipment_id"] for one in out.get("supply", "/shipments")["shipments"]]
    for who in BLINDED:
        for page in pages:
            out.get(who, page)
        out.read(who, *(f"/subjects/{subject}" for subject in subjects))
        out.read(who, *(f"/subjects/{subject}/projected-visits" for subject in subjects[:3]))
        out.read(who, *(f"/shipments/{shipment}" for shipment in shipments))


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
        midway = database_kind == "sqlite"  # what is sent of which moment does not depend on the database
        first, second = play(one, midway=midway), play(two, midway=midway)
        shown = []
        for mine, twins in zip(first.sent, second.sent, strict=True):
            if is_shown(mine):
                assert mine[:4] == twins[:4]
                shown.append(mine[4] != twins[4] and b"ZZARM" in mine[4])
            else:
                assert mine == twins
        assert shown == [True, True]  # the break and its reading, to the investigator who signed for them
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
            "budget-spent",
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
            "excursions",
            "excursion-settlements",
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
    """No arm, kit type, lot, dose or list id (all begin with ZZ) reached a blinded role, but what a code break is for."""
    for sent in transcript.sent:
        who, asked, status, _, body = sent
        if is_shown(sent):
            continue
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

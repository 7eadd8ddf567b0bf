"""Proposed supply parameters over HTTP: signed with the password by somebody else than who filed them, and told to the unblinded alone."""

from typing import Any

from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.reader import protocol_at
from allocation.study.canonical import protocol_sha256
from tests.api.conftest import Trial
from tests.api.trial import BLINDED, PASSWORD, STUDY
from tests.commands.proposal_people import SCENARIO, tune_report

PATH = f"/studies/{STUDY}"
KEPT = f"{PATH}/unblinded/supply-proposals"


def report_on(trial: Trial, choice: list[dict[str, Any]]) -> dict[str, Any]:
    protocol = protocol_at(trial.database, STUDY)
    return tune_report(protocol.study.version, protocol_sha256(protocol), choice)


def file(trial: Trial, choice: list[dict[str, Any]], key: str | None = None) -> dict[str, Any]:
    body = {"report": report_on(trial, choice), "scenario": SCENARIO}
    more = {} if key is None else {"key": key}
    answer: dict[str, Any] = trial.clients["statistician"].done(f"{PATH}/supply-proposals", body, **more)
    return answer


def test_a_proposal_is_filed_compared_signed_and_in_effect(trial: Trial) -> None:
    report = report_on(trial, [{"kit_type": "ZZKITA", "min_buffer": 2, "max_buffer": 6}])
    filed = file(trial, [{"kit_type": "ZZKITA", "min_buffer": 2, "max_buffer": 6}], key="tune-1")
    assert file(trial, [{"kit_type": "ZZKITA", "min_buffer": 2, "max_buffer": 6}], key="tune-1") == filed
    name = filed["proposal_id"]
    assert filed["report_sha256"] == sha256_hex(canonical_json(report))
    supply = trial.clients["open.supply"]
    assert supply.get(f"{KEPT}/{name}").json()["report"] == report
    comparison = supply.get(f"{KEPT}/{name}/comparison").json()
    assert comparison["cannot_be_signed"] is None
    assert {(one["parameter"], one["proposed"]) for one in comparison["parameters"]} == {
        ("min_buffer", 2),
        ("max_buffer", 6),
    }
    for reader in BLINDED:
        for page in (KEPT, f"{KEPT}/{name}", f"{KEPT}/{name}/comparison"):
            answer = trial.clients[reader].get(page)
            assert (answer.status_code, "ZZ" in answer.text) == (403, False), (reader, page)
    told = trial.clients["supply"].get(f"{PATH}/supply-proposals")
    assert told.json()["proposals"][0]["proposal_id"] == name
    assert "ZZ" not in told.text

    named = {"proposal_id": name, "report_sha256": filed["report_sha256"]}
    path = f"{PATH}/supply-proposal-signatures"
    signature = {"password": PASSWORD, "meaning": "supply parameters approved"}
    for wrong, code in (
        (None, "signature-refused"),
        ({**signature, "password": "no"}, "signature-refused"),
        ({**signature, "meaning": "hello"}, "signature-refused"),
    ):
        answer = supply.post(path, {**named, "signature": wrong})
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert trial.clients["statistician"].post(path, {**named, "signature": signature}).status_code == 403
    signed = supply.done(path, {**named, "signature": signature})
    assert signed["state"] == "signed"
    assert protocol_sha256(protocol_at(trial.database, STUDY, signed["version"])) == signed["sha256"]
    again = supply.post(path, {**named, "signature": signature})
    assert (again.status_code, again.json()["code"]) == (409, "proposal-closed")


def test_bad_reports_are_refused_with_their_field_and_leave_all_as_it_was(trial: Trial) -> None:
    report = report_on(trial, [{"max_buffer": 8}])
    before = trial.state()
    client = trial.clients["statistician"]

    def told(body: dict[str, Any]) -> tuple[int, str, str | None]:
        answer = client.post(f"{PATH}/supply-proposals", body)
        problem = answer.json()
        return answer.status_code, problem["code"], problem.get("field")

    wrong = {**report, "risk": {"measure": "missed_share", "at_most": 2}}
    assert told({"report": wrong, "scenario": SCENARIO}) == (422, "invalid-request", "report.risk.at_most")
    assert told({"report": 3, "scenario": SCENARIO})[:2] == (422, "invalid-request")
    assert told({"report": report}) == (422, "invalid-request", "scenario")
    other = {"report": report, "scenario": {"title": "another"}}
    assert told(other) == (422, "scenario-differs", "scenario")
    outdated = {"report": {**report, "protocol_hash": "0" * 64}, "scenario": SCENARIO}
    assert told(outdated) == (409, "proposal-outdated", "report.protocol_hash")
    assert trial.state() == before


def test_a_proposal_is_withdrawn_by_its_author_and_rejected_under_signature(trial: Trial) -> None:
    mine = file(trial, [{"max_buffer": 9}])["proposal_id"]
    other = file(trial, [{"max_buffer": 10}])["proposal_id"]
    path = f"{PATH}/supply-proposal-withdrawals"
    answer = trial.clients["open.supply"].post(path, {"proposal_id": mine, "reason": "no"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-your-proposal")
    body = {"proposal_id": mine, "reason": "tuned again"}
    assert trial.clients["statistician"].done(path, body)["state"] == "withdrawn"
    signature = {"password": PASSWORD, "meaning": "supply parameters rejected"}
    body = {"proposal_id": other, "reason": "the depot cannot", "signature": signature}
    rejected = trial.clients["open.supply"].done(f"{PATH}/supply-proposal-rejections", body)
    assert rejected["state"] == "rejected"
    kept = {one["proposal_id"]: one for one in trial.clients["auditor"].get(KEPT).json()["proposals"]}
    assert (kept[mine]["state"], kept[other]["end_reason"]) == ("withdrawn", "the depot cannot")

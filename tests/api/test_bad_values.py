"""Values that no trial can mean are refused by field, in words with a fix, and nothing is changed: never stored, never a 500."""

import json
import uuid
from typing import Any

import pytest

from tests.api.conftest import Trial
from tests.api.test_files import send
from tests.api.test_refusals import PATH, SCREEN, refused
from tests.api.trial import PASSWORD, STUDY


def invalid(trial: Trial, who: str, path: str, body: Any, field: str) -> dict[str, Any]:
    return refused(trial, who, path, body, 422, "invalid-request", field)


LOT = {"lot_id": "N1", "kit_type": "ZZKITA", "expiry_date": "2028-01-01"}
KIT = {"kit_number": "990001", "kit_type": "ZZKITA", "lot_id": "ZZLOT1"}
LIST = {"list_id": "ZZG", "event": "RAND", "entries_per_stratum": 6}


@pytest.mark.parametrize(
    ("who", "path", "body", "field"),
    [
        ("coordinator", "subjects", {**SCREEN, "race": "WH\x00ITE"}, "race"),
        ("coordinator", "subjects", {**SCREEN, "race": "WH\x1bITE"}, "race"),
        ("coordinator", "subjects", {**SCREEN, "factors": {"SEVERITY": "MI\x00LD"}}, "factors"),
        ("coordinator", "subjects", {**SCREEN, "factors": {"SEV\x00": "MILD"}}, "factors"),
        ("coordinator", "subjects", {**SCREEN, "reason": "\x00"}, "reason"),
        ("depot", "dispatches", {"shipment_id": "S01\x00"}, "shipment_id"),
        (
            "coordinator",
            "receipts",
            {"shipment_id": "S01", "dispositions": {"1\x00": "lost"}},
            "dispositions",
        ),
        ("project.manager", "sites", {"site_id": "S09", "name": "N\x00"}, "name"),
        ("open.supply", "lots", {"lots": [{**LOT, "released_for": ["DE\x00"]}]}, "lots[0].released_for"),
        ("statistician", "generated-lists", {**LIST, "list_id": "A\x00"}, "list_id"),
    ],
)
def test_text_with_control_characters_is_refused_on_every_database(trial, who, path, body, field):
    invalid(trial, who, path, body, field)


@pytest.mark.parametrize(
    ("who", "path", "body", "field"),
    [
        ("coordinator", "subjects", {**SCREEN, "age": "40"}, "age"),
        ("coordinator", "subjects", {**SCREEN, "age": True}, "age"),
        ("coordinator", "subjects", {**SCREEN, "screened_on": 0}, "screened_on"),
        ("coordinator", "subjects", {**SCREEN, "screened_on": "0"}, "screened_on"),
        ("coordinator", "subjects", {**SCREEN, "screened_on": "0001-01-01"}, "screened_on"),
        ("coordinator", "eligibility", {"subject_id": "S01-0001", "eligible": "yes"}, "eligible"),
        ("coordinator", "eligibility", {"subject_id": "S01-0001", "eligible": 1}, "eligible"),
        ("open.supply", "lots", {"lots": [{**LOT, "expiry_date": "0001-01-05"}]}, "lots[0].expiry_date"),
        ("open.supply", "lots", {"lots": [{**LOT, "expiry_date": "9999-12-31"}]}, "lots[0].expiry_date"),
        ("open.supply", "lots", {"lots": [{**LOT, "manufactured_on": 7}]}, "lots[0].manufactured_on"),
        ("statistician", "generated-lists", {**LIST, "entries_per_stratum": 10**30}, "entries_per_stratum"),
        ("statistician", "generated-lists", {**LIST, "seed": 2**63}, "seed"),
    ],
)
def test_a_value_of_another_type_or_beyond_all_bounds_is_not_taken_for_what_it_is_not(
    trial, who, path, body, field
):
    invalid(trial, who, path, body, field)


@pytest.mark.parametrize("sequence", [2**63 - 1, 2**63, 10**30, 2**31])
def test_a_pick_sequence_beyond_what_can_be_counted_on_from_is_refused(trial, sequence):
    body = {"depot_id": "D1", "kits": [{**KIT, "pick_sequence": sequence}]}
    problem = invalid(trial, "open.supply", "kits", body, "kits[0].pick_sequence")
    assert problem["fix"] == "use 2147483647 or less"


def test_kits_without_a_pick_sequence_are_loaded_when_the_largest_one_is_in_use(trial):
    last = {**KIT, "kit_number": "990002", "pick_sequence": 2**31 - 1}
    trial.clients["open.supply"].done(f"{PATH}/kits", {"depot_id": "D1", "kits": [last]})
    others = [{**KIT, "kit_number": f"99100{index}"} for index in range(5)]
    trial.clients["open.supply"].done(f"{PATH}/kits", {"depot_id": "D1", "kits": others})


@pytest.mark.parametrize(
    ("who", "route", "field"),
    [
        ("sponsor", f"/studies/{STUDY}/sites/%00/stock", "site_id"),
        ("sponsor", f"/studies/{STUDY}/subjects/%00", "subject_id"),
        ("sponsor", "/studies/%00/overview", "study_id"),
        ("sponsor", f"/studies/{STUDY}/subjects?site_id=%00", "site_id"),
        ("sponsor", f"/studies/{STUDY}/subjects?%00=1", "query"),
        ("statistician", f"/studies/{STUDY}/unblinded/stock?site_id=%1b", "site_id"),
        ("sponsor", f"/studies/{STUDY}/subjects?offset={10**26}", "offset"),
        ("statistician", f"/studies/{STUDY}/unblinded/subjects?offset={10**26}", "offset"),
        ("statistician", f"/studies/{STUDY}/unblinded/protocol?version={10**26}", "version"),
        ("auditor", f"/studies/{STUDY}/unblinded/ledger?after={10**26}", "after"),
    ],
)
def test_an_address_with_control_characters_or_boundless_numbers_is_refused(trial, who, route, field):
    answer = trial.clients[who].http.get(route)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        422,
        "invalid-request",
        field,
    )
    assert answer.json()["fix"]


def test_what_is_asked_of_a_site_that_the_study_does_not_have_is_not_found_and_not_empty(trial):
    for who, route in (
        ("sponsor", "sites/{}/stock"),
        ("sponsor", "subjects?site_id={}"),
        ("sponsor", "shipments?site_id={}"),
        ("statistician", "unblinded/stock?site_id={}"),
        ("statistician", "unblinded/subjects?site_id={}"),
    ):
        found = trial.clients[who].http.get(f"{PATH}/{route.format('S02')}")
        assert found.status_code == 200, found.text
        answer = trial.clients[who].http.get(f"{PATH}/{route.format('S99')}")
        assert (answer.status_code, answer.json()["field"]) == (404, "site_id")
        assert answer.json()["detail"] == "site 'S99' is not in study TRIAL-1"
    for site in ("S02", "S99"):  # whoever may not see a site is not told whether there is one
        answer = trial.clients["coordinator"].http.get(f"{PATH}/shipments?site_id={site}")
        assert (answer.status_code, answer.json()["field"]) == (403, "site_id")


@pytest.mark.parametrize("sites", [["S99"], ["S01", "S99", "S98"]])
def test_a_resupply_run_for_a_site_that_is_not_open_is_refused_before_anything_is_written(trial, sites):
    problem = refused(trial, "supply", "resupply-runs", {"sites": sites}, 404, "not-found", "sites")
    assert "S99" in problem["detail"]
    assert "S01" not in problem["detail"]


@pytest.mark.parametrize("route", ["/login", "/tokens", "/password", "/accounts"])
def test_a_password_that_is_no_text_is_refused_and_told_to_nobody(trial, route):
    bad = "correct horse \ud800"
    body = {
        "/login": {"username": "coordinator", "password": bad},
        "/tokens": {"password": bad},
        "/password": {"current": PASSWORD, "new": bad},
        "/accounts": {"username": "new.one", "display_name": "New One", "password": bad},
    }[route]
    before = trial.state()
    answer = trial.clients["administrator"].http.post(
        route, content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid-request")
    assert problem["field"] == ("new" if route == "/password" else "password")
    assert "correct horse" not in answer.text
    assert trial.state() == before


def test_a_signature_with_a_password_that_is_no_text_is_refused(trial):
    body = {"list_id": "ZZMRL", "signature": {"password": "\x00" * 12, "meaning": "m"}}
    invalid(trial, "statistician", "list-activations", body, "signature.password")


@pytest.mark.parametrize(
    ("kind", "query", "field"),
    [
        ("lists", {"list_id": "bad id", "event": "RAND"}, "list_id"),
        ("lists", {"list_id": "OK", "event": "bad event"}, "event"),
        ("kits", {"depot_id": ""}, "depot_id"),
    ],
)
def test_a_file_sent_with_a_malformed_code_is_refused_by_that_code(trial, kind, query, field):
    who = "statistician" if kind == "lists" else "open.supply"
    before = trial.state()
    answer = send(trial, who, kind, "a,b\n1,2\n", **query)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        422,
        "invalid-request",
        field,
    )
    assert trial.state() == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("lot_id,kit_type,expiry_date\nN1,ZZKI\x00TA,2028-01-01\n", ["line 2: kit_type: holds the control"]),
        (
            "lot_id,kit_type,expiry_date,released_for\nN1,ZZKITA,2028-01-01,DEU;;FRA;\n",
            ["line 2: released_for ('DEU', '', 'FRA', '') has an empty entry"],
        ),
        (
            "lot_id,kit_type,expiry_date\nN1,ZZKITA,31.12.2028\n",
            ["line 2: expiry_date '31.12.2028' is not a date"],
        ),
    ],
)
def test_a_row_of_a_file_is_refused_once_with_its_value_and_the_fix(trial, content, told):
    before = trial.state()
    problems = send(trial, "open.supply", "lots", content).json()["problems"]
    assert len(problems) == len(told)
    for problem, beginning in zip(problems, told, strict=True):
        assert problem.startswith(beginning)
        assert problem.endswith(")"), "the fix stands in brackets"
    assert trial.state() == before


def test_numbers_in_a_file_are_read_and_what_is_none_is_refused(trial):
    header = "kit_number,kit_type,lot_id,pick_sequence\n"
    done = send(trial, "open.supply", "kits", f"{header}990010,ZZKITA,ZZLOT1,70001\n", depot_id="D1")
    assert done.status_code == 200, done.text
    for number in ("7.5", "-1", "٣", "9" * 5000, "1" + "0" * 20):
        answer = send(trial, "open.supply", "kits", f"{header}990011,ZZKITA,ZZLOT1,{number}\n", depot_id="D1")
        assert answer.json()["problems"][0].startswith("line 2: pick_sequence "), answer.text


@pytest.mark.parametrize(
    ("content", "field", "detail"),
    [
        (b'{"site_id": "S01", "sex"', "body", "is not JSON from character 24 on"),
        (b"{", "body", "is not JSON from character 1 on"),
    ],
)
def test_malformed_json_names_the_body_and_the_place(trial, content, field, detail):
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
    problem = (
        trial.clients["coordinator"].http.post(f"{PATH}/subjects", content=content, headers=headers).json()
    )
    assert problem["field"] == field
    assert detail in problem["detail"]


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ({"sex": "X"}, "use 'F', 'M', 'U' or 'UNDIFFERENTIATED'"),
        ({"age": 131}, "use 130 or less"),
        ({"age": None}, "write it like 3, without quotes"),
        ({"screened_on": "tomorrow"}, "write it like 2026-03-31"),
        ({"screened_on": "1899-12-31"}, "use one from 1900-01-01 to 2199-12-31"),
        ({"initials": "AB"}, "leave it out; /docs lists the fields"),
        ({"race": "x" * 61}, "write at most 60 characters"),
    ],
)
def test_a_refusal_says_what_would_be_allowed(trial, change, fix):
    field = next(iter(change))
    assert invalid(trial, "coordinator", "subjects", {**SCREEN, **change}, field)["fix"] == fix


def test_a_key_used_again_with_another_reason_is_a_conflict_and_not_a_loss(trial):
    key = uuid.uuid4().hex
    desk = trial.clients["coordinator"]
    first = desk.done(f"{PATH}/subjects", {**SCREEN, "reason": "came in"}, key=key)
    before = trial.state()
    assert desk.done(f"{PATH}/subjects", {**SCREEN, "reason": "came in"}, key=key) == first
    other = desk.post(f"{PATH}/subjects", {**SCREEN, "reason": "sent by the GP"}, key=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")
    assert trial.state() == before


@pytest.mark.parametrize(
    ("grant", "status", "code", "field"),
    [
        ({"study_id": "no such study"}, 422, "unknown-study", "study_id"),
        ({"study_id": STUDY, "scope_kind": "site", "scope_key": "S99"}, 404, "not-found", "scope_key"),
        ({"study_id": STUDY, "scope_kind": "country", "scope_key": "USA"}, 404, "not-found", "scope_key"),
        ({"study_id": STUDY, "scope_kind": "depot", "scope_key": "D9"}, 404, "not-found", "scope_key"),
        ({"study_id": STUDY, "scope_kind": "site", "scope_key": "S 1"}, 422, "unknown-scope", "scope_key"),
        ({"study_id": STUDY, "role": "x\x00"}, 422, "invalid-request", "role"),
    ],
)
def test_a_role_for_what_does_not_exist_is_not_given(trial, grant, status, code, field):
    before = trial.state()
    answer = trial.clients["administrator"].post("/accounts/monitor/grants", {"role": "monitor", **grant})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field)
    assert trial.state() == before

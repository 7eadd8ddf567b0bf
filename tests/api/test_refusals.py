"""Each refusal has its own code and status, is problem+json, and leaves ledger and projections as they were."""

import uuid
from typing import Any

import pytest

from allocation.api.problems import URN
from tests.api.conftest import Trial
from tests.api.trial import AS_IS as LABELS
from tests.api.trial import PASSWORD, STUDY, kits, lots, protocol, randomization_list

PATH = f"/studies/{STUDY}"
SCREEN = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}


@pytest.fixture(scope="module")
def subjects(trial: Trial) -> dict[str, str]:
    """A subject in each state, by the name of the state."""
    desk = trial.clients["coordinator"]
    found = {}
    for state in ("screening", "failed", "eligible", "randomized", "dispensed", "ended"):
        found[state] = desk.done(f"{PATH}/subjects", SCREEN)["subject_id"]
        subject = {"subject_id": found[state]}
        if state == "failed":
            desk.done(f"{PATH}/eligibility", {**subject, "eligible": False, "failed_criteria": ["IN01"]})
        if state in ("eligible", "randomized", "dispensed", "ended"):
            desk.done(f"{PATH}/eligibility", {**subject, "eligible": True})
        if state in ("randomized", "dispensed", "ended"):
            desk.done(f"{PATH}/randomizations", subject)
        if state == "dispensed":
            desk.done(f"{PATH}/dispensings", {**subject, "visit_code": "V2"})
        if state == "ended":
            desk.done(f"{PATH}/completions", subject)
    return found


def refused(
    trial: Trial, who: str, path: str, body: Any, status: int, code: str, field: str | None
) -> dict[str, Any]:
    """Post, and check the refusal's shape and that nothing was changed; gives the problem."""
    before = trial.state()
    answer = trial.clients[who].post(f"{PATH}/{path}", body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == (URN + code, status)
    assert problem["title"]
    assert problem["detail"]
    assert problem.get("field") == field, problem
    assert problem.get("fix"), problem
    assert trial.state() == before
    return problem


SUBJECT_REFUSALS: list[tuple[str, str, dict[str, Any], int, str, str]] = [
    (
        "coordinator",
        "eligibility",
        {"subject_id": "{failed}", "eligible": True},
        409,
        "not-in-screening",
        "subject_id",
    ),
    (
        "coordinator",
        "eligibility",
        {"subject_id": "nobody", "eligible": True},
        404,
        "not-found",
        "subject_id",
    ),
    (
        "coordinator",
        "eligibility",
        {"subject_id": "{screening}", "eligible": False, "failed_criteria": ["IN77"]},
        404,
        "not-found",
        "failed_criteria",
    ),
    ("investigator", "randomizations", {"subject_id": "{screening}"}, 409, "not-eligible", "subject_id"),
    ("investigator", "randomizations", {"subject_id": "{failed}"}, 409, "not-in-screening", "subject_id"),
    (
        "investigator",
        "randomizations",
        {"subject_id": "{randomized}"},
        409,
        "already-randomized",
        "subject_id",
    ),
    (
        "investigator",
        "randomizations",
        {"subject_id": "{eligible}", "factors": {"SEVERITY": "AWFUL"}},
        404,
        "not-found",
        "factors.SEVERITY",
    ),
    (
        "investigator",
        "randomizations",
        {"subject_id": "{eligible}", "randomized_on": "2031-01-01"},
        422,
        "future-date",
        "randomized_on",
    ),
    (
        "pharmacist",
        "dispensings",
        {"subject_id": "{eligible}", "visit_code": "V2"},
        409,
        "not-on-treatment",
        "subject_id",
    ),
    (
        "pharmacist",
        "dispensings",
        {"subject_id": "{ended}", "visit_code": "V2"},
        409,
        "not-on-treatment",
        "subject_id",
    ),
    (
        "pharmacist",
        "dispensings",
        {"subject_id": "{dispensed}", "visit_code": "V2"},
        409,
        "visit-on-record",
        "visit_code",
    ),
    (
        "pharmacist",
        "dispensings",
        {"subject_id": "{dispensed}", "visit_code": "V9"},
        404,
        "not-found",
        "visit_code",
    ),
    (
        "pharmacist",
        "dispensings",
        {"subject_id": "{dispensed}", "visit_code": "V4"},
        422,
        "no-dispensing-visit",
        "visit_code",
    ),
    (
        "pharmacist",
        "dispensings",
        {"subject_id": "{dispensed}", "visit_code": "V3"},
        422,
        "visit-outside-window",
        "visit_date",
    ),
    (
        "pharmacist",
        "dispensings",
        {"subject_id": "{dispensed}", "visit_code": "V3", "titration": "sideways"},
        422,
        "invalid-request",
        "titration",
    ),
    (
        "pharmacist",
        "visits",
        {"subject_id": "{dispensed}", "visit_code": "V4"},
        403,
        "not-permitted",
        "actor",
    ),
    ("coordinator", "visits", {"subject_id": "{dispensed}"}, 422, "invalid-request", "body"),
    (
        "coordinator",
        "visits",
        {"subject_id": "{dispensed}", "visit_number": "2", "epoch": "TRT"},
        422,
        "planned-number",
        "visit_number",
    ),
    (
        "coordinator",
        "missed-visits",
        {"subject_id": "{dispensed}", "visit_code": "V2"},
        409,
        "visit-on-record",
        "visit_code",
    ),
    (
        "coordinator",
        "discontinuations",
        {"subject_id": "{screening}", "end_reason": "ADVERSE EVENT"},
        409,
        "not-on-study",
        "subject_id",
    ),
    (
        "coordinator",
        "discontinuations",
        {"subject_id": "{ended}", "end_reason": "COMPLETED"},
        422,
        "contradiction",
        "end_reason",
    ),
    ("coordinator", "completions", {"subject_id": "{ended}"}, 409, "not-on-study", "subject_id"),
]


@pytest.mark.parametrize(("who", "path", "body", "status", "code", "field"), SUBJECT_REFUSALS)
def test_what_a_subjects_state_or_the_protocol_forbids_is_refused(
    trial, subjects, who, path, body, status, code, field
):
    filled = {
        key: value.format(**subjects) if isinstance(value, str) else value for key, value in body.items()
    }
    refused(trial, who, path, filled, status, code, field)


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"site_id": "S99"}, 404, "not-found", "site_id"),
        ({"age": 17}, 422, "age-outside-limits", "age"),
        ({"age": "forty"}, 422, "invalid-request", "age"),
        ({"sex": "X"}, 422, "invalid-request", "sex"),
        ({"sex": None}, 422, "invalid-request", "sex"),
        ({"initials": "AB"}, 422, "invalid-request", "initials"),
        ({"screened_on": "2026-13-01"}, 422, "invalid-request", "screened_on"),
        ({"screened_on": "2031-01-01"}, 422, "future-date", "screened_on"),
        ({"consented_on": "2026-03-09"}, 422, "consent-after-screening", "consented_on"),
        ({"factors": {"COLOUR": "RED"}}, 404, "not-found", "factors.COLOUR"),
        ({"cohort": "C1"}, 404, "not-found", "cohort"),
        ({"subject_id": "S01-0001"}, 409, "subject-exists", "subject_id"),
        ({"subject_id": "../etc"}, 422, "invalid-request", "subject_id"),
    ],
)
def test_a_screening_that_is_wrong_is_refused_by_field(trial, subjects, change, status, code, field):
    refused(trial, "coordinator", "subjects", {**SCREEN, **change}, status, code, field)


def test_a_cap_that_is_reached_stops_screening(trial):
    body = {**SCREEN, "site_id": "S02"}
    trial.clients["other.site"].done(f"{PATH}/subjects", body)
    refused(trial, "other.site", "subjects", body, 409, "cap-reached", "site")


def test_a_list_that_ran_out_is_told_apart_from_other_refusals(trial):
    desk = trial.clients["coordinator"]
    body = {**SCREEN, "factors": {"SEVERITY": "SEVERE"}}
    for _ in range(6):
        subject = {"subject_id": desk.done(f"{PATH}/subjects", body)["subject_id"]}
        desk.done(f"{PATH}/eligibility", {**subject, "eligible": True})
        desk.done(f"{PATH}/randomizations", subject)
    subject = {"subject_id": desk.done(f"{PATH}/subjects", body)["subject_id"]}
    desk.done(f"{PATH}/eligibility", {**subject, "eligible": True})
    refused(trial, "coordinator", "randomizations", subject, 409, "list-exhausted", "stratum")


def test_kits_that_ran_out_or_are_elsewhere_are_refused_without_naming_a_type(trial, subjects):
    desk = trial.clients["coordinator"]
    handed = 0
    for listed in trial.clients["statistician"].get(f"{PATH}/unblinded/subjects").json()["subjects"]:
        if listed["status"] != "randomized" or listed["subject_id"] == subjects["dispensed"]:
            continue
        asked = {"subject_id": listed["subject_id"], "visit_code": "V2"}
        answer = desk.post(f"{PATH}/dispensings", asked)
        if answer.status_code == 200:
            handed += 1
            continue
        # The kits of this arm are in the depot now, not at the site.
        problem = refused(trial, "coordinator", "dispensings", asked, 409, "no-usable-kit", "visit_code")
        assert "ZZ" not in str(problem)
        assert handed
        return
    pytest.fail("the site never ran out")


FILE_REFUSALS: list[tuple[str, str, Any, list[str]]] = [
    ("open.supply", "lots", {"lots": [*lots(LABELS)["lots"]]}, ["row 1", "row 2", "row 3"]),
    (
        "open.supply",
        "lots",
        {"lots": [{"lot_id": "N1", "kit_type": "K9", "expiry_date": "2028-01-01", "released_for": ["XXX"]}]},
        ["row 1", "row 1"],
    ),
    ("open.supply", "kits", kits(LABELS, 2), ["row 1", "row 1", "row 2", "row 2"]),
    (
        "open.supply",
        "kits",
        {
            "depot_id": "D1",
            "kits": [{"kit_number": "1", "kit_type": "ZZKITA", "lot_id": "ZZLOT2", "line": 7}],
        },
        ["line 7"],
    ),
]


@pytest.mark.parametrize(("who", "path", "body", "places"), FILE_REFUSALS)
def test_rows_that_are_wrong_are_all_named_and_none_is_loaded(trial, who, path, body, places):
    problem = refused(trial, who, path, body, 422, "file-refused", "file")
    assert [text.split(":")[0] for text in problem["problems"]] == places


def test_a_list_with_a_fault_is_refused_by_line(trial):
    broken = {**randomization_list(LABELS), "list_id": "ZZMRL2"}
    broken["entries"][1] = {**broken["entries"][1], "randomization_number": "R7919"}  # the number of line 2
    broken["entries"][4] = {**broken["entries"][4], "arm": "ZZARMX"}
    problem = refused(trial, "statistician", "lists", broken, 422, "file-refused", "file")
    lines = {text.split(":")[0] for text in problem["problems"]}
    assert {"line 3", "line 6"} <= lines, problem


SUPPLY_REFUSALS: list[tuple[str, str, dict[str, Any], int, str, str]] = [
    ("depot", "dispatches", {"shipment_id": "none"}, 404, "not-found", "shipment_id"),
    ("depot", "dispatches", {"shipment_id": "S01-S001"}, 409, "shipment-state", "shipment_id"),
    ("coordinator", "receipts", {"shipment_id": "S01-S001"}, 409, "shipment-state", "shipment_id"),
    ("coordinator", "receipts", {"shipment_id": "S02-S001"}, 403, "not-permitted", "actor"),
    (
        "open.supply",
        "kits",
        {"depot_id": "D9", "kits": [{"kit_number": "1", "kit_type": "K", "lot_id": "L"}]},
        404,
        "not-found",
        "depot_id",
    ),
    ("project.manager", "sites", {"site_id": "S01"}, 409, "site-open", "site_id"),
    ("project.manager", "sites", {"site_id": "S09", "country": "XXX"}, 404, "not-found", "country"),
    (
        "project.manager",
        "sites",
        {"site_id": "S09", "timezone": "Mars/Base"},
        422,
        "invalid-request",
        "timezone",
    ),
    ("statistician", "lists", {**randomization_list(LABELS)}, 409, "list-exists", "list_id"),
    ("statistician", "lists", {**randomization_list(LABELS), "event": "R2"}, 404, "not-found", "event"),
    ("statistician", "versions", {"protocol": protocol()}, 409, "version-out-of-order", "study.version"),
    ("statistician", "versions", {"protocol": protocol(2)}, 403, "signature-refused", "signature"),
]


@pytest.mark.parametrize(("who", "path", "body", "status", "code", "field"), SUPPLY_REFUSALS)
def test_what_the_state_of_supplies_or_the_study_forbids_is_refused(
    trial, who, path, body, status, code, field
):
    refused(trial, who, path, body, status, code, field)


@pytest.mark.parametrize(
    ("signature", "status", "code", "field"),
    [
        (
            {"password": "wrong password here", "meaning": "randomization list activated"},
            403,
            "signature-refused",
            "password",
        ),
        ({"password": PASSWORD, "meaning": "just so"}, 403, "signature-refused", "meaning"),
        ({"password": PASSWORD}, 422, "invalid-request", "signature.meaning"),
        (None, 422, "invalid-request", "signature"),
    ],
)
def test_a_signature_that_is_missing_or_wrong_is_refused(trial, signature, status, code, field):
    name = f"ZZ{uuid.uuid4().hex[:8]}"
    made = {**randomization_list(LABELS), "list_id": name, "event": "RAND"}
    for number, entry in enumerate(made["entries"]):
        entry["randomization_number"] = f"{name}{number}"
    stored = trial.clients["statistician"].post(f"{PATH}/lists", made)
    assert stored.status_code == 200, stored.text
    before = _without_attempts(trial)
    answer = trial.clients["statistician"].post(
        f"{PATH}/list-activations", {"list_id": name, "signature": signature}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (status, code, field)
    assert "wrong password here" not in answer.text
    assert _without_attempts(trial) == before


def _without_attempts(trial: Trial) -> dict[str, Any]:
    """The trial's state without accounts, which count the failure."""
    return {name: rows for name, rows in trial.state().items() if name != "account"}


def test_a_body_that_is_not_json_or_is_cut_off_is_refused(trial):
    before = trial.state()
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    for content in (b'{"site_id": "S01", "sex"', b"", b"[]", b"\xff\xfe"):
        answer = trial.clients["coordinator"].http.post(f"{PATH}/subjects", content=content, headers=headers)
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert trial.state() == before


def test_an_unknown_route_or_method_is_a_problem_too(trial):
    desk = trial.clients["coordinator"]
    for answer, status in ((desk.get("/nothing"), 404), (desk.http.put(f"{PATH}/subjects"), 405)):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")

"""Every route asks who it is and whether they may; a site sees its own only."""

import pytest

from allocation.access.permissions import COMMAND_PERMISSIONS
from allocation.api.all_routes import ROUTES as UNSIGNED
from allocation.api.all_routes import SIGNED_ROUTES
from allocation.api.signed_kit_routes import SIGNED_KIT_ROUTES
from tests.api.trial import STUDY

PATH = f"/studies/{STUDY}"
ROUTES = (*UNSIGNED, *SIGNED_ROUTES, *SIGNED_KIT_ROUTES)
ASKED_WITH = {"kit-labels": "?kit=0100", "scanned-kit": "?scan=0100"}


def test_every_command_has_a_route_and_every_route_a_permission():
    routed = {row.command for row in ROUTES} | {
        "activate_list",
        "activate_method",
        "load_study_version",
        "put_version_into_effect",
    }
    # Orders are made by resupply runs, lending by taking, not asked for on their own; the EDC's messages are signed (tests/edc).
    unasked = {"order_shipment", "lend_kits", "receive_edc_facts", "apply_edc_facts"}
    assert routed == set(COMMAND_PERMISSIONS) - unasked


@pytest.fixture(scope="module")
def description(trial):
    return trial.anonymous.get("/openapi.json").json()


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.command)
def test_no_command_is_run_for_the_unidentified_the_unpermitted_or_without_a_key(trial, description, row):
    example = description["components"]["schemas"][row.body.__name__]["examples"][0]
    before = trial.state()
    unidentified = trial.anonymous.post(f"{PATH}/{row.path}", example)
    assert (unidentified.status_code, unidentified.json()["code"]) == (401, "login-refused")
    assert unidentified.headers["www-authenticate"] == "Bearer"
    unpermitted = trial.clients["stranger"].post(f"{PATH}/{row.path}", example)
    assert unpermitted.status_code == 403, unpermitted.text
    assert unpermitted.json()["code"] == "not-permitted"
    keyless = trial.clients["statistician"].http.post(f"{PATH}/{row.path}", json=example)
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency-key-missing")
    assert keyless.json()["field"] == "Idempotency-Key"
    assert trial.state() == before


def test_every_page_is_refused_to_strangers_and_unblinded_pages_to_blinded_roles(trial, description):
    pages = [path for path in description["paths"] if "{study_id}" in path]
    named = {"study_id": STUDY, "subject_id": "S01-0001", "site_id": "S01", "shipment_id": "S01-S001"}
    named |= {
        "return_id": "S01-R001",
        "kit_number": "100",
        "lot": "LA",
        "excursion_id": "S01-E1",
        "sha256": "0" * 64,
        "proposal_id": "P1",
    }
    asked = 0
    for page in pages:
        path = page.format(**named)
        path += ASKED_WITH.get(path.rpartition("/")[2], "")
        if trial.anonymous.get(path).status_code == 405:
            continue  # a route that only changes things
        asked += 1
        assert trial.anonymous.get(path).status_code == 401, path
        assert trial.clients["stranger"].get(path).status_code == 403, path
        if "/unblinded/" in path:
            assert trial.clients["sponsor"].get(path).status_code == 403, path
            assert trial.clients["administrator"].get(path).status_code == 403, path
    assert asked == 47


def test_a_site_sees_its_own_subjects_stock_and_shipments_only(trial):
    body = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
    subject_id = trial.clients["coordinator"].done(f"{PATH}/subjects", body)["subject_id"]
    other = trial.clients["other.site"]
    assert other.get(f"{PATH}/subjects/{subject_id}").status_code == 404
    assert other.get(f"{PATH}/sites/S01/stock").status_code == 403
    assert other.get(f"{PATH}/subjects", site_id="S01").status_code == 403
    assert other.get(f"{PATH}/shipments/S01-S001").status_code == 404
    assert {one["site_id"] for one in other.get(f"{PATH}/subjects").json()["subjects"]} <= {"S02"}
    assert {one["to_place"] for one in other.get(f"{PATH}/shipments").json()["shipments"]} == {"S02"}
    overview = other.get(f"{PATH}/overview").json()
    assert [one["site_id"] for one in overview["enrolment"]["sites"]] == ["S02"]
    assert {one["place"] for one in overview["stock"]} <= {"S02", ""}
    assert {one["site_id"] for one in overview["events"]} <= {"S02", None}
    before = trial.state()
    theirs = other.post(f"{PATH}/eligibility", {"subject_id": subject_id, "eligible": True})
    assert (theirs.status_code, theirs.json()["code"]) == (403, "not-permitted")
    assert trial.state() == before

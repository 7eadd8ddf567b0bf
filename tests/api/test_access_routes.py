"""Identity over HTTP: log in and out, tokens, accounts and roles; secrets never come back."""

import re
import threading
from pathlib import Path

import pytest

import allocation
from allocation.access.accounts import MAX_FAILED_ATTEMPTS
from allocation.api.problems import STATE_CODES
from allocation.ledger.reader import last_position
from tests.api.running_app import ApiClient
from tests.api.trial import PASSWORD, STUDY

PATH = f"/studies/{STUDY}"


def login(trial, username: str, password: str = PASSWORD):
    return trial.anonymous.http.post("/login", json={"username": username, "password": password})


def as_bearer(trial, token: str) -> dict[str, str]:
    return {"headers": {"Authorization": f"Bearer {token}"}}


def test_a_login_gives_a_token_that_a_logout_ends(trial):
    answer = login(trial, "coordinator").json()
    assert answer["identity"]["grants"] == [
        {"role": "site_coordinator", "study_id": STUDY, "scope_kind": "site", "scope_key": "S01"}
    ]
    bearer = as_bearer(trial, answer["token"])
    assert trial.anonymous.http.get("/me", **bearer).json() == answer["identity"]
    assert trial.anonymous.http.post("/logout", **bearer).json() == {"changed": True}
    refused = trial.anonymous.http.get("/me", **bearer)
    assert (refused.status_code, refused.json()["code"]) == (401, "login-refused")


def test_guessing_a_password_locks_the_account_also_for_the_right_one(trial):
    made = {"username": "victim", "display_name": "Victim", "password": PASSWORD}
    assert trial.clients["administrator"].http.post("/accounts", json=made).status_code == 200
    for _ in range(MAX_FAILED_ATTEMPTS):
        answer = login(trial, "victim", "not my password")
        assert answer.status_code == 401
        assert "not my password" not in answer.text
    assert login(trial, "victim").status_code == 401
    trial.clock.move(minutes=15)
    assert login(trial, "victim").status_code == 200


def test_failed_signatures_count_toward_the_lock(trial):
    made = {"username": "signer", "display_name": "Signer", "password": PASSWORD}
    administrator = trial.clients["administrator"].http
    administrator.post("/accounts", json=made)
    grant = {"role": "unblinded_statistician", "study_id": STUDY}
    assert administrator.post("/accounts/signer/grants", json=grant).json() == {"changed": True}
    token = login(trial, "signer").json()["token"]
    for attempt in range(MAX_FAILED_ATTEMPTS):
        answer = trial.anonymous.http.post(
            f"{PATH}/list-activations",
            json={"list_id": "ZZMRL", "signature": {"password": "not my password", "meaning": "x"}},
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": f"sign-{attempt}"},
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "signature-refused")
    assert login(trial, "signer").status_code == 401


def test_a_blinded_and_an_unblinded_role_are_refused_to_one_account(trial):
    administrator = trial.clients["administrator"].http
    conflicting = administrator.post(
        "/accounts/sponsor/grants", json={"role": "unblinded_statistician", "study_id": STUDY}
    )
    assert (conflicting.status_code, conflicting.json()["code"]) == (409, "role-conflict")
    by_other = trial.clients["sponsor"].http.post(
        "/accounts/depot/grants", json={"role": "monitor", "study_id": STUDY}
    )
    assert (by_other.status_code, by_other.json()["code"]) == (403, "not-permitted")
    unknown = administrator.post("/accounts/nobody/grants", json={"role": "monitor", "study_id": STUDY})
    assert unknown.status_code == 404


def test_a_role_that_is_taken_back_is_gone_at_once(trial):
    administrator = trial.clients["administrator"].http
    made = {"username": "short.stay", "display_name": "Short Stay", "password": PASSWORD}
    administrator.post("/accounts", json=made)
    administrator.post("/accounts/short.stay/grants", json={"role": "monitor", "study_id": STUDY})
    bearer = as_bearer(trial, login(trial, "short.stay").json()["token"])
    assert trial.anonymous.http.get(f"{PATH}/subjects", **bearer).status_code == 200
    held = {"role": "monitor", "study_id": STUDY, "reason": "left the team"}
    assert administrator.delete("/accounts/short.stay/grants", params=held).json() == {"changed": True}
    assert trial.anonymous.http.get(f"{PATH}/subjects", **bearer).status_code == 403
    assert administrator.delete("/accounts/short.stay/grants", params=held).status_code == 404


def test_a_programs_token_can_do_no_more_than_it_was_narrowed_to(trial):
    wide = trial.clients["data.manager"].http
    narrow = wide.post(
        "/tokens", json={"password": PASSWORD, "study_id": STUDY, "site_id": "S02", "days": 1}
    ).json()
    bearer = as_bearer(trial, narrow["token"])
    stock = trial.anonymous.http.get(f"{PATH}/subjects", params={"site_id": "S01"}, **bearer)
    assert stock.status_code == 403
    assert (
        trial.anonymous.http.get(f"{PATH}/subjects", params={"site_id": "S02"}, **bearer).status_code == 200
    )
    beyond = {"password": PASSWORD, "role": "unblinded_statistician"}
    assert wide.post("/tokens", json=beyond).status_code == 422
    # Who holds the token, but not the password, cannot make a wider one of it.
    for guess in ({}, {"password": "not my password"}):
        widened = trial.anonymous.http.post("/tokens", json={"study_id": STUDY, **guess}, **bearer)
        assert widened.status_code in (401, 422)
        assert "token" not in widened.json()
    assert wide.delete(f"/tokens/{narrow['token_id']}").json() == {"changed": True}
    assert trial.anonymous.http.get("/me", **bearer).status_code == 401


def test_everyone_is_told_of_their_own_studies_only(trial):
    listed = trial.clients["monitor"].get("/studies").json()["studies"]
    assert [(one["study_id"], one["roles"]) for one in listed] == [(STUDY, ["monitor"])]
    assert trial.clients["stranger"].get("/studies").json()["studies"] == []


def test_two_desks_at_once_never_get_one_kit_or_one_number(trial):
    desk = trial.clients["coordinator"]
    ready = []
    for _ in range(4):
        body = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
        subject = {"subject_id": desk.done(f"{PATH}/subjects", body)["subject_id"]}
        desk.done(f"{PATH}/eligibility", {**subject, "eligible": True})
        ready.append(subject)
    start = threading.Barrier(len(ready))
    numbers: list[str] = []
    kits: list[str] = []

    def work(subject: dict[str, str]) -> None:
        client = ApiClient(str(desk.http.base_url))
        client.http.headers["Authorization"] = desk.http.headers["Authorization"]
        start.wait()
        numbers.append(client.done(f"{PATH}/randomizations", subject)["randomization_number"])
        answer = client.post(f"{PATH}/dispensings", {**subject, "visit_code": "V2"})
        if answer.status_code == 200:
            kits.extend(answer.json()["kit_numbers"])
        client.http.close()

    threads = [threading.Thread(target=work, args=(subject,)) for subject in ready]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(numbers) == len(set(numbers)) == len(ready)
    assert kits
    assert len(kits) == len(set(kits))


def test_the_service_seals_what_it_writes(trial):
    before = last_position(trial.database, STUDY)
    trial.clients["coordinator"].done(
        f"{PATH}/subjects", {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
    )
    sealed = threading.Event()
    for _ in range(100):
        if last_position(trial.database, STUDY) > before:
            break
        sealed.wait(0.05)
    else:
        pytest.fail("nothing was sealed within five seconds")


def test_every_code_that_means_a_conflict_of_state_is_one_that_the_service_uses():
    package = Path(allocation.__file__).parent
    used = set()
    for path in package.rglob("*.py"):
        if path.name != "problems.py":
            used |= set(re.findall(r'code="([a-z-]+)"', path.read_text()))
    assert used >= STATE_CODES

"""Notifications over HTTP: the administrator's list, addresses, and one's own wishes."""

from tests.api.conftest import Trial
from tests.api.trial import STUDY

PATH = f"/studies/{STUDY}"


def put(trial: Trial, who: str, path: str, body: dict):
    return trial.clients[who].http.put(path, json=body)


def test_an_administrator_sets_addresses_and_sees_who_was_told_but_not_what(trial: Trial) -> None:
    done = put(trial, "administrator", "/accounts/supply/email", {"email": "supply@example.org"})
    assert done.json()["email"] == "supply@example.org"
    site = {"site_id": "S02", "reason": "alarm"}
    trial.clients["supply"].done(f"{PATH}/quarantines", site)
    listed = trial.clients["administrator"].get(f"{PATH}/notices").json()
    assert listed["waiting"] == 1
    (line,) = listed["notices"]
    assert (line["username"], line["event"], line["places"]) == ("supply", "quarantine", "site S02")
    assert not {"subject", "body"} & set(line)
    assert trial.clients["administrator"].post(f"{PATH}/notices/retry", {}).json() == {"revived": 0}


def test_who_does_not_administer_neither_sees_the_list_nor_sets_an_address(trial: Trial) -> None:
    for who in ("supply", "auditor", "coordinator"):
        assert trial.clients[who].get(f"{PATH}/notices").status_code == 403
        assert trial.clients[who].post(f"{PATH}/notices/retry", {}).status_code == 403
        refused = put(trial, who, "/accounts/monitor/email", {"email": "a@example.org"})
        assert refused.status_code == 403
    assert trial.anonymous.get(f"{PATH}/notices").status_code == 401


def test_people_set_their_own_digest_and_a_wrong_one_is_refused_by_field(trial: Trial) -> None:
    wanted = {"digest_hour": 6, "timezone": "Europe/Paris", "off": ["order"]}
    kept = put(trial, "monitor", "/me/notifications", wanted).json()
    assert kept == {"username": "monitor", "email": None, **wanted}
    assert trial.clients["monitor"].get("/me/notifications").json() == kept
    for wrong, status in (
        ({"off": ["recall"]}, 422),
        ({"timezone": "Moon"}, 422),
        ({"digest_hour": 30}, 422),
    ):
        assert put(trial, "monitor", "/me/notifications", wrong).status_code == status
    bad = put(trial, "administrator", "/accounts/monitor/email", {"email": "no address"})
    assert (bad.status_code, bad.json()["field"]) == (422, "email")


def test_an_account_can_be_made_with_an_address(trial: Trial) -> None:
    body = {"username": "new.one", "display_name": "New One", "password": "correct horse battery"}
    client = trial.clients["administrator"]
    assert client.post("/accounts", {**body, "email": "no address"}).status_code == 422
    assert client.post("/accounts", {**body, "email": "new.one@example.org"}).status_code == 200

"""Code breaks over HTTP: the password again, who may, what is answered to whom, and a retry."""

from collections.abc import Iterator
from typing import Any

import pytest

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import actor_named, grant_role
from allocation.access.tokens import issue_token
from allocation.rules.code_break import BROKEN_CODE_READ, CODE_BROKEN
from tests.api.conftest import Trial, trial_at
from tests.api.running_app import ApiClient
from tests.api.trial import PASSWORD, STUDY

PATH = f"/studies/{STUDY}"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """One trial on SQLite: that commands do the same on both databases is shown in tests/commands."""
    with trial_at(f"sqlite:///{tmp_path_factory.mktemp('breaks') / 'rtsm.db'}", stocked=False) as running:
        yield running


def randomized(trial: Trial) -> str:
    body = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
    who: str = trial.clients["coordinator"].done(f"{PATH}/subjects", body)["subject_id"]
    trial.clients["investigator"].done(f"{PATH}/eligibility", {"subject_id": who, "eligible": True})
    trial.clients["investigator"].done(f"{PATH}/randomizations", {"subject_id": who})
    return who


def asked(who: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    signature = {"password": password, "meaning": CODE_BROKEN}
    whole = {"subject_id": who, "kind": "emergency", "category": "medical_emergency", "reason": "anaphylaxis"}
    return {**whole, "signature": signature, **more}


def test_a_code_is_broken_for_the_one_who_signs_and_for_nobody_else(trial: Trial) -> None:
    who = randomized(trial)
    before = trial.state()
    for name, body, status, code in (
        ("investigator", asked(who, reason=""), 422, "reason-missing"),
        ("investigator", asked(who, signature=None), 403, "signature-refused"),
        ("investigator", asked(who, kind="hurry"), 422, "invalid-request"),
        ("investigator", asked(who, category="curiosity"), 422, "invalid-request"),
        ("investigator", asked("S01-9999"), 404, "not-found"),
        ("monitor", asked(who), 403, "not-permitted"),
        ("coordinator", asked(who), 403, "not-permitted"),
        ("other.site", asked(who), 403, "not-permitted"),
        ("statistician", asked(who), 403, "not-permitted"),
    ):
        answer = trial.clients[name].post(f"{PATH}/code-breaks", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (name, body, answer.text)
        assert answer.json()["fix"]
        assert "ZZ" not in answer.text
    assert trial.state() == before
    first = trial.clients["investigator"].post(f"{PATH}/code-breaks", asked(who), key="break-1")
    assert first.status_code == 200, first.text
    shown = first.json()["treatment"]
    assert shown["subject_id"] == who
    assert shown["arm"].startswith("ZZARM")
    again = trial.clients["investigator"].post(f"{PATH}/code-breaks", asked(who), key="break-1")
    assert (again.status_code, again.content) == (200, first.content)
    other = trial.clients["investigator"].post(
        f"{PATH}/code-breaks", asked(who, reason="else"), key="break-1"
    )
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")
    body = {
        "subject_id": who,
        "reason": "hand-over",
        "signature": {"password": PASSWORD, "meaning": BROKEN_CODE_READ},
    }
    read = trial.clients["investigator"].done(f"{PATH}/broken-code-readings", body)
    assert (read["treatment"], read["reading"]) == (shown, 3)
    for name in ("coordinator", "investigator", "monitor", "project.manager", "sponsor"):
        for page in ("code-breaks", "broken-code-readings", f"subjects/{who}", "overview?events=50"):
            answer = trial.clients[name].get(f"{PATH}/{page}")
            assert answer.status_code == 200, answer.text
            assert "ZZ" not in answer.text, (name, page)
            assert who in answer.text
    readings = trial.clients["monitor"].get(f"{PATH}/broken-code-readings").json()["readings"]
    assert sorted(one["act"] for one in readings if one["subject_id"] == who) == ["break", "read", "retry"]
    assert trial.clients["other.site"].get(f"{PATH}/code-breaks").json()["breaks"] == []
    opened = trial.clients["auditor"].get(f"{PATH}/unblinded/code-breaks").json()["breaks"]
    assert [(one["arm"], one["reason"]) for one in opened] == [(shown["arm"], "anaphylaxis")]


def test_where_nobody_approves_a_request_is_refused_and_names_the_way_on(trial: Trial) -> None:
    body = {
        "subject_id": randomized(trial),
        "category": "other",
        "reason": "asked by the authority",
        "signature": {"password": PASSWORD, "meaning": "code break requested"},
    }
    answer = trial.clients["investigator"].post(f"{PATH}/code-break-requests", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "approval-not-needed")
    assert answer.json()["fix"] == "break it at once"
    decided = {"request_id": "S01-0001-U1", "reason": "no", "signature": body["signature"]}
    for act in ("approvals", "refusals"):
        answer = trial.clients["project.manager"].post(f"{PATH}/code-break-{act}", decided)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_wrong_passwords_show_nothing_and_lock_the_account_out(trial: Trial) -> None:
    who = randomized(trial)
    create_account(trial.database, SYSTEM_ACTOR, "clumsy", "Clumsy", PASSWORD, trial.clock)
    grant_role(
        trial.database, SYSTEM_ACTOR, "clumsy", Grant("investigator", STUDY, "site", "S01"), trial.clock
    )
    token = issue_token(trial.database, actor_named(trial.database, "clumsy"), trial.clock).token
    client = ApiClient(trial.anonymous.http.base_url, token)
    try:
        for _ in range(6):
            answer = client.post(f"{PATH}/code-breaks", asked(who, "a wrong one"))
            assert answer.status_code in (401, 403), answer.text
            assert "ZZ" not in answer.text
        locked = client.post(f"{PATH}/code-breaks", asked(who))
        assert locked.status_code in (401, 403), locked.text
        assert "treatment" not in locked.text
    finally:
        client.http.close()
    breaks = trial.clients["project.manager"].get(f"{PATH}/code-breaks").json()["breaks"]
    assert who not in {one["subject_id"] for one in breaks}

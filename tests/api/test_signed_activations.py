"""Putting a method or a list into use needs a person's password again, over HTTP and on the command line."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.access.grants import actor_named
from allocation.access.tokens import issue_token
from allocation.api.app import create_app
from allocation.commands.lists import ACTIVATION
from allocation.commands.randomization_methods import METHOD_ACTIVATION
from allocation.commands.service import utc_now
from allocation.commands.studies import GO_LIVE
from allocation.ledger.database import open_database
from tests.api.conftest import MovableClock
from tests.api.running_app import ApiClient, served
from tests.api.trial import PASSWORD, SITES, STUDY, make_people
from tests.commands.live_trial import live, with_events

PATH = f"/studies/{STUDY}"


@pytest.fixture
def clients(database_url: str) -> Iterator[dict[str, ApiClient]]:
    """A study that draws at randomization, its sites open, and nothing activated yet."""
    clock = MovableClock()
    with ExitStack() as stack:
        database = open_database(database_url)
        stack.callback(database.dispose)
        make_people(database, clock)
        address = stack.enter_context(served(create_app(database, clock)))
        made = {}
        for name in ("statistician", "project.manager", "coordinator", "sponsor"):
            actor = actor_named(database, name)
            made[name] = ApiClient(
                address, issue_token(database, actor, clock, lasts=timedelta(days=9)).token
            )
            stack.callback(made[name].http.close)
        document = with_events(live("minimization", parameters={"p": 0.8}))
        made["statistician"].done(f"{PATH}/versions", {"protocol": document})
        for site_id in SITES:
            made["project.manager"].done(f"{PATH}/sites", {"site_id": site_id})
        yield made


def randomized(clients: dict[str, ApiClient]) -> str:
    desk = clients["coordinator"]
    body = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
    subject_id: str = desk.done(f"{PATH}/subjects", body)["subject_id"]
    desk.done(f"{PATH}/eligibility", {"subject_id": subject_id, "eligible": True})
    answer = desk.done(f"{PATH}/randomizations", {"subject_id": subject_id})
    assert set(answer) == {"subject_id", "event", "randomization_number", "randomized_on", "status"}
    return subject_id


def test_a_method_is_activated_by_the_password_again_and_then_draws(clients: dict[str, ApiClient]) -> None:
    wrong = {"event": "RAND", "signature": {"password": "not it at all", "meaning": METHOD_ACTIVATION}}
    right = {"event": "RAND", "signature": {"password": PASSWORD, "meaning": METHOD_ACTIVATION}}
    refused = clients["statistician"].post(f"{PATH}/method-activations", wrong)
    assert (refused.status_code, refused.json()["code"]) == (403, "signature-refused")
    assert clients["sponsor"].post(f"{PATH}/method-activations", right).status_code == 403
    unknown = clients["statistician"].post(f"{PATH}/method-activations", {**right, "event": "NONE"})
    assert (unknown.status_code, unknown.json()["field"]) == (404, "event")
    done = clients["statistician"].done(f"{PATH}/method-activations", right)
    assert done == {"event": "RAND", "method": "minimization", "activation": 1, "state": "active"}
    subject_id = randomized(clients)
    page = f"{PATH}/unblinded/subjects/{subject_id}/randomizations"
    assert clients["sponsor"].get(page).status_code == 403
    (found,) = clients["statistician"].get(page).json()["randomizations"]
    assert found["derives_to_the_same"]
    assert found["method"] == "minimization"


def test_a_list_for_a_version_to_come_is_stored_and_activated_for_it(clients: dict[str, ApiClient]) -> None:
    statistician = clients["statistician"]
    event = {"code": "RAND", "visit": "V2", "block_sizes": [3], "factors": ["SEVERITY"]}
    document = with_events(event)
    document["study"] |= {"version": 2}
    approved = {"password": PASSWORD, "meaning": GO_LIVE}
    body = {"protocol": document, "effective_at": "2027-01-01T00:00:00Z", "signature": approved}
    assert statistician.done(f"{PATH}/versions", body)["events_needing_lists"] == ["RAND"]
    wanted = {"list_id": "V2", "event": "RAND", "entries_per_stratum": 6}
    refused = statistician.post(f"{PATH}/generated-lists", wanted)
    assert (refused.status_code, refused.json()["code"]) == (422, "no-list-needed")
    unknown = statistician.post(f"{PATH}/generated-lists", {**wanted, "protocol_version": 3})
    assert (unknown.status_code, unknown.json()["field"]) == (404, "protocol_version")
    made = statistician.done(f"{PATH}/generated-lists", {**wanted, "protocol_version": 2})
    assert made["protocol_version"] == 2
    signed = {"list_id": "V2", "signature": {"password": PASSWORD, "meaning": ACTIVATION}}
    early = statistician.post(f"{PATH}/list-activations", signed)
    assert (early.status_code, early.json()["code"]) == (422, "no-list-needed")
    done = statistician.done(f"{PATH}/list-activations", {**signed, "protocol_version": 2})
    assert done == {"list_id": "V2", "state": "active", "protocol_version": 2, "retired": []}
    (shown,) = statistician.get(f"{PATH}/unblinded/lists").json()["lists"]
    assert (shown["state"], shown["protocol_version"], shown["drawn_from_in"]) == ("active", 2, [])


@pytest.fixture
def on_the_command_line(sqlite_url: str) -> str:
    """The address of a database with the study and everybody's account, by the real clock that a command has."""
    database = open_database(sqlite_url)
    make_people(database, utc_now)
    database.dispose()
    return sqlite_url


def run(url: str, *arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(rtsm.app, [*arguments, "--db", url], input=said)


def loaded(url: str, folder: Path, document: dict[str, object]) -> None:
    file = folder / "study.yaml"
    file.write_text(json.dumps(document))
    assert run(url, "study", "load", str(file)).exit_code == 0


TWICE = f"{PASSWORD}\n{PASSWORD}\n"


def test_a_method_is_activated_on_the_command_line(on_the_command_line: str, tmp_path: Path) -> None:
    url = on_the_command_line
    loaded(url, tmp_path, with_events(live("complete")))
    asked = ("randomization", "activate", "RAND")
    assert "signed by a person" in run(url, *asked).output
    wrong = run(url, *asked, "--as", "statistician", said=f"{PASSWORD}\nnot it at all\n")
    assert wrong.exit_code == 1
    done = run(url, *asked, "--as", "statistician", "--seed", "7", said=TWICE)
    assert done.exit_code == 0, done.output
    assert f"{STUDY}: complete is in use at RAND" in done.output
    nobody = run(url, "randomization", "explain", "S01-0001")
    assert (nobody.exit_code, "S01-0001" in nobody.output) == (1, True)


def test_a_generated_list_is_activated_on_the_command_line(on_the_command_line: str, tmp_path: Path) -> None:
    url = on_the_command_line
    event = {"code": "RAND", "visit": "V2", "block_sizes": [3], "factors": ["SEVERITY"]}
    loaded(url, tmp_path, with_events(event))
    asked = ("load", "list", "ZZGEN", "--event", "RAND", "--generate", "12", "--activate")
    done = run(url, *asked, "--as", "statistician", said=TWICE)
    assert done.exit_code == 0, done.output
    assert "list ZZGEN is active, 24 entries" in done.output


def test_a_stored_list_is_activated_later_on_the_command_line_and_shown_with_where_it_is_drawn_from(
    on_the_command_line: str, tmp_path: Path
) -> None:
    url = on_the_command_line
    event = {"code": "RAND", "visit": "V2", "block_sizes": [3], "factors": ["SEVERITY"]}
    loaded(url, tmp_path, with_events(event))
    assert run(url, "load", "list", "ZZGEN", "--event", "RAND", "--generate", "12").exit_code == 0
    asked = ("randomization", "activate-list", "ZZGEN")
    assert "signed by a person" in run(url, *asked).output
    unknown = run(url, *asked, "--protocol-version", "2", "--as", "statistician", said=TWICE)
    assert (unknown.exit_code, "version 2" in unknown.output) == (1, True)
    done = run(url, *asked, "--protocol-version", "1", "--as", "statistician", said=TWICE)
    assert done.exit_code == 0, done.output
    assert f"{STUDY}: list ZZGEN is in use for version 1" in done.output
    shown = run(url, "randomization", "lists")
    assert (shown.exit_code, "DEU, FRA" in shown.output) == (0, True), shown.output
    (told,) = json.loads(run(url, "randomization", "lists", "--json").output)["lists"]
    assert (told["state"], told["protocol_version"], told["drawn_from_in"]) == ("active", 1, ["DEU", "FRA"])

"""`rtsm notify` as people type it, and the mailer of a served study."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.access.actors import SYSTEM_ACTOR
from allocation.api.mailer import Mailer
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.service import Act, Service, utc_now
from allocation.ledger.database import open_database
from tests.api.trial import STUDY, make_people
from tests.commands.desk import desk_at
from tests.notify.mail_server import PASSWORD, USER, Certificates, Inbox, mail_server
from tests.notify.people import address


@pytest.fixture
def url(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stocked trial whose people have no address yet, and a home without settings."""
    monkeypatch.setenv("RTSM_HOME", str(tmp_path))
    with desk_at(sqlite_url) as desk:
        desk.set_up()
        make_people(desk.database, utc_now)
    return sqlite_url


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(rtsm.app, ["notify", *arguments, "--db", url], env={"COLUMNS": "200"})


def answer(url: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    result = run(url, *arguments, "--json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout[result.stdout.index("{") :])
    return found


def serve(monkeypatch: pytest.MonkeyPatch, port: int, shown: Certificates) -> None:
    values = {"HOST": "127.0.0.1", "PORT": str(port), "USER": USER, "PASSWORD": PASSWORD}
    values |= {"SENDER": "rtsm@sponsor.example.com", "CA_FILE": str(shown.ca_file)}
    for name, value in values.items():
        monkeypatch.setenv(f"RTSM_SMTP_{name}", value)


def test_mail_is_addressed_checked_sent_listed_and_tried_again_on_the_command_line(
    url: str, shown: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(url, "email", "supply", address("supply"))["email"] == address("supply")
    assert answer(url, "email", "sponsor", address("sponsor"))["email"] == address("sponsor")
    wished = answer(url, "prefer", "sponsor", "--digest-hour", "7", "--time-zone", "Europe/Berlin")
    assert (wished["digest_hour"], wished["timezone"]) == (7, "Europe/Berlin")
    assert answer(url, "prefer", "sponsor", "--at-once")["digest_hour"] is None
    CliRunner().invoke(rtsm.app, ["kit", "quarantine", "--site", "S01", "--reason", "alarm", "--db", url])
    assert answer(url, "check")["written"] >= 1  # by the real clock, these kits have expired or soon will
    waiting = answer(url, "list", "--state", "waiting")
    assert {one["username"] for one in waiting["notices"]} == {"supply"}
    assert "subject" not in waiting["notices"][0]
    unset = run(url, "send")
    assert (unset.exit_code, "RTSM_SMTP_HOST" in unset.output) == (1, True)
    inbox = Inbox(answers={address("supply"): "550 no"})
    with mail_server(inbox, shown) as settings:
        serve(monkeypatch, settings.port, shown)
        assert answer(url, "send", code=1)["dead"] == waiting["waiting"]
        inbox.answers.clear()
        assert "the recipient is refused (550)" in run(url, "list").output
        assert answer(url, "retry")["revived"] == waiting["waiting"]
        assert answer(url, "send")["sent"] == waiting["waiting"]
    assert len(inbox.taken) == waiting["waiting"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("email", "supply", "no address"), 1, "email"),
        (("email", "nobody", "a@example.org"), 1, "nobody"),
        (("prefer", "supply", "--off", "recall"), 1, "recall"),
        (("prefer", "supply", "--off", "storm"), 1, "storm"),
        (("prefer", "supply", "--digest-hour", "24"), 2, "digest-hour"),
        (("prefer", "supply", "--digest-hour", "7", "--at-once"), 2, "digest"),
        (("list", "--state", "lost"), 2, "lost"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    url: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run(url, *arguments)
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_the_mailer_of_a_service_checks_every_hour_and_sends_what_is_due(
    url: str, shown: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(url, "email", "project.manager", address("project.manager"))
    inbox, database = Inbox(), open_database(url)
    try:
        with desk_at(url) as desk, mail_server(inbox, shown) as settings:
            serve(monkeypatch, settings.port, shown)
            service = Service(database, lambda: desk.now)
            quarantine_kits(service, Act(SYSTEM_ACTOR, reason="alarm"), STUDY, KitScopeRequest(site_id="S01"))
            mailer = Mailer(service, interval=0.01)
            mailer.work_once()
            assert len(inbox.taken) == 1
            mailer.start()
            mailer.stop()
            assert len(inbox.taken) == 1
    finally:
        database.dispose()

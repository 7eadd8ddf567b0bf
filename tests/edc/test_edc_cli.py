"""`rtsm edc`: receive, pull, send, log and keys from the command line, with --json, exit codes, and refusals in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import rtsm
from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import grant_role
from allocation.commands.service import utc_now
from allocation.edc.settings import setting
from allocation.study.protocol import Protocol
from tests.api.trial import PASSWORD, STUDY
from tests.commands.desk import desk_at
from tests.edc.http_stand_ins import EdcInbox, RedcapProject, serving
from tests.edc.test_redcap import MAP, TOKEN, whole
from tests.edc.unified import cleared, odm, unified_protocol


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with a unified study that fetches from REDCap and tells an EDC, with one subject screened."""
    url = f"sqlite:///{tmp_path / 'rtsm.db'}"
    monkeypatch.setenv("RTSM_HOME", str(tmp_path))
    monkeypatch.setenv("RTSM_DATABASE_URL", url)
    monkeypatch.delenv("RTSM_EDC_SECRET", raising=False)
    out = {"study_oid": "ST.1", "metadata_version_oid": "1"}
    with desk_at(url) as desk:
        desk.set_up(document=Protocol.model_validate(unified_protocol(**MAP | {"outgoing": out})))
        desk.screened(subject_id="S01-0001")
        create_account(desk.database, SYSTEM_ACTOR, "edc.system", "The EDC", PASSWORD, utc_now)
        grant_role(desk.database, SYSTEM_ACTOR, "edc.system", Grant("edc", STUDY), utc_now)
    return tmp_path


def run(*arguments: str, exit_code: int = 0) -> Any:
    result = CliRunner().invoke(rtsm.app, ["edc", *arguments, "--json"])
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout) if exit_code == 0 else result.output


def test_records_are_pulled_what_happened_is_sent_and_the_log_shows_both(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    project, inbox = RedcapProject(TOKEN, [("2026-03-01 08:00:00", whole("S01-0001"))]), EdcInbox(plan=[422])
    with serving(project) as redcap, serving(inbox) as edc:
        monkeypatch.setenv("RTSM_REDCAP_URL", redcap)
        monkeypatch.setenv("RTSM_REDCAP_TOKEN_TRIAL_1", TOKEN)
        monkeypatch.setenv("RTSM_EDC_URL", edc)
        assert run("pull")["facts"] == 4
        run("pull")
        assert [bool(asked.get("dateRangeBegin")) for asked in project.asked] == [False, True]
        run("pull", "--all")
        assert "dateRangeBegin" not in project.asked[-1]
        refused = CliRunner().invoke(rtsm.app, ["edc", "send"])
        assert (refused.exit_code, refused.stdout) == (
            1,
            f"{STUDY}: 0 sent, 0 to be tried again, 1 given up, 0 waiting\n",
        )
        assert run("send", "--retry-dead") == {
            "study_id": STUDY, "revived": 1, "sent": 1, "failed": 0, "dead": 0, "waiting": 0,
        }  # fmt: skip
    log = run("log")
    assert [one["outcome"] for one in log["transfers"]] == ["repeated", "accepted", "accepted"]
    assert [(one["kind"], one["state"]) for one in log["deliveries"]] == [("visit", "sent")]
    text = CliRunner().invoke(rtsm.app, ["edc", "log"]).stdout
    assert "in   " in text
    assert "visit of S01-0001: sent" in text
    assert TOKEN not in text


def test_a_redcap_that_is_down_is_a_line_of_the_log_and_the_next_pull_fetches_what_it_missed(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    project = RedcapProject(TOKEN, [("2026-03-01 08:00:00", whole("S01-0001"))])
    monkeypatch.setenv("RTSM_REDCAP_TOKEN", TOKEN)
    with serving(RedcapProject(TOKEN)) as url:
        pass
    monkeypatch.setenv("RTSM_REDCAP_URL", url)
    assert "REDCap does not answer" in run("pull", exit_code=1)
    last = run("log")["transfers"][0]
    assert (last["outcome"], last["code"], last["sender"]) == ("refused", "redcap-unavailable", "redcap")
    with serving(project) as url:
        monkeypatch.setenv("RTSM_REDCAP_URL", url)
        assert run("pull")["facts"] == 4
        assert "dateRangeBegin" not in project.asked[-1]
    assert "not mapped: initials" in CliRunner().invoke(rtsm.app, ["edc", "log"]).stdout


def test_a_file_is_received_whole_or_refused_in_one_line(home: Path):
    good, torn = home / "good.xml", home / "torn.xml"
    good.write_bytes(odm({"S01-0001": cleared()}, "F.1"))
    torn.write_bytes(good.read_bytes()[:-20])
    result = CliRunner().invoke(rtsm.app, ["edc", "receive", str(torn)])
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "rtsm: body: the message cannot be read: it is not well-formed XML (line "
    )
    assert run("receive", str(good))["message_id"] == "F.1"
    export = home / "x_IE.csv"
    export.write_text("SubjectId,in01,ex01\nS01-0001,1,0\n")
    assert CliRunner().invoke(rtsm.app, ["edc", "receive", str(export), "--kind", "export"]).exit_code == 2
    answer = run("receive", str(export), "--kind", "export", "--form", "IE", "--as-of", "2026-03-01T08:00Z")
    assert (answer["facts"], answer["subjects"]) == (2, 1)


def test_a_key_is_shown_once_its_secret_is_private_and_it_can_be_revoked(home: Path):
    given = run("key", "edc.system")
    assert given["key_id"].startswith("edc-")
    assert len(given["key"]) == 64
    assert (home / "edc-secret").stat().st_mode & 0o077 == 0
    assert given["key"].encode() not in (home / "rtsm.db").read_bytes()
    assert run("revoke", given["key_id"], "--reason", "rotated")["revoked"]
    assert "is not in force" in run("revoke", given["key_id"], "--reason", "again", exit_code=1)


def test_what_is_not_configured_is_named(home: Path):
    assert "RTSM_REDCAP_URL is not set" in run("pull", exit_code=1)
    assert "RTSM_EDC_URL is not set" in run("send", exit_code=1)


def test_a_studys_own_setting_goes_before_that_of_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RTSM_EDC_URL", "all")
    assert setting("RTSM_EDC_URL", "ORT-301") == "all"
    monkeypatch.setenv("RTSM_EDC_URL_ORT_301", "own")
    assert setting("RTSM_EDC_URL", "ORT-301") == "own"

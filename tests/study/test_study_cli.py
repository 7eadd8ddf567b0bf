"""`rtsm study validate|show|diff|load`: exit codes, messages with line and fix, JSON, and protocols read back from the ledger."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import grant_role
from allocation.commands.service import utc_now
from allocation.errors import DomainRefusal, NotFound, SignatureRefused
from allocation.ledger.database import open_database
from allocation.ledger.reader import sealed_entries
from allocation.study.canonical import protocol_sha256
from allocation.study.yaml_files import parse_protocol
from allocation.study_cli import app
from tests.study.small_protocol import REMOVE, SMALL, with_changes, yaml_text

PASSWORD = "a long enough passphrase"


def run(*arguments: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(yaml_text(SMALL), encoding="utf-8")
    return file


@pytest.fixture
def second(tmp_path: Path) -> Path:
    file = tmp_path / "second.yaml"
    file.write_text(
        yaml_text(with_changes({"study.version": 2, "visits[2].window_after": 7})), encoding="utf-8"
    )
    return file


@pytest.fixture
def database_url_in_use(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    return sqlite_url


def test_a_valid_file_is_told_with_its_hash_and_exit_code_0(small: Path) -> None:
    result = run("validate", small)
    assert result.exit_code == 0
    assert (
        f"small.yaml: valid, S1 version 1, sha256 {protocol_sha256(parse_protocol(yaml_text(SMALL)))}"
        in result.output
    )


def test_each_problem_of_each_file_has_a_line_and_the_exit_code_is_1(small: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        yaml_text(with_changes({"arms[0].ratio": "two", "visits[2].epoch": "X"})), encoding="utf-8"
    )
    result = run("validate", small, broken, tmp_path / "none.yaml")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert "small.yaml: valid" in lines[0]
    assert any(
        "broken.yaml:" in line and ': arms[0].ratio: "two" is not a whole number; ' in line for line in lines
    )
    assert any("none.yaml: the file cannot be read" in line for line in lines)


def test_json_has_every_problem_and_warning_with_its_line(small: Path, tmp_path: Path) -> None:
    doubtful = tmp_path / "doubtful.yaml"
    doubtful.write_text(yaml_text(with_changes({"dispensing[2].kits[0].quantity": 2})), encoding="utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml_text(with_changes({"visits[2].epoch": "X"})), encoding="utf-8")
    result = run("validate", small, doubtful, broken, "--json")
    assert result.exit_code == 1
    files = json.loads(result.output)["files"]
    assert [file["valid"] for file in files] == [True, True, False]
    assert {warning["path"] for warning in files[1]["warnings"]} == {"visits[1]", "visits[2]"}
    assert all(warning["line"] > 1 for warning in files[1]["warnings"])
    assert [problem["path"] for problem in files[2]["problems"]] == ["visits[2].epoch"]


def test_warnings_fail_only_when_asked_to(tmp_path: Path) -> None:
    doubtful = tmp_path / "doubtful.yaml"
    doubtful.write_text(yaml_text(with_changes({"dispensing[2].kits[0].quantity": 2})), encoding="utf-8")
    assert run("validate", doubtful).exit_code == 0
    assert "warning: visits[1]: V2 hands out different looking kits" in run("validate", doubtful).output
    assert run("validate", doubtful, "--strict").exit_code == 1


def test_show_prints_tables_and_json_the_whole_document(small: Path) -> None:
    shown = run("show", small)
    assert shown.exit_code == 0
    assert "Schedule and dispensing" in shown.output
    assert "1 KP" in shown.output
    document = json.loads(run("show", small, "--json").output)
    assert document["visits"][2]["window"] == "soft"


def test_diff_of_two_files_names_what_changed(small: Path, second: Path) -> None:
    result = run("diff", small, second)
    assert result.exit_code == 0
    assert result.output.splitlines() == ["~ study.version: 1 -> 2", "~ visits[V3].window_after: 3 -> 7"]
    changes = json.loads(run("diff", small, second, "--json").output)
    assert changes[1] == {"path": "visits[V3].window_after", "kind": "changed", "old": 3, "new": 7}
    assert run("diff", small, small).output.strip() == "no difference"


def test_a_loaded_study_is_shown_and_compared_as_the_file_it_came_from(
    small: Path, second: Path, database_url_in_use: str
) -> None:
    assert run("load", small, "--reason", "go-live").exit_code == 0
    assert run("diff", "S1", small).output.strip() == "no difference"
    assert run("diff", "S1@1", second).output.splitlines()[0] == "~ study.version: 1 -> 2"
    assert "S1 version 1" in run("show", "S1").output
    database = open_database(database_url_in_use)
    (entry,) = sealed_entries(database, "S1")
    assert (entry.command, entry.reason, entry.after["sha256"]) == (
        "load_study_version",
        "go-live",
        protocol_sha256(parse_protocol(yaml_text(SMALL))),
    )
    database.dispose()


def test_a_later_version_is_loaded_only_under_the_signature_of_one_who_may(
    small: Path, second: Path, database_url_in_use: str
) -> None:
    assert run("load", small).exit_code == 0
    unsigned = run("load", second)
    assert isinstance(unsigned.exception, SignatureRefused)
    database = open_database(database_url_in_use)
    create_account(database, SYSTEM_ACTOR, "ann", "Ann Statistician", PASSWORD, utc_now)
    grant_role(database, SYSTEM_ACTOR, "ann", Grant("unblinded_statistician", "S1"), utc_now)
    database.dispose()
    wrong = run("load", second, "--as", "ann", typed=f"{PASSWORD}\nnot it at all\n")
    assert isinstance(wrong.exception, SignatureRefused)
    signed = run("load", second, "--as", "ann", "--json", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert signed.exit_code == 0, signed.output
    assert json.loads(signed.output[signed.output.index("{") :])["version"] == 2
    assert run("diff", "S1@1", "S1@2").output.splitlines()[1] == "~ visits[V3].window_after: 3 -> 7"


def test_what_is_not_loaded_and_what_is_loaded_twice_is_refused(
    small: Path, database_url_in_use: str
) -> None:
    assert run("load", small).exit_code == 0
    assert isinstance(run("load", small).exception, DomainRefusal)
    assert isinstance(run("show", "S9").exception, NotFound)
    assert isinstance(run("show", "S1@4").exception, NotFound)
    assert run("show", "S1@two").exit_code == 2
    assert run("load").exit_code == 2


def test_a_version_that_drops_a_site_is_refused_and_nothing_is_written(
    small: Path, tmp_path: Path, database_url_in_use: str
) -> None:
    assert run("load", small).exit_code == 0
    database = open_database(database_url_in_use)
    create_account(database, SYSTEM_ACTOR, "ann", "Ann Statistician", PASSWORD, utc_now)
    grant_role(database, SYSTEM_ACTOR, "ann", Grant("unblinded_statistician", "S1"), utc_now)
    shorter = tmp_path / "shorter.yaml"
    shorter.write_text(yaml_text(with_changes({"study.version": 2, "sites[1]": REMOVE})), encoding="utf-8")
    refused = run("load", shorter, "--as", "ann", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert isinstance(refused.exception, DomainRefusal)
    assert refused.exception.code == "version-cannot-follow"
    assert "sites: U1 is missing" in str(refused.exception)
    assert [entry.command for entry in sealed_entries(database, "S1")] == ["load_study_version", "grant_role"]
    database.dispose()

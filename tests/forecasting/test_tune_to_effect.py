"""From a running study's ledger to new thresholds: tuned, filed, compared, signed by somebody else, and in effect."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import rtsm
from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import grant_role
from allocation.commands.service import utc_now
from allocation.ledger.database import Database, open_database
from allocation.ledger.reader import protocol_at, sealed_entries
from allocation.ledger.sealing import seal_pending
from tests.forecasting.running_study import STUDY

PASSWORD = "a long password, to be sure"
ROLES = {"planner": "unblinded_statistician", "supplier": "supply_manager_unblinded"}

pytestmark = pytest.mark.slow


@pytest.fixture
def url(running: tuple[Database, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of the small running study with two accounts, as the database that commands work on."""
    copy = tmp_path / "copy.db"
    with (
        closing(sqlite3.connect(running[1].removeprefix("sqlite:///"))) as source,
        closing(sqlite3.connect(copy)) as to,
    ):
        source.backup(to)
    database = open_database(f"sqlite:///{copy}")
    for name, role in ROLES.items():
        create_account(database, SYSTEM_ACTOR, name, name, PASSWORD, utc_now)
        grant_role(database, SYSTEM_ACTOR, name, Grant(role), utc_now)
    database.dispose()
    monkeypatch.setenv("RTSM_DATABASE_URL", f"sqlite:///{copy}")
    return f"sqlite:///{copy}"


def run(*words: object) -> str:
    result = CliRunner().invoke(rtsm.app, [*map(str, words)], input=f"{PASSWORD}\n" * 3)
    assert result.exit_code == 0, result.output + str(result.exception or "")
    return result.stdout


def told(*words: object) -> dict[str, Any]:
    text = run(*words, "--json")
    found: dict[str, Any] = json.loads(text[text.index("{") :])
    return found


def test_thresholds_tuned_on_a_ledger_are_proposed_signed_and_in_effect_with_the_hash_of_the_report(
    url: str, tmp_path: Path
) -> None:
    run("forecast", "recruitment", "--study", STUDY, "--at", "2025-02-09", "--periods", 3)
    trial = ("--study", STUDY, "--days", 60, "--risk", "missed_share<=0.9", "--out", tmp_path / "tuning")
    grid = ("--grid", "min_buffer=2:3 max_above_min=1:2", "--replicates-limit", 2_000)
    report = told("tune", *trial, *grid, "--as", "planner", "--propose", "--reason", "census of March")
    assert report["fit"]["estimates"]
    assert [one["measure"] for one in report["calibration"]["groups"]] == ["randomized", "screened"]
    proposed = report["proposal"]
    assert (proposed["proposal_id"], proposed["state"]) == ("P1", "filed")
    assert proposed["report_sha256"] == report["sha256"]

    compared = run("resupply", "proposal", "compare", "P1", "--study", STUDY)
    assert "It can be signed." in compared
    run("resupply", "proposal", "sign", "P1", "--study", STUDY, "--as", "supplier")

    database = open_database(url)
    try:
        seal_pending(database)
        signed = [one for one in sealed_entries(database, STUDY) if "report_sha256" in one.after]
        assert {one.after["report_sha256"] for one in signed} == {report["sha256"]}
        now = protocol_at(database, STUDY)
    finally:
        database.dispose()
    assert now.study.version == report["protocol_version"] + 1
    (chosen,) = report["choice"]["parameters"]
    buffers = {one["parameters"].get("min_buffer") for one in now.model_dump()["supply"]["parameters"]}
    assert chosen["min_buffer"] in buffers

"""`rtsm demo` from an empty home to a verified trial with its datasets, as a person runs it; and what it does the second time.

Of all that is looked at here two demos are made: one on PostgreSQL, and one on SQLite, which is killed, made again live, and ends when a
part of the running system dies. Each costs half a minute of processor time.
"""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from allocation.access.permissions import PERMISSIONS, ROLES
from allocation.access.tokens import actor_for_login
from allocation.ledger.database import open_database
from allocation.ledger.reader import sealed_entries
from allocation.ledger.verify import verify_ledger
from dashboards.child import answers
from dashboards.demo import SCENARIO, DemoPlan
from dashboards.demo_people import DEMO_PASSWORD, demo_people
from dashboards.session import utc_now
from pipelines.lake import Lake
from tests.dashboards.conftest import pages_of
from tests.dashboards.running_system import OPEN, environment_of, running, still_running
from tests.dashboards.trial_under_way import figures, logged_in, shown_text

pytestmark = pytest.mark.slow
STUDY = "ORT-301"


def rtsm(
    home: Path, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `rtsm` on a home, as at a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "rtsm", *arguments],
        env=environment_of(home) | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def plan() -> DemoPlan:
    return DemoPlan.read(SCENARIO, None)


@dataclass(frozen=True)
class Played:
    """A demo that was killed while it was played, and what was seen when it was made again, live, in the same home."""

    home: Path
    state_when_killed: str
    open_while_played: bool
    record: dict[str, Any]
    exit_code: int
    """After the API was killed under it."""
    output: str
    left: list[psutil.Process]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A demo of 60 days: killed first, then live to its end; then its API is killed."""
    home = tmp_path_factory.mktemp("demo") / "home"
    killed_while_playing(home)
    state = json.loads((home / "demo.json").read_text())["state"]
    with running(home, "demo", "--live", "--days", "60", "--pace", "0") as live:
        live.wait_for(OPEN)
        is_open = answers(live.url("dashboard", "/_stcore/health"))
        live.wait_for("played through the real service", seconds=300)
        live.wait_for("Logs ")
        record = json.loads((home / "demo.json").read_text())
        everyone = live.everyone()
        next(one for one in everyone if "serve" in one.cmdline()).kill()
        code, output = live.end()
    return Played(home, state, is_open, record, code, output, still_running(everyone))


def killed_while_playing(home: Path) -> None:
    """Begin a demo in this home, and kill it when somebody was screened."""
    command = [sys.executable, "-m", "rtsm", "demo", "--no-serve", "--days", "400"]
    with subprocess.Popen(
        command, env=environment_of(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        until = time.monotonic() + 120
        while not (home / "rtsm.db").exists() or not _has_screened(home):
            assert first.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        first.send_signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def made(played: Played) -> tuple[Path, dict[str, Any]]:
    """The home with the demo, and its record."""
    return played.home, played.record


def test_an_interrupted_demo_is_made_again(played):
    assert played.state_when_killed == "playing"
    assert "it was interrupted" in played.output
    assert played.record["state"] == "complete"


def test_a_live_demo_is_open_while_it_is_played_and_ends_complete(played):
    assert played.open_while_played
    assert played.record["state"] == "complete"


def test_when_one_part_dies_all_are_stopped_and_the_exit_code_says_so(played):
    assert played.exit_code == 1
    assert "rtsm: api was ended by signal 9; the last it wrote" in played.output
    assert "Uvicorn running on" in played.output.rpartition("rtsm: api")[2]
    assert not played.left


def test_the_demo_is_complete_and_its_summary_is_the_ledgers(made):
    home, record = made
    assert (record["state"], record["study_id"], record["days"]) == ("complete", STUDY, 60)
    database = open_database(f"sqlite:///{home / 'rtsm.db'}", create=False)
    entries = sealed_entries(database, STUDY)
    summary = record["summary"]
    assert summary["ledger_entries"] == len(entries)
    assert summary["screened"] == sum(entry.command == "screen" for entry in entries) > 10
    assert summary["randomized"] == sum(entry.command == "randomize" for entry in entries) > 0
    assert summary["shipments"] == sum(entry.command == "order_shipment" for entry in entries) > 20
    assert verify_ledger(database, STUDY).intact
    database.dispose()


def test_every_act_is_by_the_person_whose_act_it_is_at_the_moment_it_was_played(made, plan):
    home, _ = made
    database = open_database(f"sqlite:///{home / 'rtsm.db'}", create=False)
    protocol = plan.protocol
    who = {person.username: person.grant for person in demo_people(protocol)}
    for entry in sealed_entries(database, STUDY):
        if entry.command == "grant_role":
            continue  # by the operator who set the demo up
        grant = who[entry.actor]
        assert entry.role == grant.role
        if grant.scope_kind == "site":
            assert entry.site_id == grant.scope_key
        assert entry.recorded_at.date().isoformat() >= "2025-01-06"
        assert entry.recorded_at.date().isoformat() <= "2025-03-06"
    (activation,) = [entry for entry in sealed_entries(database, STUDY) if entry.command == "activate_list"]
    assert activation.signature["username"] == "statistician"
    names = {one.username: one.display_name for one in demo_people(protocol)}
    assert activation.signature["printed_name"] == names["statistician"]
    database.dispose()


def test_the_documented_logins_work_and_cover_who_the_demo_needs(made, plan):
    home, _ = made
    database = open_database(f"sqlite:///{home / 'rtsm.db'}", create=False)
    people = demo_people(plan.protocol)
    for person in (one for one in people if one.grant.scope_kind == "study"):
        actor = actor_for_login(database, person.username, DEMO_PASSWORD, utc_now)
        assert actor.grants == (person.grant,)
        assert actor.display_name == person.display_name
    assert {person.grant.role for person in people} <= ROLES
    assert len({person.display_name for person in people}) == len(people) == 51
    database.dispose()


@pytest.mark.parametrize(
    ("words", "permissions"),
    [
        ("kit types in stock", {"view.stock.unblinded"}),
        ("arms", {"view.subjects.unblinded"}),
        ("lists", {"view.lists"}),
        ("exports", {"export.unblinded"}),
        ("ledger", {"ledger.read"}),
        ("the whole study, blinded", {"view.overview"}),
    ],
)
def test_the_logins_are_told_to_see_what_they_may_and_no_unblinded_page(words, permissions, plan):
    told = [one for one in demo_people(plan.protocol) if words in one.sees]
    assert told
    for person in told:
        assert all(person.grant.role in PERMISSIONS[permission] for permission in permissions)
        # The dashboards have blinded pages only: what is unblinded is told with the way to it.
        assert "unblinded" not in person.sees
        if words in ("kit types in stock", "arms", "lists", "ledger"):
            assert "by the API" in person.sees


def test_datasets_and_exports_are_those_of_the_whole_ledger(made):
    home, record = made
    snapshot = Lake(home).snapshot(STUDY, "blinded")
    assert snapshot.position == record["summary"]["ledger_entries"]
    assert record["summary"]["datasets"] == {name: snapshot.read(name).height for name in snapshot.datasets}
    assert snapshot.read("sdtm/dm").height == record["summary"]["screened"]
    exports = home / "exports" / STUDY
    assert sorted(path.name for path in exports.iterdir()) == [
        "csv",
        "dataset-json",
        "manifest.json",
        "parquet",
        "xpt",
    ]
    assert {path.name for path in (exports / "xpt").iterdir()} >= {
        "dm.xpt",
        "sv.xpt",
        "ds.xpt",
        "ta.xpt",
        "ts.xpt",
    }
    assert json.loads((exports / "manifest.json").read_text())["blinded"] is True


def test_any_rtsm_command_works_on_the_home_afterwards(made):
    home, _ = made
    assert json.loads(rtsm(home, "ledger", "verify", "--json").stdout)
    assert "to DE01 from EUD" in rtsm(home, "resupply", "explain", "DE01").stdout


def test_the_pages_show_the_demo_and_its_datasets(made, monkeypatch):
    home, record = made
    monkeypatch.setenv("RTSM_HOME", str(home))
    with pages_of(f"sqlite:///{home / 'rtsm.db'}") as visit:
        page = visit()
        assert f"log in as `sponsor` with the password `{DEMO_PASSWORD}`" in shown_text(page)
        page = logged_in(page, "sponsor", DEMO_PASSWORD)
        assert figures(page)["Screened"][0] == str(record["summary"]["screened"])
        assert "datasets up to date" in shown_text(page)
        datasets = AppTest.from_function(_datasets_page, default_timeout=60)
        datasets.session_state["token"] = page.session_state["token"]
        text = shown_text(datasets.run())
        assert "every dataset passed its contract" in text
        for name, rows in record["summary"]["datasets"].items():
            shown = (
                name.removeprefix("sdtm/").upper()
                if name.startswith("sdtm/")
                else name.split("/")[1].replace("_", " ")
            )
            assert re.search(rf"<td class=\"\">{shown}</td>.*?<td class=\"number\">{rows:,}</td>", text), name


def _datasets_page() -> None:
    from allocation.ledger.database import default_url
    from dashboards.entry import opened
    from dashboards.live_pages import datasets_page

    datasets_page(opened(default_url()), "ORT-301")


def test_a_second_time_it_is_used_and_not_made_again(made):
    home, record = made
    again = rtsm(home, "demo", "--no-serve")
    assert "Using the demo" in again.stderr
    assert "Test logins" in again.stdout
    assert f"{record['summary']['screened']} screened" in again.stdout
    assert json.loads((home / "demo.json").read_text()) == record
    refused = rtsm(home, "demo", "--no-serve", "--days", "61", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("rtsm: ")
    assert "holds a demo of 60 days, not 61" in refused.stderr


def _has_screened(home: Path) -> bool:
    from sqlalchemy import text

    from allocation.errors import DatabaseUnavailable

    try:
        database = open_database(f"sqlite:///{home / 'rtsm.db'}", create=False)
    except DatabaseUnavailable:  # its tables are being made
        return False
    try:
        with database.read() as connection:
            found = connection.execute(text("SELECT count(*) FROM subject")).scalar_one()
    finally:
        database.dispose()
    return bool(found)


@pytest.mark.postgres
def test_the_demo_runs_on_postgresql_as_well(tmp_path, fresh_postgres_url):
    url = fresh_postgres_url()
    done = rtsm(tmp_path / "home", "demo", "--no-serve", "--days", "51", "--json", "--db", url)
    record = json.loads(done.stdout)
    summary = record["summary"]
    assert (record["state"], record["study_id"], record["days"]) == ("complete", STUDY, 51)
    assert summary["screened"] > 5
    database = open_database(url, create=False)
    assert verify_ledger(database, STUDY).entries == summary["ledger_entries"]
    database.dispose()
    assert "password" not in json.loads((tmp_path / "home" / "demo.json").read_text())["database"]


def test_wrong_usage_is_said_before_anything_is_made(tmp_path):
    for arguments in (["--live", "--no-serve"], ["--json"], ["--pace", "1"]):
        done = rtsm(tmp_path / "home", "demo", *arguments, check=False)
        assert done.returncode == 2, arguments
    assert not (tmp_path / "home").exists()

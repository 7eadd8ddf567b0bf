"""What `rtsm demo` does with the home that it finds: uses, removes or refuses, and never touches what it did not make."""

from dataclasses import replace
from pathlib import Path

import pytest

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR
from allocation.ledger.database import open_database
from dashboards.demo import SCENARIO, DemoPlan, standing_demo
from dashboards.errors import DemoRefused, HomeInUse
from dashboards.home import DemoRecord, Home, database_name
from dashboards.session import utc_now
from dashboards.up import makes_runs


@pytest.fixture(scope="module")
def plan() -> DemoPlan:
    return DemoPlan.read(SCENARIO, None)


@pytest.fixture
def made(home: Path, plan: DemoPlan) -> Home:
    """A home as a complete demo leaves it, as far as files go, and with a file of the user's own in it."""
    here = Home.here()
    database = open_database()
    here.write_record(replace(plan.record(), state="complete", made_at="yesterday"))
    database.dispose()
    for name in ("lake", "dagster", "exports", "logs"):
        (home / name).mkdir()
    (home / "notes.txt").write_text("mine")
    return here


def decide(home: Home, plan: DemoPlan, *, fresh: bool = False, days_asked: bool = False) -> DemoRecord | None:
    return standing_demo(home, plan, fresh=fresh, days_asked=days_asked, say=lambda _line: None)


def test_in_an_empty_home_a_demo_is_to_be_made(home: Path, plan: DemoPlan) -> None:
    assert decide(Home.here(), plan) is None


def test_a_complete_demo_is_used_as_it_is(made: Home, plan: DemoPlan) -> None:
    found = decide(made, plan)
    assert found is not None
    assert (found.state, found.made_at, found.days) == ("complete", "yesterday", plan.scenario.duration_days)
    assert made.sqlite_file.exists()


def test_fresh_removes_what_the_demo_made_and_nothing_else(made: Home, plan: DemoPlan) -> None:
    assert decide(made, plan, fresh=True) is None
    assert sorted(path.name for path in made.folder.iterdir()) == ["notes.txt"]


def test_on_a_demo_no_resupply_is_run_by_the_clock_unless_that_is_asked_for(made: Home) -> None:
    assert (makes_runs(made, None), makes_runs(made, True)) == (False, True)
    made.remove_demo()
    assert (makes_runs(made, None), makes_runs(made, False)) == (True, False)


def test_an_interrupted_demo_is_removed_to_be_made_again(made: Home, plan: DemoPlan) -> None:
    record = made.record()
    assert record is not None
    made.write_record(replace(record, state="playing"))
    assert decide(made, plan) is None
    assert not made.sqlite_file.exists()


def test_a_complete_demo_whose_database_is_gone_is_made_again(made: Home, plan: DemoPlan) -> None:
    made.sqlite_file.unlink()
    assert decide(made, plan) is None
    assert sorted(path.name for path in made.folder.iterdir()) == ["notes.txt"]


def test_a_demo_in_another_database_is_not_taken_for_this_one(
    made: Home, plan: DemoPlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RTSM_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    for fresh in (False, True):
        with pytest.raises(DemoRefused, match=r"is in sqlite:.*rtsm\.db, not in sqlite:.*other\.db"):
            decide(made, plan, fresh=fresh)
    assert made.sqlite_file.exists()


def test_a_database_is_named_without_its_password() -> None:
    assert database_name("postgresql://me:secret@host/trial") == "postgresql://me:***@host/trial"
    assert database_name("sqlite:///here.db") == f"sqlite:///{Path('here.db').absolute()}"


def test_another_length_than_that_of_the_demo_here_is_refused(made: Home) -> None:
    shorter = DemoPlan.read(SCENARIO, 40)
    with pytest.raises(DemoRefused, match="holds a demo of 546 days, not 40: leave out --days"):
        decide(made, shorter, days_asked=True)
    assert made.sqlite_file.exists()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_database_that_no_demo_made_is_left_alone(home: Path, plan: DemoPlan, fresh: bool) -> None:
    open_database().dispose()
    with pytest.raises(DemoRefused, match="holds data that no complete demo of this home made"):
        decide(Home.here(), plan, fresh=fresh)
    assert (home / "rtsm.db").exists()


def test_another_database_must_be_empty(
    home: Path, plan: DemoPlan, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("RTSM_DATABASE_URL", database_url)
    assert decide(Home.here(), plan) is None
    database = open_database()
    create_account(database, SYSTEM_ACTOR, "somebody", "Somebody", "a long password", utc_now)
    from allocation.ledger.sealing import seal_pending

    seal_pending(database)
    database.dispose()
    with pytest.raises(DemoRefused, match="name an empty home"):
        decide(Home.here(), plan)


def test_a_record_that_cannot_be_read_is_named(made: Home, plan: DemoPlan) -> None:
    (made.folder / "demo.json").write_text('{"state": ')
    with pytest.raises(DemoRefused, match=r"demo\.json cannot be read"):
        decide(made, plan)


def test_a_home_is_worked_on_by_one_at_a_time(home: Path) -> None:
    here = Home.here()
    with (
        here.held("rtsm up"),
        pytest.raises(HomeInUse, match=r"rtsm up \(process \d+\) works on"),
        here.held("x"),
    ):
        pass
    with here.held("rtsm demo"):
        pass

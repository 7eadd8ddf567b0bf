"""A played small trial for the tests of this area."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from allocation.ledger.database import Database, open_database
from pipelines.events.frames import EventFrames
from pipelines.events.reading import read_events
from tests.pipelines.small_trial import STUDY, SmallTrial

if TYPE_CHECKING:
    from pipelines.refresh import Refresh


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database; the test runs on SQLite and on PostgreSQL."""
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def trial(database: Database) -> SmallTrial:
    """The small trial, played, on both databases."""
    return SmallTrial(database).play()


@pytest.fixture
def sqlite_trial(tmp_path: Path) -> Iterator[SmallTrial]:
    """The small trial, played on SQLite."""
    opened = open_database(f"sqlite:///{tmp_path / 'home' / 'rtsm.db'}")
    yield SmallTrial(opened).play()
    opened.dispose()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> "Refresh":
    """What the first refresh of the small trial on SQLite did; tests must not change it."""
    from pipelines.refresh import refresh_lake  # imports Dagster

    home = tmp_path_factory.mktemp("built")
    opened = open_database(f"sqlite:///{home / 'rtsm.db'}")
    done = refresh_lake(SmallTrial(opened).play().database, home, STUDY)
    opened.dispose()
    return done


@pytest.fixture(scope="session")
def built_lake(built: "Refresh") -> Path:
    """The lake that it left: to be copied, since a refresh takes seconds."""
    return built.unblinded.folder.parents[3]


@pytest.fixture
def refreshed_trial(sqlite_trial: SmallTrial, built_lake: Path, tmp_path: Path) -> SmallTrial:
    """The small trial, played on SQLite, in a home whose lake has been refreshed to its end."""
    shutil.copytree(built_lake, tmp_path / "home" / "lake")
    return sqlite_trial


@pytest.fixture(scope="session")
def played_events(tmp_path_factory: pytest.TempPathFactory) -> EventFrames:
    """The events of the played small trial; tests must not change them."""
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('played') / 'rtsm.db'}")
    SmallTrial(opened).play()
    events = read_events(opened, STUDY)
    opened.dispose()
    return events

"""A played small trial for the tests of this area."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from allocation.ledger.database import Database, open_database
from pipelines.events.frames import EventFrames
from pipelines.events.reading import read_events
from tests.pipelines.small_trial import STUDY, SmallTrial


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
def played_events(tmp_path_factory: pytest.TempPathFactory) -> EventFrames:
    """The events of the played small trial; tests must not change them."""
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('played') / 'rtsm.db'}")
    SmallTrial(opened).play()
    events = read_events(opened, STUDY)
    opened.dispose()
    return events

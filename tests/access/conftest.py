"""A migrated database and a clock that tests move by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from allocation.ledger.database import Database, open_database


class MovableClock:
    """Gives a fixed moment until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, step: timedelta) -> None:
        self.now += step


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.dispose()

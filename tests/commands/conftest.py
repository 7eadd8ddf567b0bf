"""A stocked trial on each database."""

from collections.abc import Iterator

import pytest

from tests.commands.desk import Desk, desk_at


@pytest.fixture
def empty_desk(database_url: str) -> Iterator[Desk]:
    """A desk whose database holds no study."""
    with desk_at(database_url) as desk:
        yield desk


@pytest.fixture
def sqlite_desk(sqlite_url: str) -> Iterator[Desk]:
    """A desk without a study, for what does not depend on the kind of database."""
    with desk_at(sqlite_url) as desk:
        yield desk


@pytest.fixture
def desk(empty_desk: Desk) -> Desk:
    """A desk with open sites, stock and an active list."""
    return empty_desk.set_up()

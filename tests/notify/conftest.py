"""A stocked trial whose people have addresses, on each database; certificates for the SMTP server."""

from collections.abc import Iterator

import pytest

from tests.commands.desk import Desk, desk_at
from tests.notify.mail_server import Certificates, certificates
from tests.notify.people import give_addresses


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """A stocked trial; its people have addresses from then on, so that no mail is written of how it was set up."""
    with desk_at(database_url) as empty:
        yield give_addresses(empty.set_up())


@pytest.fixture
def sqlite_desk(sqlite_url: str) -> Iterator[Desk]:
    """The same on SQLite alone, for what does not depend on the kind of database."""
    with desk_at(sqlite_url) as empty:
        yield give_addresses(empty.set_up())

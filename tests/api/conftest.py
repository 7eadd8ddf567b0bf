"""A served trial on each database, and a client for each of its people."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from allocation.access.grants import actor_named
from allocation.access.schema import access_grant, account
from allocation.access.tokens import issue_token
from allocation.api.app import create_app
from allocation.ledger.database import Database, open_database
from allocation.ledger.schema import PROJECTIONS, ledger_entry
from tests.api.running_app import ApiClient, served
from tests.api.trial import AS_IS, PEOPLE, make_people, set_up
from tests.played_once import played_once
from tests.whole_tables import whole_tables


class MovableClock:
    """Gives a fixed moment until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **step: float) -> None:
        self.now += timedelta(**step)


@dataclass
class Trial:
    """A served trial: its database, its clock, and a client for everyone."""

    database: Database
    clock: MovableClock
    clients: dict[str, ApiClient]
    anonymous: ApiClient

    def state(self) -> dict[str, set[tuple[Any, ...]]]:
        """Everything that a refusal must leave as it was: ledger, projections, accounts and grants."""
        return whole_tables(self.database, (ledger_entry, account, access_grant, *PROJECTIONS))


@contextmanager
def trial_at(
    url: str,
    labels: Mapping[str, str] = AS_IS,
    *,
    stocked: bool = True,
    document: dict[str, Any] | None = None,
) -> Iterator[Trial]:
    """Serve a trial that is set up under these treatment labels, by the usual protocol or another `document`."""
    clock = MovableClock()
    database = open_database(url)
    with ExitStack() as stack:
        stack.callback(database.dispose)
        key = ("served", json.dumps([labels, stocked, document], sort_keys=True, default=str))
        tokens, clock.now = played_once(
            database, key, lambda: set_up_over_http(database, clock, labels, stocked, document)
        )
        address = stack.enter_context(served(create_app(database, clock)))
        clients = clients_of(address, tokens, stack)
        anonymous = ApiClient(address)
        stack.callback(anonymous.http.close)
        yield Trial(database, clock, clients, anonymous)


def clients_of(address: str, tokens: Mapping[str, str], stack: ExitStack) -> dict[str, ApiClient]:
    """A client for everyone who has a token, closed with the stack."""
    clients = {name: ApiClient(address, token) for name, token in tokens.items()}
    for client in clients.values():
        stack.callback(client.http.close)
    return clients


def set_up_over_http(
    database: Database,
    clock: MovableClock,
    labels: Mapping[str, str],
    stocked: bool,
    document: dict[str, Any] | None,
) -> tuple[dict[str, str], datetime]:
    """Set the trial up through a served app; gives everyone's token, and the moment it ended."""
    make_people(database, clock)
    year = timedelta(days=360)
    tokens = {
        name: issue_token(database, actor_named(database, name), clock, lasts=year).token for name in PEOPLE
    }
    with ExitStack() as stack:
        address = stack.enter_context(served(create_app(database, clock)))
        clients = clients_of(address, tokens, stack)
        set_up(clients, labels, clock, stocked=stocked, document=document)
    return tokens, clock.now


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def module_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database for all tests of a module, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('trial') / 'rtsm.db'}"
        return
    with request.getfixturevalue("migrated_postgres").lend() as url:
        yield url


@pytest.fixture(scope="module")
def trial(module_url: str) -> Iterator[Trial]:
    """A trial that the tests of a module share: refusals leave it as it is, and what they do goes on from there."""
    with trial_at(module_url) as running:
        yield running

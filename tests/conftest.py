"""Fixtures that every area of the tests may use: the shared input data and real databases.

* `shared_data` (also importable as a function: `from tests.conftest import shared_data`): the folder of real input data.
* `database_url`: a database with the newest tables, empty; the test runs once on SQLite and once on PostgreSQL.
* `sqlite_url`, `fresh_postgres_url()`: an empty database of one kind.
* `postgres_server`: the server itself, for fixtures of a wider scope.
* `page`: an empty page of a real browser (mark the test `browser`).
"""

import gc
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, Page
from sqlalchemy import Pool, event
from typer import testing as typer_testing

from allocation.access import accounts
from allocation.ledger import database
from allocation.ledger.database import open_database
from tests.chromium import running_chromium
from tests.postgres_pool import PostgresPool, postgres_pool
from tests.postgres_server import PostgresServer, running_postgres
from tests.shared_statements import SharedStatements

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_data() -> Path:
    """Return the folder of shared input data (RTSM_SHARED_DATA, else ../shared/data beside the repository), or skip the test."""
    folder = Path(os.environ.get("RTSM_SHARED_DATA") or REPOSITORY.parent / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"no shared input data at {folder}: set RTSM_SHARED_DATA to the folder that holds them")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that hold slow tests come first: one of them at the end would leave all other workers idle.

    Before them comes one that compiles the simulator's kernel, so that those that need it later find it compiled.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    kernel = REPOSITORY / "tests" / "simulation" / "engines" / "test_trace_equality.py"
    items.sort(key=lambda item: (item.path != kernel, item.path not in slow))


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what stays to the end, and look less often: it took a thirteenth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Give `__main__` back: Streamlit's AppTest leaves its page there, and processes that a later test spawns would run it."""
    main = sys.modules["__main__"]
    try:
        return (yield)
    finally:
        sys.modules["__main__"] = main


@pytest.fixture(scope="session", autouse=True)
def cheap_tests() -> Iterator[None]:
    """The same argon2 with little work (its true cost has a test in tests/access), and statements compiled once.

    And a command line made once: Typer makes all commands of an app anew for each that a test calls, 125 of them in a quarter of a second.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        SharedStatements().share(patch)
        patch.setattr(typer_testing, "_get_command", cache(typer_testing._get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def migrated_once(migrated_sqlite: Path) -> Iterator[None]:
    """A SQLite file that is not there yet is made as a copy of one with the newest tables; all others migrate (tests/ledger)."""

    def copied_or_migrated(file_database: database.Database) -> None:
        path = file_database.engine.url.database
        if not file_database.is_postgresql and path and path != ":memory:" and not Path(path).exists():
            copy = shutil.copyfile(migrated_sqlite, f"{path}.{uuid4().hex}")
            with suppress(FileExistsError):  # another thread was first
                os.link(copy, path)
            os.unlink(copy)
        migrate(file_database)

    migrate = database.migrate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrate", copied_or_migrated)
        yield


@event.listens_for(Pool, "checkout")
def forgo_durability(connection: Any, _record: object, _proxy: object) -> None:
    """Let SQLite not wait for the disk: no test loses power, and each flush costs milliseconds."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(name="shared_data", scope="session")
def shared_data_fixture() -> Path:
    """The folder of shared input data; the test is skipped where it is absent."""
    return shared_data()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL server, one for all xdist workers of the run."""
    with running_postgres(os.environ.get("PYTEST_XDIST_TESTRUNUID")) as server:
        yield server


@pytest.fixture
def fresh_postgres_url(postgres_server: PostgresServer) -> Iterator[Callable[[], str]]:
    """A function that gives the SQLAlchemy URL of a new empty PostgreSQL database; all are dropped after the test."""
    made: list[str] = []

    def fresh(template: str | None = None) -> str:
        made.append(postgres_server.fresh_url(template))
        return made[-1]

    yield fresh
    for url in made:
        postgres_server.drop(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The SQLAlchemy URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'rtsm.db'}"


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest tables and nothing in them: to be copied, since to migrate takes half a second."""
    file = tmp_path_factory.mktemp("migrated") / "rtsm.db"
    open_database(f"sqlite:///{file}").dispose()
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> Iterator[PostgresPool]:
    """Lends PostgreSQL databases with the newest tables and nothing in them."""
    with postgres_pool(postgres_server) as pool:
        yield pool


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The SQLAlchemy URL of a database with the newest tables, empty: the test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), url.removeprefix("sqlite:///"))
        yield url
    else:
        with request.getfixturevalue("migrated_postgres").lend() as url:
            yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser; without one the test fails in CI and is skipped elsewhere.

    Not for the whole session: while Playwright runs, nothing else in this thread can run an event loop.
    """
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page with its own cookies and storage."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()

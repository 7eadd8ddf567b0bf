"""Opening the database: engine, transactions and migrations, for SQLite and PostgreSQL alike."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from allocation.errors import DatabaseUnavailable
from allocation.home_folder import rtsm_home

if TYPE_CHECKING:
    from alembic.config import Config

BUSY_TIMEOUT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10
MIGRATIONS = Path(__file__).parent.parent / "migrations"


def default_url() -> str:
    """`RTSM_DATABASE_URL`, else the SQLite file in `RTSM_HOME`."""
    return os.environ.get("RTSM_DATABASE_URL") or f"sqlite:///{rtsm_home() / 'rtsm.db'}"


_SQLITE_FAILURES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    }
)
"""SQLite's result codes that are about the file and not about a statement (https://sqlite.org/rescode.html)."""


class Database:
    """A database with the ledger in it. One object per process; connections are pooled and threads may share it.

    `write` and `read` raise DatabaseUnavailable when it cannot be reached, is full, locked or none at all. What it says of a
    statement (a constraint, a lost serialization) is raised as it is, for the caller to judge.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_postgresql = engine.dialect.name == "postgresql"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a transaction that commits at the end and rolls back on any error.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so that what it reads cannot change under it.
        """
        with self._answering(), self.engine.connect() as connection:
            connection.info["immediate"] = True
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot and changes nothing: PostgreSQL refuses a change, on SQLite it is rolled back.

        On PostgreSQL it ends with a COMMIT: after a ROLLBACK psycopg drops all that the connection has prepared, and whoever gets it
        from the pool next would have to prepare it again.
        """
        with self._answering(), self.engine.connect() as connection:
            connection.info["immediate"] = False
            if self.is_postgresql:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin() as transaction:
                yield connection
                if not self.is_postgresql:
                    transaction.rollback()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error, PoolExhausted) as error:
            if not is_out_of_reach(error):
                raise
            said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            raise DatabaseUnavailable(
                f"{self.engine.url.render_as_string(hide_password=True)} does not answer: {said}",
                field="--db",
                fix="check the address, and that the database runs and has room",
            ) from error

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def open_database(url: str | None = None, *, create: bool = True) -> Database:
    """Open the database at `url` (default: `default_url()`); with `create`, bring its tables to the newest migration.

    Raises DatabaseUnavailable when the URL cannot be used, naming it without its password.
    """
    url = url or default_url()
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise DatabaseUnavailable(
                f"{parsed.get_backend_name()!r} is not supported",
                field="--db",
                fix="use sqlite or postgresql",
            )
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(parsed.render_as_string(hide_password=False), parsed.database, create)
        engine = create_engine(
            parsed,
            pool_pre_ping=False,
            pool_size=10,
            max_overflow=20,
            connect_args={}
            if "connect_timeout" in parsed.query
            else {"connect_timeout": CONNECT_TIMEOUT_SECONDS},
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise DatabaseUnavailable(
            f"cannot read the database address: {error}",
            field="--db",
            fix="write sqlite:///file.db or postgresql://...",
        ) from error
    return _ready(Database(engine), create)


def _open_sqlite(url: str, path: str | None, create: bool) -> Database:
    in_file = path not in (None, "", ":memory:")
    if in_file and path is not None:
        if create:
            try:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DatabaseUnavailable(
                    f"cannot make the folder of {path}: {error.strerror}", field="--db", fix="name another"
                ) from error
        elif not Path(path).exists():
            raise DatabaseUnavailable(
                f"there is no database at {path}",
                field="--db",
                fix="run `rtsm demo` or `rtsm study load` first, or name another",
            )
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return _ready(Database(engine), create)


def _ready(database: Database, create: bool) -> Database:
    """The database, once its tables are there: made where one may `create` them."""
    try:
        if create:
            migrate(database)
            return database
        with database.read() as connection:
            ours = inspect(connection).has_table("ledger_entry")
        if not ours:
            raise DatabaseUnavailable(
                f"{database.engine.url.render_as_string(hide_password=True)} holds no ledger",
                field="--db",
                fix="run `rtsm demo` or `rtsm study load` first, or name another",
            )
    except DatabaseUnavailable:
        database.dispose()
        raise
    return database


def is_out_of_reach(error: Exception) -> bool:
    """Whether the database as such failed, and not a statement that it was given."""
    if isinstance(error, PoolExhausted):
        return True
    orig = getattr(error, "orig", error)
    if isinstance(orig, sqlite3.Error):
        return (getattr(orig, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_FAILURES
    state: str | None = getattr(orig, "sqlstate", None)
    if state is None:  # without a state the server said nothing: there was no connection, or it was lost
        return getattr(error, "connection_invalidated", False) or type(orig).__name__ == "OperationalError"
    return state.startswith(("08", "28", "3D", "53", "57P", "58")) or state == "55P03"


def _configure_sqlite(connection: Any, _record: Any) -> None:
    """Durable settings; transactions are begun by `_begin_sqlite`, since the driver's own BEGIN is a deferred one."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("immediate", True) else "BEGIN")


def migrate(database: Database) -> None:
    """Bring the tables to the newest revision (Alembic). Does nothing when they are there."""
    with database.read() as connection:
        marked = inspect(connection).has_table("alembic_version")
        marks = connection.execute(text("SELECT version_num FROM alembic_version")) if marked else ()
        if [mark for (mark,) in marks] == [newest_revision()]:
            return

    from alembic import (
        command,  # here, since a database is nearly always new enough, and every command opens one
    )

    config = _migrations()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@cache
def newest_revision() -> str:
    """The newest migration, by the files' names (m0001_ledger.py): to ask Alembic means to import them all."""
    return max(file.name[1:5] for file in (MIGRATIONS / "versions").glob("m[0-9][0-9][0-9][0-9]_*.py"))


def _migrations() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config

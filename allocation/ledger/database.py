"""Opening the database: engine, transactions and migrations, for SQLite and PostgreSQL alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from allocation.errors import DatabaseUnavailable

BUSY_TIMEOUT_SECONDS = 30
MIGRATIONS = Path(__file__).parent.parent / "migrations"


def rtsm_home() -> Path:
    """Where a run keeps all it makes: `RTSM_HOME`, else `.rtsm` in the current folder."""
    return Path(os.environ.get("RTSM_HOME") or ".rtsm")


def default_url() -> str:
    """`RTSM_DATABASE_URL`, else the SQLite file in `RTSM_HOME`."""
    return os.environ.get("RTSM_DATABASE_URL") or f"sqlite:///{rtsm_home() / 'rtsm.db'}"


class Database:
    """A database with the ledger in it. One object per process; connections are pooled and threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_postgresql = engine.dialect.name == "postgresql"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a transaction that commits at the end and rolls back on any error.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so that what it reads cannot change under it.
        """
        with self.engine.connect() as connection:
            connection.info["immediate"] = True
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot and changes nothing: PostgreSQL refuses a change, on SQLite it is rolled back.

        On PostgreSQL it ends with a COMMIT: after a ROLLBACK psycopg drops all that the connection has prepared, and whoever gets it
        from the pool next would have to prepare it again.
        """
        with self.engine.connect() as connection:
            connection.info["immediate"] = False
            if self.is_postgresql:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin() as transaction:
                yield connection
                if not self.is_postgresql:
                    transaction.rollback()

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
        engine = create_engine(parsed, pool_pre_ping=False, pool_size=10, max_overflow=20)
    except (ArgumentError, NoSuchModuleError) as error:
        raise DatabaseUnavailable(
            f"cannot read the database address: {error}",
            field="--db",
            fix="write sqlite:///file.db or postgresql://...",
        ) from error
    database = Database(engine)
    if create:
        migrate(database)
    return database


def _open_sqlite(url: str, path: str | None, create: bool) -> Database:
    in_file = path not in (None, "", ":memory:")
    if in_file and path is not None:
        if create:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        elif not Path(path).exists():
            raise DatabaseUnavailable(
                f"there is no database at {path}",
                field="--db",
                fix="run `rtsm demo` or `rtsm study load` first, or name another",
            )
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    database = Database(engine)
    if create:
        migrate(database)
    return database


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
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

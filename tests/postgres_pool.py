"""PostgreSQL databases with the newest tables, emptied and used again: to create one takes a quarter of a second.

A test may do to its database what it likes. If afterwards its tables, triggers, functions, rights or settings are not what
they were, or the server's user may not switch triggers off, the database is dropped and the next test gets a new one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.errors import InsufficientPrivilege

from allocation.ledger.database import open_database
from tests.postgres_server import PostgresServer

# Everything that a test can change besides rows. Attributes are named one by one: others (reltuples) change by themselves.
SHAPE = """
SELECT md5(concat(
  (SELECT string_agg(concat_ws(' ', oid, relname, relkind, relowner, relacl, reloptions, relrowsecurity), ',' ORDER BY oid)
     FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT string_agg(concat_ws(' ', attrelid, attnum, attname, atttypid, attnotnull, attisdropped), ',' ORDER BY attrelid, attnum)
     FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace),
  (SELECT string_agg(concat_ws(' ', oid, tgname, tgenabled, tgtype, tgfoid), ',' ORDER BY oid) FROM pg_trigger WHERE NOT tgisinternal),
  (SELECT string_agg(concat_ws(' ', oid, contype, conrelid, convalidated), ',' ORDER BY oid) FROM pg_constraint),
  (SELECT string_agg(concat_ws(' ', oid, proname, prosrc, proacl), ',' ORDER BY oid)
     FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
  (SELECT string_agg(concat_ws(' ', oid, nspname, nspowner, nspacl), ',' ORDER BY oid)
     FROM pg_namespace WHERE nspname NOT LIKE 'pg!_%' ESCAPE '!'),
  (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
     WHERE datname = current_database()),
  (SELECT string_agg(version_num, ',') FROM alembic_version)))
"""
TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""
USED_SEQUENCES = """
SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
# The ledger's rows allow no deletion, but to a replica.
EMPTY = f"""
DO $$
DECLARE name text;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN {TABLES} LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
  FOR name IN {USED_SEQUENCES} LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', name); END LOOP;
END $$
"""  # noqa: S608
OTHER_USERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class PostgresPool:
    """Databases of one worker; `shape` is what a database with the newest tables is."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        """`template` is the URL of a database with the newest tables, no rows and no open connection."""
        self._server = server
        self._template = template
        self._free: list[str] = []
        with server.connection(template) as connection:
            self._shape = self._shape_of(connection)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The SQLAlchemy URL of a database with the newest tables and no rows."""
        url = self._free.pop() if self._free else self._server.fresh_url(self._template)
        try:
            yield url
        finally:
            if self._emptied(url):
                self._free.append(url)
            else:
                self._server.drop(url)

    def close(self) -> None:
        """Drop all databases that were given back."""
        while self._free:
            self._server.drop(self._free.pop())

    def _emptied(self, url: str) -> bool:
        try:
            with self._server.connection(url) as connection:
                connection.execute(OTHER_USERS)
                if self._shape_of(connection) != self._shape:
                    return False
                connection.execute(EMPTY)
        except (InsufficientPrivilege, psycopg.OperationalError):
            return False
        return True

    @staticmethod
    def _shape_of(connection: psycopg.Connection) -> str:
        (shape,) = connection.execute(SHAPE).fetchone() or ("",)
        return str(shape)


@contextmanager
def postgres_pool(server: PostgresServer) -> Iterator[PostgresPool]:
    """A pool on that server, and its template; all databases are dropped at the end."""
    template = server.fresh_url()
    open_database(template).dispose()
    pool = PostgresPool(server, template)
    yield pool
    pool.close()
    server.drop(template)

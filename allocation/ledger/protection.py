"""What keeps the written ledger from being changed: triggers of the database. Here is which there must be, and whether they are there.

They are made by the migrations. An owner of the database can take them away, change something and put them back; what was changed the
chain shows, but a ledger that stands open must not be called intact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, text

APPEND_ONLY: Final = ("ledger_entry", "ledger_seal")

# pg_trigger.tgtype is a sum of bits (PostgreSQL's catalog/pg_trigger.h).
_ROW, _BEFORE, _INSERT, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 4, 8, 16, 32

_REFUSE_CHANGE: Final = (
    "BEGIN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP "
    "USING ERRCODE = 'insufficient_privilege'; END"
)
_QUEUE_FOR_SEALING: Final = (
    "BEGIN INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.entry_id); RETURN NULL; END"
)


class _PostgresTrigger(NamedTuple):
    """What pg_trigger must say: when it fires, and the body of the function that it runs."""

    fires: int
    does: str


def _expected_on_sqlite() -> dict[str, str]:
    return {
        f"{table}_no_{act.lower()}": (
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {act} refused'); END"
        )
        for table in APPEND_ONLY
        for act in ("UPDATE", "DELETE")
    }


def _expected_on_postgresql() -> dict[tuple[str, str], _PostgresTrigger]:
    expected = {}
    for table in APPEND_ONLY:
        row_change = _PostgresTrigger(_ROW | _BEFORE | _DELETE | _UPDATE, _REFUSE_CHANGE)
        expected[table, f"{table}_append_only"] = row_change
        expected[table, f"{table}_no_truncate"] = _PostgresTrigger(_BEFORE | _TRUNCATE, _REFUSE_CHANGE)
    expected["ledger_entry", "ledger_entry_queue"] = _PostgresTrigger(_ROW | _INSERT, _QUEUE_FOR_SEALING)
    return expected


def gaps(connection: Connection) -> tuple[str, ...]:
    """What is wrong with the triggers, a phrase for each, such as "trigger ledger_entry_no_update is missing"; empty: nothing."""
    on_postgresql = connection.dialect.name == "postgresql"
    return tuple(_gaps_on_postgresql(connection) if on_postgresql else _gaps_on_sqlite(connection))


def _gaps_on_sqlite(connection: Connection) -> Iterator[str]:
    statement_of = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    found = {row.name: row.sql for row in connection.execute(statement_of)}
    for name, statement in _expected_on_sqlite().items():
        if name not in found:
            yield f"trigger {name} is missing"
        elif _one_line(found[name]) != statement:
            yield f"trigger {name} was changed"


# A trigger WHEN something holds or OF some columns lets other changes pass, whatever its name says.
_TRIGGERS: Final = text(
    """
    SELECT c.relname, t.tgname, t.tgenabled IN ('O', 'A') AS enabled,
           t.tgtype, t.tgqual IS NULL AND t.tgattr = '' AS always, p.prosrc
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND c.relname IN :tables AND pg_table_is_visible(c.oid)
    """
).bindparams(bindparam("tables", APPEND_ONLY, expanding=True))


def _gaps_on_postgresql(connection: Connection) -> Iterator[str]:
    found = {(row.relname, row.tgname): row for row in connection.execute(_TRIGGERS)}
    for key, trigger in _expected_on_postgresql().items():
        row = found.get(key)
        if row is None:
            yield f"trigger {key[1]} is missing"
        elif not row.enabled:
            yield f"trigger {key[1]} is switched off"
        elif not row.always or _PostgresTrigger(row.tgtype, _one_line(row.prosrc)) != trigger:
            yield f"trigger {key[1]} was changed"


def _one_line(statement: str) -> str:
    return " ".join(statement.split())

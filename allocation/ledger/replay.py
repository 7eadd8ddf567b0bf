"""Replaying the ledger: fold every sealed entry again, into an empty database, or over the projections themselves."""

from __future__ import annotations

import json
from collections.abc import Callable

from sqlalchemy import Connection, create_engine, delete, func, select, text
from sqlalchemy.pool import StaticPool

from allocation.ledger.database import Database
from allocation.ledger.projections import project
from allocation.ledger.reader import iter_rows
from allocation.ledger.schema import PROJECTIONS, ledger_seal, metadata
from allocation.ledger.sealing import seal_pending

Progress = Callable[[int, int], None]
"""Called with (entries done, entries in all)."""


def no_progress(_done: int, _total: int) -> None:
    """Tell nobody."""


def _total(database: Database, study_id: str) -> int:
    with database.read() as connection:
        query = select(func.count()).select_from(ledger_seal).where(ledger_seal.c.study_id == study_id)
        return int(connection.execute(query).scalar_one())


def fold_into(
    target: Connection,
    database: Database,
    study_id: str,
    up_to: int | None = None,
    progress: Progress = no_progress,
) -> int:
    """Fold the sealed entries of a study into the projection tables behind `target`; gives how many."""
    total = _total(database, study_id) if up_to is None else up_to
    done = 0
    for row in iter_rows(database, study_id, up_to=up_to):
        project(
            target, study_id, row["command"], row["subject_id"], row["site_id"], json.loads(row["after_json"])
        )
        done += 1
        if done % 200 == 0 or done == total:
            progress(done, total)
    return done


def replayed(
    database: Database, study_id: str, up_to: int | None = None, progress: Progress = no_progress
) -> Connection:
    """An in-memory database with the projections of a study as of a position; close the connection when done."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    metadata.create_all(engine, tables=list(PROJECTIONS))
    connection = engine.connect()
    fold_into(connection, database, study_id, up_to, progress)
    return connection


def rebuild_projections(database: Database, study_id: str, progress: Progress = no_progress) -> int:
    """Drop the projections of a study and fold them again from the ledger, in one transaction; gives the entries folded."""
    with database.write() as connection:
        if database.is_postgresql:
            # No command may write between the last sealed entry and the fold; readers go on.
            names = ", ".join(f'"{table.name}"' for table in PROJECTIONS)
            connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
        seal_pending(database)
        for table in reversed(PROJECTIONS):
            connection.execute(delete(table).where(table.c.study_id == study_id))
        return fold_into(connection, database, study_id, progress=progress)

"""Appending an entry: the only statement that writes to the ledger, and the fold into the projections beside it."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from allocation.ledger.entry import EntryDraft
from allocation.ledger.hot_statement import HotStatement
from allocation.ledger.projections import project
from allocation.ledger.schema import ledger_entry
from allocation.ledger.sealing import seal_in_transaction

_INSERT = HotStatement(insert(ledger_entry).returning(ledger_entry.c.entry_id))


def append_entry(connection: Connection, draft: EntryDraft) -> int:
    """Append `draft`, fold it into the projections, and give its entry number; all in the caller's transaction.

    On SQLite, whose writers are serial anyway, the entry is sealed at once. On PostgreSQL a trigger queues it for the
    sealer, because holding the head of the chain until commit would make every writer wait for every other.
    Raises IntegrityError when the actor has used the idempotency key in this study before.
    """
    row = draft.row()
    entry_id = int(_INSERT.rows(connection, row)[0].entry_id)
    project(connection, draft.study_id, draft.command, draft.subject_id, draft.site_id, draft.after)
    if connection.dialect.name == "sqlite":
        seal_in_transaction(connection, draft.study_id, [(entry_id, str(row["content_hash"]))])
    return entry_id

"""Sealing: committed entries get a gapless position per study and a hash that chains them, in commit order.

An entry is appended without touching the chain's head. The sealer later takes committed entries from the queue that a
trigger fills, in batches. A transaction that commits late is sealed late, never skipped; and an entry that was decided on
another one's committed effect has a higher number and is seen no earlier, so cause always precedes effect in the chain.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, Connection, any_, bindparam, delete, insert, select, text
from sqlalchemy.exc import DBAPIError

from allocation.errors import DatabaseUnavailable
from allocation.ledger.database import Database
from allocation.ledger.entry import GENESIS, chain_hash
from allocation.ledger.schema import ledger_entry, ledger_seal, ledger_unsealed
from allocation.service_log import service_logger

SEALER_LOCK = 0x5254534D  # "RTSM": the advisory lock that lets one sealer work at a time
BATCH = 5000


_HEAD = (
    select(ledger_seal.c.position, ledger_seal.c.chain_hash)
    .where(ledger_seal.c.study_id == bindparam("study"))
    .order_by(ledger_seal.c.position.desc())
    .limit(1)
)


# One array instead of an IN list of thousands, which would have to be written out and parsed each time (PostgreSQL only, as here).
_SEALED = delete(ledger_unsealed).where(
    ledger_unsealed.c.entry_id == any_(bindparam("sealed", type_=ARRAY(BigInteger)))
)


def chain_head(connection: Connection, study_id: str) -> tuple[int, str]:
    """Position and chain hash of the study's last sealed entry; (0, GENESIS) before the first."""
    head = connection.execute(_HEAD, {"study": study_id}).first()
    return (0, GENESIS) if head is None else (int(head.position), str(head.chain_hash))


def seal_in_transaction(connection: Connection, study_id: str, entries: Sequence[tuple[int, str]]) -> int:
    """Chain `entries` (entry number, content hash) behind the study's head; gives the new last position.

    The caller holds the right to do so: the SQLite write lock, or the sealer's advisory lock.
    """
    position, previous = chain_head(connection, study_id)
    rows = []
    for entry_id, content in entries:
        position += 1
        previous = chain_hash(previous, position, content)
        rows.append(
            {"study_id": study_id, "position": position, "entry_id": entry_id, "chain_hash": previous}
        )
    connection.execute(insert(ledger_seal), rows)
    return position


def seal_pending(database: Database) -> int:
    """Seal all that is committed and waits; gives how many entries. Safe to call from any number of processes."""
    if not database.is_postgresql:
        return 0
    sealed = 0
    while True:
        with database.write() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEALER_LOCK})
            waiting = connection.execute(
                select(ledger_entry.c.entry_id, ledger_entry.c.study_id, ledger_entry.c.content_hash)
                .join_from(ledger_unsealed, ledger_entry)
                .order_by(ledger_entry.c.entry_id)
                .limit(BATCH)
            ).all()
            if not waiting:
                return sealed
            by_study: dict[str, list[tuple[int, str]]] = defaultdict(list)
            for row in waiting:
                by_study[row.study_id].append((row.entry_id, row.content_hash))
            for study_id, entries in by_study.items():
                seal_in_transaction(connection, study_id, entries)
            connection.execute(_SEALED, {"sealed": [row.entry_id for row in waiting]})
            sealed += len(waiting)


class Sealer:
    """A thread that seals every `interval` seconds; a service process starts one. Does nothing on SQLite."""

    def __init__(self, database: Database, interval: float = 0.5) -> None:
        self._database = database
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start sealing in the background."""
        if self._database.is_postgresql and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop after the batch in hand and seal what is left."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            stopping = self._stop.is_set()
            try:
                seal_pending(self._database)
            except (DBAPIError, DatabaseUnavailable) as error:
                # The database is away for a moment: entries stay queued, nothing is lost, the next round tries again.
                service_logger(__name__).warning("sealing postponed", exc_info=error)
            if stopping:
                return
            self._stop.wait(self._interval)

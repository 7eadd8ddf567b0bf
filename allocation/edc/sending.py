"""Delivering the outbox to the EDC: at least once, in order for each subject, with growing pauses, and never for ever.

A message is taken by putting its next try behind a lease, so two senders do not take one at a time, and one that dies gives it back. No
transaction is open while the EDC is asked. A message that the EDC refuses, or that failed too often, is dead: it is shown, and
is sent again when a person says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
from sqlalchemy import func, select, update

from allocation.edc.schema import edc_outbox
from allocation.ledger.database import Database

TRIES: Final = 12
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=6)
LEASE: Final = timedelta(minutes=2)
TIMEOUT_SECONDS: Final = 30

TRY_AGAIN: Final = frozenset({408, 409, 423, 425, 429})
"""Answers below 500 that say not now rather than no; 409: what came before under this Idempotency-Key is still being worked on."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a round of sending did. `waiting`: still to be sent, now or after a pause."""

    sent: int
    failed: int
    dead: int
    waiting: int


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failed tries: 30 s, doubled each time, at most 6 h."""
    doubled = FIRST_PAUSE * (1 << (attempts - 1))
    return min(LONGEST_PAUSE, doubled)


def send_waiting(
    database: Database,
    study_id: str,
    url: str,
    token: str | None,
    clock: Callable[[], datetime],
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    transport: httpx.BaseTransport | None = None,
) -> Delivery:
    """Send what is due, oldest first. A subject's later messages wait for its earlier ones, unless those are dead."""
    counts = {"sent": 0, "waiting": 0, "dead": 0}
    held: set[str] = set()
    with database.read() as connection:
        rows = connection.execute(
            select(edc_outbox)
            .where(edc_outbox.c.study_id == study_id, edc_outbox.c.state == "waiting")
            .order_by(edc_outbox.c.entry_id)
        ).all()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(timeout=TIMEOUT_SECONDS, headers=headers, transport=transport) as client:
        for done, row in enumerate(rows, start=1):
            if row.subject_id in held or not _taken(database, row, clock()):
                held.add(row.subject_id)
            else:
                state = _deliver(database, client, url, row, clock)
                counts[state] += 1
                if state == "waiting":
                    held.add(row.subject_id)
            progress(done, len(rows))
    with database.read() as connection:
        left = connection.execute(
            select(func.count())
            .select_from(edc_outbox)
            .where(edc_outbox.c.study_id == study_id, edc_outbox.c.state == "waiting")
        ).scalar_one()
    return Delivery(counts["sent"], counts["waiting"], counts["dead"], int(left))


def revive_dead(database: Database, study_id: str, now: datetime) -> int:
    """Put the dead messages of a study back in line, with all their tries before them; gives how many."""
    with database.write() as connection:
        return connection.execute(
            update(edc_outbox)
            .where(edc_outbox.c.study_id == study_id, edc_outbox.c.state == "dead")
            .values(state="waiting", attempts=0, next_try_at=now)
        ).rowcount


def _taken(database: Database, row: Any, now: datetime) -> bool:
    """Whether the message is due and was taken for this sender alone."""
    if row.next_try_at > now:
        return False
    with database.write() as connection:
        taken = connection.execute(
            update(edc_outbox)
            .where(
                edc_outbox.c.entry_id == row.entry_id,
                edc_outbox.c.state == "waiting",
                edc_outbox.c.attempts == row.attempts,
                edc_outbox.c.next_try_at <= now,
            )
            .values(attempts=row.attempts + 1, next_try_at=now + LEASE)
        )
    return taken.rowcount == 1


def _deliver(
    database: Database, client: httpx.Client, url: str, row: Any, clock: Callable[[], datetime]
) -> str:
    """Send one message and note what came of it; gives its new state."""
    headers = {"Content-Type": row.media_type, "Idempotency-Key": row.message_id}
    attempts = row.attempts + 1
    error: str | None = None
    refused = False
    try:
        # The answer's body says nothing that is used: it is not read, however long it is.
        with client.stream("POST", url, content=row.body.encode(), headers=headers) as answer:
            status = answer.status_code
    except httpx.HTTPError as failure:
        error = f"no answer: {type(failure).__name__}"
    else:
        if not 200 <= status < 300:
            error = f"answered {status}"
            refused = 400 <= status < 500 and status not in TRY_AGAIN
    now = clock()
    values: dict[str, Any]
    if error is None:
        values = {"state": "sent", "sent_at": now, "last_error": None}
    elif refused or attempts >= TRIES:
        values = {"state": "dead", "last_error": error}
    else:
        values = {"state": "waiting", "last_error": error, "next_try_at": now + pause_after(attempts)}
    with database.write() as connection:
        connection.execute(
            update(edc_outbox)
            .where(edc_outbox.c.entry_id == row.entry_id, edc_outbox.c.state == "waiting")
            .values(**values)
        )
    return str(values["state"])

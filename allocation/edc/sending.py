"""Delivering the outbox to the EDC: at least once, in order for each subject.

How a message is taken and given up: allocation/delivery.py.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import httpx
from sqlalchemy import select

from allocation.delivery import Delivery, Tried, count_waiting, note, take
from allocation.edc.certificates import trusted_certificates
from allocation.edc.schema import edc_outbox
from allocation.ledger.database import Database

TIMEOUT_SECONDS: Final = 30

TRY_AGAIN: Final = frozenset({408, 409, 423, 425, 429})
"""Answers below 500 that say not now rather than no; 409: what came before under this Idempotency-Key is still being worked on."""


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
    with httpx.Client(
        timeout=TIMEOUT_SECONDS, headers=headers, transport=transport, verify=trusted_certificates()
    ) as client:
        for done, row in enumerate(rows, start=1):
            if row.subject_id in held or not take(database, edc_outbox, row, clock()):
                held.add(row.subject_id)
            else:
                state = _deliver(database, client, url, row, clock)
                counts[state] += 1
                if state == "waiting":
                    held.add(row.subject_id)
            progress(done, len(rows))
    left = count_waiting(database, edc_outbox, study_id)
    return Delivery(counts["sent"], counts["waiting"], counts["dead"], left)


def _deliver(
    database: Database, client: httpx.Client, url: str, row: Any, clock: Callable[[], datetime]
) -> str:
    """Send one message and note what came of it; gives its new state."""
    headers = {"Content-Type": row.media_type, "Idempotency-Key": row.message_id}
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
    return note(database, edc_outbox, row, Tried(error, refused), clock())

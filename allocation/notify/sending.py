"""Delivering mail: at least once under one Message-ID, with growing pauses; who may no longer read it is not sent it.

How a message is taken and given up: allocation/delivery.py. Where the server cannot be reached, the round ends, and no message is given up
for it: it is tried on until the server is back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

from sqlalchemy import select

from allocation.delivery import Delivery, Tried, count_waiting, note, take
from allocation.ledger.database import Database
from allocation.notify.digests import bundle_digests
from allocation.notify.readers import reader_of
from allocation.notify.schema import notice
from allocation.notify.settings import SmtpSettings
from allocation.notify.smtp import MailSession, ServerUnreachable, written


def send_notices(
    database: Database,
    study_id: str,
    settings: SmtpSettings,
    clock: Callable[[], datetime],
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Delivery:
    """Send what is due in the study, oldest first, over one connection. `clock` gives aware moments in UTC."""
    bundle_digests(database, study_id, clock())
    with database.read() as connection:
        rows = connection.execute(
            select(notice)
            .where(
                notice.c.study_id == study_id,
                notice.c.state == "waiting",
                notice.c.for_digest.is_(False),
                notice.c.next_try_at <= clock(),
            )
            .order_by(notice.c.notice_id)
        ).all()
    counts = {"sent": 0, "waiting": 0, "dead": 0}
    with ExitStack() as stack:
        session: MailSession | None = None
        for done, row in enumerate(rows, start=1):
            if take(database, notice, row, clock()):
                lost = False
                try:
                    with database.read() as connection:
                        reader = reader_of(connection, row)
                    if isinstance(reader, str):
                        tried = Tried(reader, refused=True)
                    else:
                        if session is None:
                            session = stack.enter_context(MailSession(settings))
                        message = written(
                            settings, row.message_id, reader.email, row.subject, row.body, row.created_at
                        )
                        tried = session.send(message, reader.email)
                except ServerUnreachable as error:
                    tried, lost = Tried(str(error), at_fault=False), True
                counts[note(database, notice, row, tried, clock())] += 1
                if lost:
                    break
            progress(done, len(rows))
    left = count_waiting(database, notice, study_id)
    return Delivery(counts["sent"], counts["waiting"], counts["dead"], left)

"""Daily digests: the mail that waits for somebody's hour is joined into one, in one transaction, and is sent as any other then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from allocation.ledger.database import Database
from allocation.notify.outbox import message_id
from allocation.notify.readers import DIGEST, reader_of
from allocation.notify.schema import notice


def bundle_digests(database: Database, study_id: str, now: datetime) -> int:
    """Join what is due (`now` is UTC) for digests, by person and variant; gives how many digests were made.

    What they carry is bundled in the same transaction, so nothing is lost or sent twice by whoever dies or does the same meanwhile. What
    the person may no longer read is dead.
    """
    due = select(notice).where(
        notice.c.study_id == study_id,
        notice.c.state == "waiting",
        notice.c.for_digest,
        notice.c.next_try_at <= now,
    )
    with database.read() as connection:
        people = {(row.username, row.variant) for row in connection.execute(due)}
    made = 0
    for username, variant in sorted(people):
        of_person = due.where(notice.c.username == username, notice.c.variant == variant)
        try:
            with database.write() as connection:
                rows = _readable(connection, of_person.order_by(notice.c.notice_id).with_for_update())
                if not rows:
                    continue
                made += 1
                digest_id = connection.execute(
                    insert(notice).values(**_digest(study_id, rows, now)).returning(notice.c.notice_id)
                ).scalar_one()
                connection.execute(
                    update(notice)
                    .where(notice.c.notice_id.in_([row.notice_id for row in rows]))
                    .values(state="bundled", digest_id=digest_id)
                )
        except IntegrityError:
            made -= 1  # another sender has made the same digest
    return made


def _readable(connection: Connection, due: Select[Any]) -> list[Any]:
    """What the person may still read; the rest is dead."""
    readable = []
    for row in connection.execute(due).all():
        reader = reader_of(connection, row)
        if isinstance(reader, str):
            this = update(notice).where(notice.c.notice_id == row.notice_id)
            connection.execute(this.values(state="dead", last_error=reader))
        else:
            readable.append(row)
    return readable


def _digest(study_id: str, rows: Sequence[Any], now: datetime) -> dict[str, Any]:
    """The row of a digest. Its name follows from its last part, which no other digest carries."""
    first, last = rows[0], rows[-1]
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row.subject] += 1
    title = f"[{study_id}] {len(rows)} notification" + ("s" if len(rows) > 1 else "")
    parts = [title, *(f"  {text}" for text in counts), ""]
    for row in rows:
        parts += ["-" * 72, row.body]
    occurrence = f"{DIGEST} {last.occurrence} {last.created_at:%Y%m%dT%H%M%S}"
    places = sorted({one for row in rows for one in row.places.split(", ") if one})
    return {
        "study_id": study_id,
        "occurrence": occurrence,
        "username": first.username,
        "event": DIGEST,
        "variant": first.variant,
        "places": ", ".join(places),
        "message_id": message_id(study_id, occurrence, first.username),
        "subject": title,
        "body": "\n".join(parts),
        "created_at": now,
        "for_digest": False,
        "state": "waiting",
        "attempts": 0,
        "next_try_at": now,
    }

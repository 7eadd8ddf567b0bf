"""What every outbox shares: one sender takes a message, a try is noted, failures are tried again after growing pauses, never for ever.

A message is written in the transaction of what it tells of. It is taken by putting its next try behind a lease, so that two senders do not
take one at a time, and one that dies gives it back; no transaction is open while it is sent. A message that the other side refuses, or
that failed too often, is dead: it is shown, and is sent again when a person says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Column, ColumnElement, Integer, Table, Text, func, select, update

from allocation.ledger.database import Database
from allocation.ledger.table_basis import UtcMoment

TRIES: Final = 12
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=6)
LEASE: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a round of sending did. `waiting`: still to be sent, now or after a pause."""

    sent: int
    failed: int
    dead: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one try. `error`: None when it was sent; `refused`: it is given up at once.

    `at_fault` False: the failure is not the message's (nobody answers), so it is tried on for as long as that lasts.
    """

    error: str | None = None
    refused: bool = False
    at_fault: bool = True


def delivery_columns() -> tuple[Column[Any], ...]:
    """How far a message has got: the columns that every outbox has."""
    return (
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_try_at", UtcMoment, nullable=False),
        Column("last_error", Text),
        Column("sent_at", UtcMoment),
    )


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failed tries: 30 s, doubled each time, at most 6 h."""
    doubled = FIRST_PAUSE * (1 << min(attempts - 1, TRIES))
    return min(LONGEST_PAUSE, doubled)


def _this(outbox: Table, row: Any) -> ColumnElement[bool]:
    (key,) = outbox.primary_key.columns
    return cast("ColumnElement[bool]", key == getattr(row, key.name))


def take(database: Database, outbox: Table, row: Any, now: datetime) -> bool:
    """Whether the message of `row` is due at `now` (UTC) and was taken for this sender alone."""
    if row.next_try_at > now:
        return False
    with database.write() as connection:
        taken = connection.execute(
            update(outbox)
            .where(
                _this(outbox, row),
                outbox.c.state == "waiting",
                outbox.c.attempts == row.attempts,
                outbox.c.next_try_at <= now,
            )
            .values(attempts=row.attempts + 1, next_try_at=now + LEASE)
        )
    return taken.rowcount == 1


def note(database: Database, outbox: Table, row: Any, tried: Tried, now: datetime) -> str:
    """Note what came of the try of a message that was taken as `row`; gives its new state: sent, dead or waiting."""
    attempts = row.attempts + 1
    values: dict[str, Any]
    if tried.error is None:
        values = {"state": "sent", "sent_at": now, "last_error": None}
    elif tried.refused or (tried.at_fault and attempts >= TRIES):
        values = {"state": "dead", "last_error": tried.error}
    else:
        values = {"state": "waiting", "last_error": tried.error, "next_try_at": now + pause_after(attempts)}
    with database.write() as connection:
        connection.execute(
            update(outbox).where(_this(outbox, row), outbox.c.state == "waiting").values(**values)
        )
    return str(values["state"])


def revive_dead(database: Database, outbox: Table, study_id: str, now: datetime) -> int:
    """Put the dead messages of a study back in line, with all their tries before them; gives how many."""
    with database.write() as connection:
        return connection.execute(
            update(outbox)
            .where(outbox.c.study_id == study_id, outbox.c.state == "dead")
            .values(state="waiting", attempts=0, next_try_at=now)
        ).rowcount


def count_waiting(database: Database, outbox: Table, study_id: str) -> int:
    """How many messages of a study are still to be sent."""
    query = (
        select(func.count())
        .select_from(outbox)
        .where(outbox.c.study_id == study_id, outbox.c.state == "waiting")
    )
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())

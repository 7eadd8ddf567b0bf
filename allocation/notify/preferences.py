"""What people want: each mail at once, or a daily digest at an hour of theirs, and which events they switch off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, insert, select, update

from allocation.access.accounts import Clock, record
from allocation.access.actors import ALL, Actor
from allocation.access.permissions import authorize
from allocation.access.schema import account
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.database import Database
from allocation.notify.events import EVENT
from allocation.notify.schema import notice_preference


@dataclass(frozen=True, slots=True)
class Preference:
    """`digest_hour`: None for each mail at once. `timezone`: of that hour; None: the site's for people of one site, else UTC."""

    username: str
    email: str | None
    digest_hour: int | None = None
    timezone: str | None = None
    off: tuple[str, ...] = ()


def preference_of(database: Database, by: Actor, username: str) -> Preference:
    """What an account wants: one's own, or as an administrator anybody's. Raises NotPermitted, NotFound."""
    _own_or_administered(by, username)
    with database.read() as connection:
        return _read(connection, username)


def set_preference(database: Database, by: Actor, wanted: Preference, clock: Clock) -> Preference:
    """Set what an account wants: one's own, or as an administrator anybody's. The address is not among it.

    Mail that waits already goes as it was to go. Raises NotPermitted, NotFound, DomainRefusal for an hour, time zone or event that there
    is not, and for an event that cannot be switched off.
    """
    role = _own_or_administered(by, wanted.username)
    _check(wanted)
    off = " ".join(sorted(set(wanted.off)))
    values = {"digest_hour": wanted.digest_hour, "timezone": wanted.timezone, "off": off}
    with database.write() as connection:
        before = _read(connection, wanted.username, lock=True)
        changed = connection.execute(
            update(notice_preference).where(notice_preference.c.username == wanted.username).values(**values)
        )
        if changed.rowcount == 0:
            connection.execute(insert(notice_preference), {"username": wanted.username, **values})
        stood = {"digest_hour": before.digest_hour, "timezone": before.timezone, "off": " ".join(before.off)}
        if stood != values:
            now: datetime = clock()
            after = {"username": wanted.username, **values}
            record(connection, by, role, "set_notifications", after, now, before=stood)
        return _read(connection, wanted.username)


def _own_or_administered(by: Actor, username: str) -> str:
    return "self" if by.username == username else authorize(by, "access.administer", ALL)


def _check(wanted: Preference) -> None:
    if wanted.digest_hour is not None and not 0 <= wanted.digest_hour <= 23:
        raise DomainRefusal(
            f"{wanted.digest_hour} is no hour of the day",
            code="invalid-hour",
            field="digest_hour",
            fix="give 0 to 23, or none for each mail at once",
        )
    if wanted.timezone is not None:
        try:
            ZoneInfo(wanted.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise DomainRefusal(
                f"{wanted.timezone!r} is not an IANA time zone",
                code="unknown-time-zone",
                field="timezone",
                fix="write it like Europe/Berlin",
            ) from error
    for code in wanted.off:
        if code not in EVENT or EVENT[code].at_once:
            known = ", ".join(event.code for event in EVENT.values() if not event.at_once)
            what = "is not an event" if code not in EVENT else "is told to everybody concerned, at once"
            raise DomainRefusal(
                f"{code!r} {what}",
                code="cannot-switch-off",
                field="off",
                fix=f"these can be switched off: {known}",
            )


def _read(connection: Connection, username: str, *, lock: bool = False) -> Preference:
    query = select(account.c.email).where(account.c.username == username)
    found = connection.execute(query.with_for_update() if lock else query).first()
    if found is None:
        raise NotFound(f"there is no account {username!r}", field="username", fix="create it first")
    wants = connection.execute(
        select(notice_preference).where(notice_preference.c.username == username)
    ).first()
    if wants is None:
        return Preference(username, found.email)
    return Preference(username, found.email, wants.digest_hour, wants.timezone, tuple(wants.off.split()))

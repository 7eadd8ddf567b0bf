"""Accounts: unique identities with an argon2 password, locked after repeated failures. Every change leaves a ledger entry."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import Connection, insert, select, update

from allocation.access.actors import ALL, SYSTEM_ACTOR, Actor
from allocation.access.addresses import email_address
from allocation.access.permissions import authorize
from allocation.access.schema import account, api_token
from allocation.errors import DomainRefusal, LoginRefused, NotFound
from allocation.ledger.append import append_entry
from allocation.ledger.database import Database
from allocation.ledger.entry import EntryDraft, moment_text
from allocation.plain_values import fault_in_text

Clock = Callable[[], datetime]
"""Gives the present moment as an aware datetime in UTC."""

ACCOUNTS_LEDGER: Final = "SYSTEM"
"""The ledger of what concerns no single study."""

MAX_FAILED_ATTEMPTS: Final = 5
LOCKED_FOR: Final = timedelta(minutes=15)
MIN_PASSWORD_LENGTH: Final = 12

_USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")
_HASHER = PasswordHasher()
# Checked for unknown users, so that both answers take as long: a thrown-away random text, hashed at the cost of `_HASHER`. Written
# down, since to make one takes every process a tenth of a second at its start.
_NOBODYS_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4$ldLovql+m4/0HsZxb7hUpQ$Vf3r5zgYicGIwVpKTKu4ONFPF2xPLWid6wKJzNCe7L8"
)
_REFUSAL = "the username or the password is wrong, or the account is locked or disabled"
_REFUSAL_FIX = (
    f"check both; {MAX_FAILED_ATTEMPTS} failures lock an account for {LOCKED_FOR.seconds // 60} minutes"
)


@dataclass(frozen=True, slots=True)
class Account:
    """An identity as it stands: never its password."""

    username: str
    display_name: str
    status: str
    locked_until: datetime | None
    email: str | None = None


def create_account(
    database: Database,
    by: Actor,
    username: str,
    display_name: str,
    password: str,
    clock: Clock,
    *,
    email: str | None = None,
) -> Account:
    """Create an account, without any role yet. A username is never given twice, even after its account was disabled.

    `email`: where it is notified, if anywhere. Raises NotPermitted, and DomainRefusal for a username that is taken or malformed, an
    empty name, a weak password, or what is no address.
    """
    with database.write() as connection:
        return insert_account(connection, by, username, display_name, password, clock, email=email)


def hash_password(password: str) -> str:
    """The salted argon2id hash under which a password is kept."""
    return _HASHER.hash(password)


def insert_account(
    connection: Connection,
    by: Actor,
    username: str,
    display_name: str,
    password: str,
    clock: Clock,
    *,
    email: str | None = None,
    password_hash: str | None = None,
) -> Account:
    """As `create_account`, in the caller's transaction. `password_hash`: of the same password, where many accounts share one."""
    role = authorize(by, "access.administer", ALL)
    address = None if email is None else email_address(email)
    if not _USERNAME.fullmatch(username) or username == SYSTEM_ACTOR.username:
        raise DomainRefusal(
            f"{username!r} cannot be a username",
            code="invalid-username",
            field="username",
            fix="use 2 to 64 lower-case letters, digits, dots, hyphens, underscores or @; 'system' is reserved",
        )
    if not display_name.strip():
        raise DomainRefusal(
            f"{username} has no name to print on signatures",
            code="invalid-display-name",
            field="display_name",
            fix="give the person's full name",
        )
    check_password(username, password)
    if connection.execute(select(account.c.username).where(account.c.username == username)).first():
        raise DomainRefusal(
            f"the username {username} is taken",
            code="username-taken",
            field="username",
            fix="choose another one",
        )
    now = clock()
    connection.execute(
        insert(account).values(
            username=username,
            display_name=display_name.strip(),
            email=address,
            password_hash=password_hash or hash_password(password),
            status="active",
            failed_attempts=0,
            password_changed_at=now,
            created_at=now,
        )
    )
    record(
        connection,
        by,
        role,
        "create_account",
        {
            "username": username,
            "display_name": display_name.strip(),
            **({} if address is None else {"email": address}),
        },
        now,
    )
    return Account(username, display_name.strip(), "active", None, address)


def check_password(username: str, password: str) -> None:
    """Raises DomainRefusal when the password is too short, contains the username, or holds what is no text."""
    if fault_in_text(password) is not None:
        raise DomainRefusal(
            "the password holds a control character",
            code="weak-password",
            field="password",
            fix="use letters, digits, signs and spaces",
        )
    if len(password) < MIN_PASSWORD_LENGTH or username.lower() in password.lower():
        raise DomainRefusal(
            "the password is too easy to guess",
            code="weak-password",
            field="password",
            fix=f"use at least {MIN_PASSWORD_LENGTH} characters, without the username",
        )


def set_password(
    database: Database, by: Actor, username: str, password: str, clock: Clock, *, current: str | None = None
) -> None:
    """Set a password: one's own with the `current` one, or, as an administrator, another's. Ends the account's tokens and lock.

    Raises LoginRefused (own password, wrong `current`), NotPermitted, NotFound, or DomainRefusal for a weak password.
    """
    if by.username == username:
        verify_password(database, username, current or "", clock)
        role = "self"
    else:
        role = authorize(by, "access.administer", ALL)
    check_password(username, password)
    now = clock()
    with database.write() as connection:
        changed = connection.execute(
            update(account)
            .where(account.c.username == username)
            .values(
                password_hash=hash_password(password),
                password_changed_at=now,
                failed_attempts=0,
                locked_until=None,
            )
        )
        if changed.rowcount == 0:
            raise NotFound(f"there is no account {username!r}", field="username", fix="create it first")
        connection.execute(
            update(api_token)
            .where(api_token.c.username == username, api_token.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        record(connection, by, role, "set_password", {"username": username}, now)


def set_email(database: Database, by: Actor, username: str, email: str | None, clock: Clock) -> str | None:
    """Set where an account is notified, or with None that it is not; gives the address as it is kept.

    Raises NotPermitted, NotFound, DomainRefusal for what is no address.
    """
    with database.write() as connection:
        return update_email(connection, by, username, email, clock)


def update_email(
    connection: Connection, by: Actor, username: str, email: str | None, clock: Clock
) -> str | None:
    """As `set_email`, in the caller's transaction."""
    role = authorize(by, "access.administer", ALL)
    address = None if email is None else email_address(email)
    found = connection.execute(_account_named(username).with_for_update()).first()
    if found is None:
        raise NotFound(f"there is no account {username!r}", field="username", fix="create it first")
    if found.email != address:
        connection.execute(update(account).where(account.c.username == username).values(email=address))
        after = {"username": username, "email": address}
        record(connection, by, role, "set_email", after, clock(), before={"email": found.email})
    return address


def verify_password(database: Database, username: str, password: str, clock: Clock) -> Account:
    """The account, when the password is right and the account is active and not locked.

    Raises LoginRefused otherwise, with one message for every cause, so that it does not tell which usernames exist. The
    attempts of one account are checked one after another, so that parallel guesses cannot outrun the lock-out.
    """
    now = clock()
    with database.read() as connection:
        known = _may_try(connection.execute(_account_named(username)).first(), now)
    if not known:
        _matches(_NOBODYS_HASH, password)
        raise LoginRefused(_REFUSAL, field="password", fix=_REFUSAL_FIX)
    with database.write() as connection:
        row = connection.execute(_account_named(username).with_for_update()).one()
        right = _may_try(row, now) and _matches(row.password_hash, password)
        if right and (row.failed_attempts or row.locked_until is not None):
            _store(connection, username, 0, None)
        if not right:
            _count_failure(connection, row, now)
    if not right:
        raise LoginRefused(_REFUSAL, field="password", fix=_REFUSAL_FIX)
    return Account(row.username, row.display_name, row.status, None)


def _account_named(username: str) -> Any:
    return select(account).where(account.c.username == username)


def _may_try(row: Any, now: datetime) -> bool:
    if row is None or row.status != "active":
        return False
    return row.locked_until is None or row.locked_until <= now


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerifyMismatchError, UnicodeEncodeError):  # what cannot be encoded can be nobody's password
        return False


def _count_failure(connection: Connection, row: Any, now: datetime) -> None:
    if row.locked_until is not None and row.locked_until > now:
        return  # locked by an attempt that came first
    failures = 1 if row.locked_until is not None else row.failed_attempts + 1
    until = now + LOCKED_FOR if failures >= MAX_FAILED_ATTEMPTS else None
    _store(connection, row.username, failures, until)
    if until is not None:
        after = {"username": row.username, "failed_attempts": failures, "locked_until": moment_text(until)}
        record(connection, SYSTEM_ACTOR, "system", "lock_account", after, now)


def _store(connection: Connection, username: str, failures: int, until: datetime | None) -> None:
    connection.execute(
        update(account)
        .where(account.c.username == username)
        .values(failed_attempts=failures, locked_until=until)
    )


def record(
    connection: Connection,
    by: Actor,
    role: str,
    command: str,
    after: dict[str, Any],
    now: datetime,
    *,
    study_id: str = ALL,
    before: dict[str, Any] | None = None,
    reason: str = "",
) -> None:
    """Append the entry of a change of access to the ledger of the study it concerns (`ALL`: to that of no single study)."""
    append_entry(
        connection,
        EntryDraft(
            study_id=ACCOUNTS_LEDGER if study_id == ALL else study_id,
            recorded_at=now,
            actor=by.username,
            role=role,
            command=command,
            after=after,
            before=before or {},
            reason=reason,
        ),
    )

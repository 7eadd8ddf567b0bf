"""Accounts and their roles from a CSV file: all or nothing, every problem named by its line.

Columns: username, display_name, password, role, study_id, scope_kind, scope_key, and if needed email. One row a role; a user with
several roles has several rows with the same name. An empty password makes a random one, which is returned once. Empty scope columns mean
the whole study. A file can be loaded again: accounts and roles that exist already are left as they are, but for an address that it
names, which is set where it is another one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from allocation.access.accounts import Clock, insert_account, update_email
from allocation.access.actors import ALL, Actor, Grant, ScopeKind
from allocation.access.grants import insert_grant
from allocation.access.permissions import authorize
from allocation.access.schema import account
from allocation.csv_rows import read_csv_rows
from allocation.errors import DomainRefusal, FileRefused
from allocation.ledger.database import Database

COLUMNS: Final = ("username", "display_name", "password", "role", "study_id", "scope_kind", "scope_key")
OPTIONAL: Final = ("email",)


@dataclass(frozen=True, slots=True)
class LoadedUsers:
    """What a file did: accounts created, roles granted, and the passwords that were made up, by username."""

    created: tuple[str, ...]
    granted: int
    generated_passwords: dict[str, str]


def load_users(database: Database, by: Actor, content: bytes, clock: Clock) -> LoadedUsers:
    """Create the accounts and give the roles that the CSV file `content` (UTF-8) lists.

    Raises FileRefused with every problem by line, and changes nothing then; NotPermitted when `by` may not administer access.
    """
    authorize(by, "access.administer", ALL)
    rows = read_csv_rows(content, COLUMNS, "the file of users", OPTIONAL)
    created: list[str] = []
    generated: dict[str, str] = {}
    granted = 0
    problems: list[str] = []
    with database.write() as connection:
        for line, row in rows:
            try:
                password = row["password"] or generated.get(row["username"]) or secrets.token_urlsafe(15)
                if _ensure_account(connection, by, row, password, clock):
                    created.append(row["username"])
                    if not row["password"]:
                        generated[row["username"]] = password
                if row["role"]:
                    granted += insert_grant(connection, by, row["username"], _grant(row), clock)
            except DomainRefusal as refusal:
                problems.append(f"line {line}: {refusal}")
        if problems:
            raise FileRefused("the file of users", problems)  # leaving the transaction by an error undoes it
    return LoadedUsers(tuple(created), granted, generated)


def _ensure_account(
    connection: Connection, by: Actor, row: dict[str, str], password: str, clock: Clock
) -> bool:
    found = connection.execute(
        select(account.c.display_name).where(account.c.username == row["username"])
    ).first()
    if found is None:
        email = row["email"] or None
        insert_account(connection, by, row["username"], row["display_name"], password, clock, email=email)
        return True
    if found.display_name != row["display_name"]:
        raise DomainRefusal(
            f"{row['username']} is {found.display_name}, not {row['display_name']}",
            code="username-taken",
            field="display_name",
            fix="a username belongs to one person for good; choose another one",
        )
    if row["email"]:
        update_email(connection, by, row["username"], row["email"], clock)
    return False


def _grant(row: dict[str, str]) -> Grant:
    kind: ScopeKind = row["scope_kind"] or "study"  # type: ignore[assignment]  # insert_grant checks it
    return Grant(row["role"], row["study_id"], kind, row["scope_key"] or ALL)

"""Giving and taking roles. A blinded and an unblinded role in one study never meet in one identity."""

from __future__ import annotations

from typing import get_args

from sqlalchemy import Connection, insert, select, update

from allocation.access.accounts import Clock, record
from allocation.access.actors import ALL, SCOPE_KINDS, SYSTEM_ACTOR, Actor, Grant, ScopeKind
from allocation.access.permissions import ROLES, UNBLINDED_ROLES, authorize, conflicting_role
from allocation.access.schema import access_grant, account
from allocation.errors import DomainRefusal, NotFound, NotPermitted
from allocation.ledger.database import Database
from allocation.ledger.schema import site, study_version
from allocation.study.model import is_code
from allocation.study.protocol import Protocol


def grant_role(
    database: Database, by: Actor, username: str, grant: Grant, clock: Clock, *, reason: str = ""
) -> bool:
    """Give `username` a role in a scope; False when it holds exactly that already.

    Raises NotPermitted (also for a grant to oneself), NotFound for an unknown account or place, DomainRefusal for an unknown role or
    scope and, with code "role-conflict", for a role that would join blinded and unblinded in one study. Whoever was unblinded
    in a study stays so: a blinded role is refused even after the unblinded one was taken back.
    """
    with database.write() as connection:
        return insert_grant(connection, by, username, grant, clock, reason=reason)


def insert_grant(
    connection: Connection, by: Actor, username: str, grant: Grant, clock: Clock, *, reason: str = ""
) -> bool:
    """As `grant_role`, in the caller's transaction."""
    acting = authorize(by, "access.administer", grant.study_id)
    if by.username == username:
        raise NotPermitted(
            f"{username} may not change their own roles", field="username", fix="ask another administrator"
        )
    _check_grant(grant)
    # Locks the account, so that two grants at once cannot each miss the other's conflict.
    found = connection.execute(
        select(account.c.username).where(account.c.username == username).with_for_update()
    ).first()
    if found is None:
        raise NotFound(f"there is no account {username!r}", field="username", fix="create it first")
    ever = connection.execute(select(access_grant).where(access_grant.c.username == username)).all()
    active = tuple(_as_grant(row) for row in ever if row.revoked_at is None)
    if grant in active:
        return False
    learnt = tuple(
        _as_grant(row) for row in ever if row.revoked_at is not None and row.role in UNBLINDED_ROLES
    )
    other = conflicting_role(grant.role, grant.study_id, active + learnt)
    if other is not None:
        raise DomainRefusal(
            f"{username} holds or held {other}, which is not to be joined with {grant.role} in one study: "
            "one of them is blinded and the other is not",
            code="role-conflict",
            field="role",
            fix="use a separate account of another person",
        )
    _check_place(connection, grant)
    now = clock()
    connection.execute(
        insert(access_grant).values(
            username=username,
            role=grant.role,
            study_id=grant.study_id,
            scope_kind=grant.scope_kind,
            scope_key=grant.scope_key,
            granted_at=now,
            granted_by=by.username,
        )
    )
    record(
        connection,
        by,
        acting,
        "grant_role",
        _payload(username, grant),
        now,
        study_id=grant.study_id,
        reason=reason,
    )
    return True


def revoke_grant(
    database: Database, by: Actor, username: str, grant: Grant, clock: Clock, *, reason: str
) -> None:
    """Take a role back; the account's tokens lose it at once. Raises NotPermitted, or NotFound when it is not held."""
    acting = authorize(by, "access.administer", grant.study_id)
    now = clock()
    with database.write() as connection:
        revoked = connection.execute(
            update(access_grant)
            .where(
                access_grant.c.username == username,
                access_grant.c.role == grant.role,
                access_grant.c.study_id == grant.study_id,
                access_grant.c.scope_kind == grant.scope_kind,
                access_grant.c.scope_key == grant.scope_key,
                access_grant.c.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )
        if revoked.rowcount == 0:
            raise NotFound(
                f"{username} does not hold {grant.role} there", field="role", fix="list the grants first"
            )
        record(
            connection,
            by,
            acting,
            "revoke_grant",
            {},
            now,
            study_id=grant.study_id,
            before=_payload(username, grant),
            reason=reason,
        )


def grants_of(connection: Connection, username: str) -> tuple[Grant, ...]:
    """The grants that the account holds now, oldest first."""
    rows = connection.execute(
        select(access_grant)
        .where(access_grant.c.username == username, access_grant.c.revoked_at.is_(None))
        .order_by(access_grant.c.grant_id)
    )
    return tuple(_as_grant(row) for row in rows)


def actor_named(database: Database, username: str) -> Actor:
    """The identity of an active account, for callers that have identified it otherwise. Raises NotFound."""
    with database.read() as connection:
        row = connection.execute(
            select(account.c.display_name).where(account.c.username == username, account.c.status == "active")
        ).first()
        if row is None:
            raise NotFound(
                f"there is no active account {username!r}", field="username", fix="create it first"
            )
        return Actor(username, row.display_name, grants_of(connection, username))


def _check_grant(grant: Grant) -> None:
    if grant.role not in ROLES:
        raise DomainRefusal(
            f"{grant.role!r} is not a role",
            code="unknown-role",
            field="role",
            fix="use one of " + ", ".join(sorted(ROLES)),
        )
    whole_study_keyed = grant.scope_kind == "study" and grant.scope_key != ALL
    place_unnamed = grant.scope_kind != "study" and grant.scope_key in ("", ALL)
    place_of_all_studies = grant.scope_kind != "study" and grant.study_id == ALL
    if grant.scope_kind not in SCOPE_KINDS or whole_study_keyed or place_unnamed or place_of_all_studies:
        raise DomainRefusal(
            f"{grant.scope_kind!r} {grant.scope_key!r} in study {grant.study_id!r} is not a scope",
            code="unknown-scope",
            field="scope_key",
            fix=f"scope_kind is one of {', '.join(get_args(ScopeKind))}; a country, site or depot is named, and in one study",
        )
    if not grant.study_id or grant.study_id == SYSTEM_ACTOR.username.upper():
        raise DomainRefusal(
            f"{grant.study_id!r} is not a study",
            code="unknown-study",
            field="study_id",
            fix="name the study, or * for all",
        )
    for field, value in (("study_id", grant.study_id), ("scope_key", grant.scope_key)):
        if value != ALL and not is_code(value):
            raise DomainRefusal(
                f"{value!r} is not a code",
                code="unknown-study" if field == "study_id" else "unknown-scope",
                field=field,
                fix="use letters, digits, _ . and -, beginning with a letter or digit, at most 40",
            )


def _check_place(connection: Connection, grant: Grant) -> None:
    """Raise NotFound when the study is loaded and has no such country, site or depot. Before that, nobody can know."""
    newest = (
        select(study_version.c.protocol_json)
        .where(study_version.c.study_id == grant.study_id)
        .order_by(study_version.c.version.desc())
        .limit(1)
    )
    document = None if grant.scope_kind == "study" else connection.execute(newest).scalar()
    if document is None:
        return
    protocol = Protocol.model_validate_json(document)
    opened = select(site.c.site_id).where(site.c.study_id == grant.study_id)
    known = {
        "country": {one.code for one in protocol.countries},
        "depot": {one.code for one in protocol.depots},
        "site": {one.code for one in protocol.sites} | set(connection.execute(opened).scalars()),
    }[grant.scope_kind]
    if grant.scope_key not in known:
        raise NotFound(
            f"study {grant.study_id} has no {grant.scope_kind} {grant.scope_key!r}",
            field="scope_key",
            fix=f"name a {grant.scope_kind} of the study",
        )


def _as_grant(row: object) -> Grant:
    return Grant(row.role, row.study_id, row.scope_kind, row.scope_key)  # type: ignore[attr-defined]


def _payload(username: str, grant: Grant) -> dict[str, str]:
    return {
        "username": username,
        "role": grant.role,
        "study_id": grant.study_id,
        "scope_kind": grant.scope_kind,
        "scope_key": grant.scope_key,
    }

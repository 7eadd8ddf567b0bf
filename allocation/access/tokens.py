"""Logins and API tokens. A token carries its account's grants of the moment, narrowed to a role, a study or a site."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, bindparam, insert, select, update

from allocation.access.accounts import Clock, record, verify_password
from allocation.access.actors import ALL, Actor, Grant
from allocation.access.grants import actor_named
from allocation.access.permissions import authorize
from allocation.access.schema import access_grant, account, api_token
from allocation.errors import DomainRefusal, LoginRefused, NotFound
from allocation.ledger.canonical import sha256_hex
from allocation.ledger.database import Database
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import site

LOGIN_LASTS: Final = timedelta(hours=12)
LONGEST_LIFE: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token. `token` is shown this once; `token_id` names it afterwards. `expires_at` is UTC."""

    token: str
    token_id: str
    expires_at: datetime


def actor_for_login(database: Database, username: str, password: str, clock: Clock) -> Actor:
    """The identity behind a username and password. Raises LoginRefused."""
    found = verify_password(database, username, password, clock)
    return actor_named(database, found.username)


def issue_token(
    database: Database,
    actor: Actor,
    clock: Clock,
    *,
    lasts: timedelta = LOGIN_LASTS,
    role: str | None = None,
    study_id: str | None = None,
    site_id: str | None = None,
) -> IssuedToken:
    """Issue a token for the actor's own account, narrowed to `role`, `study_id` and `site_id` as far as they are given.

    Raises DomainRefusal when it would live longer than `LONGEST_LIFE`, when a site is given without its study, or when the actor
    has nothing of what it is narrowed to.
    """
    if not timedelta(0) < lasts <= LONGEST_LIFE:
        raise DomainRefusal(
            f"a token cannot live {lasts}",
            code="invalid-lifetime",
            field="lasts",
            fix=f"at most {LONGEST_LIFE.days} days",
        )
    if site_id is not None and study_id is None:
        raise DomainRefusal(
            "a site is of a study", code="unknown-scope", field="study_id", fix="name the study too"
        )
    token = f"rtsm_{secrets.token_urlsafe(32)}"
    token_id = secrets.token_hex(8)
    now = clock()
    with database.write() as connection:
        country = None if site_id is None else connection.execute(_country_of(study_id, site_id)).scalar()
        narrowed = _narrowed(actor.grants, role, study_id, site_id, country)
        if not narrowed and (role or study_id or site_id):
            raise DomainRefusal(
                f"{actor.username} holds nothing of what the token is narrowed to",
                code="unknown-scope",
                field="role" if role else "study_id",
                fix="narrow it to a role, study and site that you hold",
            )
        connection.execute(
            insert(api_token).values(
                token_sha256=sha256_hex(token),
                token_id=token_id,
                username=actor.username,
                role=role,
                study_id=study_id,
                site_id=site_id,
                created_at=now,
                expires_at=now + lasts,
            )
        )
        after = {
            "token_id": token_id,
            "username": actor.username,
            "role": role,
            "study_id": study_id,
            "site_id": site_id,
            "expires_at": moment_text(now + lasts),
        }
        record(connection, actor, "self", "issue_token", after, now, study_id=ALL)
    return IssuedToken(token, token_id, now + lasts)


def revoke_token(database: Database, by: Actor, token_id: str, clock: Clock) -> None:
    """End a token at once: one's own, or as an administrator anybody's. Raises NotPermitted, NotFound."""
    now = clock()
    with database.write() as connection:
        row = connection.execute(
            select(api_token.c.username, api_token.c.revoked_at).where(api_token.c.token_id == token_id)
        ).first()
        own = row is not None and row.username == by.username
        role = "self" if own else authorize(by, "access.administer", ALL)
        if row is None:
            raise NotFound(
                f"there is no token {token_id!r}", field="token_id", fix="use the id given at its issue"
            )
        if row.revoked_at is not None:
            return
        connection.execute(update(api_token).where(api_token.c.token_id == token_id).values(revoked_at=now))
        record(connection, by, role, "revoke_token", {"token_id": token_id, "username": row.username}, now)


def actor_for_token(database: Database, token: str, clock: Clock) -> Actor:
    """The identity behind a token, with the grants that its account holds now, narrowed as the token says.

    Raises LoginRefused when the token is unknown, expired or revoked, or its account is disabled.
    """
    with database.read() as connection:
        rows = connection.execute(_TOKEN, {"hash": sha256_hex(token)}).all()
    if (
        not rows
        or rows[0].revoked_at is not None
        or rows[0].expires_at <= clock()
        or rows[0].status != "active"
    ):
        raise LoginRefused(
            "the token is unknown, expired or revoked", field="Authorization", fix="log in again"
        )
    first = rows[0]
    grants = tuple(
        Grant(row.role, row.study_id, row.scope_kind, row.scope_key) for row in rows if row.role is not None
    )
    narrowed = _narrowed(grants, first.only_role, first.only_study, first.only_site, first.country)
    return Actor(first.username, first.display_name, narrowed)


def token_id_of(database: Database, token: str) -> str:
    """The id of a token that its bearer holds. Raises LoginRefused for an unknown one."""
    with database.read() as connection:
        found = connection.execute(
            select(api_token.c.token_id).where(api_token.c.token_sha256 == sha256_hex(token))
        ).scalar()
    if found is None:
        raise LoginRefused(
            "the token is unknown, expired or revoked", field="Authorization", fix="log in again"
        )
    return str(found)


def _token_query() -> Any:
    return (
        select(
            account.c.username,
            account.c.display_name,
            account.c.status,
            api_token.c.expires_at,
            api_token.c.revoked_at,
            api_token.c.role.label("only_role"),
            api_token.c.study_id.label("only_study"),
            api_token.c.site_id.label("only_site"),
            site.c.country,
            access_grant.c.role,
            access_grant.c.study_id,
            access_grant.c.scope_kind,
            access_grant.c.scope_key,
        )
        .join_from(api_token, account, account.c.username == api_token.c.username)
        .outerjoin(
            access_grant,
            and_(access_grant.c.username == account.c.username, access_grant.c.revoked_at.is_(None)),
        )
        .outerjoin(site, and_(site.c.study_id == api_token.c.study_id, site.c.site_id == api_token.c.site_id))
        .where(api_token.c.token_sha256 == bindparam("hash"))
        .order_by(access_grant.c.grant_id)
    )


_TOKEN = _token_query()


def _country_of(study_id: str | None, site_id: str) -> Any:
    return select(site.c.country).where(site.c.study_id == study_id, site.c.site_id == site_id)


def _narrowed(
    grants: tuple[Grant, ...],
    role: str | None,
    study_id: str | None,
    site_id: str | None,
    country: str | None,
) -> tuple[Grant, ...]:
    """The part of `grants` inside the narrowing; a grant for more than the site shrinks to the site."""
    kept = []
    for grant in grants:
        if role is not None and grant.role != role:
            continue
        if study_id is None:
            kept.append(grant)
        elif site_id is None and grant.holds_in(study_id):
            kept.append(Grant(grant.role, study_id, grant.scope_kind, grant.scope_key))
        elif site_id is not None and grant.covers(study_id, site_id=site_id, country=country):
            kept.append(Grant(grant.role, study_id, "site", site_id))
    return tuple(dict.fromkeys(kept))

"""Who is told: active accounts with an address, whose role a row of the table names and whose grant reaches the place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from allocation.access.actors import ALL, Grant
from allocation.access.schema import access_grant, account
from allocation.ledger.schema import site
from allocation.notify.events import Event
from allocation.notify.places import NoticePlace
from allocation.notify.schema import notice_preference
from allocation.rules.notices import next_digest


@dataclass(frozen=True, slots=True)
class Recipient:
    """An account with the grants that it holds in the study, and what its owner wants. `timezone` is that of the digest's hour."""

    username: str
    email: str
    grants: tuple[Grant, ...]
    digest_hour: int | None
    timezone: str
    off: frozenset[str]

    def variant(
        self,
        event: Event,
        study_id: str,
        places: Iterable[NoticePlace],
        countries: Mapping[str, str],
        *,
        local: bool = False,
    ) -> str | None:
        """In which variant the person is told of the event at these places (none: the whole study); None: not at all."""
        told = [grant for grant in self.grants if event.variant_for(grant.role) is not None]
        if local and any(grant.scope_kind == "study" for grant in told):
            return None
        found = {
            event.variant_for(grant.role) for grant in told if _covers(grant, study_id, places, countries)
        }
        # Nobody holds a blinded and an unblinded role in one study; were it so, the blinded words go out.
        return next((one for one in ("blinded", "unblinded") if one in found), None)

    def due(self, event: Event, now: datetime) -> tuple[bool, datetime]:
        """Whether the event waits for the person's digest, and the moment (UTC) at which it is sent."""
        if self.digest_hour is None or event.at_once:
            return False, now
        return True, next_digest(now, self.digest_hour, self.timezone)

    def wants(self, event: Event) -> bool:
        """Whether the person has not switched the event off."""
        return event.at_once or event.code not in self.off


def _covers(grant: Grant, study_id: str, places: Iterable[NoticePlace], countries: Mapping[str, str]) -> bool:
    places = tuple(places)
    if not places:
        return grant.covers(study_id)
    return any(
        grant.covers(study_id, site_id=one.key, country=countries.get(one.key))
        if one.kind == "site"
        else grant.covers(study_id, depot_id=one.key)
        for one in places
    )


def recipients_of(
    connection: Connection, study_id: str, roles: Iterable[str] | None = None, username: str | None = None
) -> list[Recipient]:
    """Everybody who may be told something in the study, by username: holders of one of `roles`, or one account."""
    query = (
        select(
            account.c.username,
            account.c.email,
            access_grant.c.role,
            access_grant.c.study_id,
            access_grant.c.scope_kind,
            access_grant.c.scope_key,
            notice_preference.c.digest_hour,
            notice_preference.c.timezone,
            notice_preference.c.off,
        )
        .join_from(account, access_grant, access_grant.c.username == account.c.username)
        .outerjoin(notice_preference, notice_preference.c.username == account.c.username)
        .where(
            account.c.status == "active",
            account.c.email.is_not(None),
            access_grant.c.study_id.in_((study_id, ALL)),
            access_grant.c.revoked_at.is_(None),
        )
        .order_by(account.c.username, access_grant.c.grant_id)
    )
    if roles is not None:
        query = query.where(access_grant.c.role.in_(sorted(roles)))
    if username is not None:
        query = query.where(account.c.username == username)
    grants: dict[str, list[Grant]] = defaultdict(list)
    first: dict[str, Any] = {}
    for row in connection.execute(query):
        first.setdefault(row.username, row)
        grants[row.username].append(Grant(row.role, row.study_id, row.scope_kind, row.scope_key))
    zones = _zones(connection, study_id, grants.values()) if first else {}
    return [
        Recipient(
            name,
            row.email,
            tuple(grants[name]),
            row.digest_hour,
            row.timezone or zones.get(_only_site(grants[name]), "UTC"),
            frozenset((row.off or "").split()),
        )
        for name, row in first.items()
    ]


def _only_site(grants: Iterable[Grant]) -> str:
    """The one site that all grants are for; empty when there is none."""
    keys = {grant.scope_key if grant.scope_kind == "site" else "" for grant in grants}
    return keys.pop() if len(keys) == 1 else ""


def _zones(connection: Connection, study_id: str, grants: Iterable[Iterable[Grant]]) -> dict[str, str]:
    """Site -> its time zone, of those sites that are somebody's only one."""
    wanted = {key for one in grants if (key := _only_site(one))}
    rows = connection.execute(
        select(site.c.site_id, site.c.timezone).where(
            site.c.study_id == study_id, site.c.site_id.in_(sorted(wanted))
        )
    )
    return {row.site_id: row.timezone for row in rows}

"""When people are told: of what lasts once until it has ended, and in a daily digest at the hour that they asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Changes:
    """What has begun and is to be told, and what has ended: when it comes again, it is told again. Both in order."""

    begun: tuple[str, ...]
    ended: tuple[str, ...]


def changes(standing: Collection[str], found: Collection[str]) -> Changes:
    """Compare what was told of and lasted until now (`standing`) with what is `found` now."""
    return Changes(tuple(sorted(set(found) - set(standing))), tuple(sorted(set(standing) - set(found))))


def next_digest(now: datetime, hour: int, timezone: str) -> datetime:
    """The next moment after `now` (aware) at which it is `hour` o'clock in an IANA time zone.

    In the night in which clocks jump over that hour it is the moment at which the hour would have begun; an hour that comes twice counts
    the first time.
    """
    zone = ZoneInfo(timezone)
    local = now.astimezone(zone)
    due = datetime.combine(local.date(), time(hour), zone)
    if due.timestamp() <= now.timestamp():
        due = datetime.combine(local.date() + timedelta(days=1), time(hour), zone)
    return due.astimezone(now.tzinfo)

"""What is told, before it is known to whom: an act that was recorded, and a notice with the places that it concerns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from allocation.notify.blinded import BlindedNotice
from allocation.notify.places import NoticePlace
from allocation.notify.unblinded import UnblindedNotice

Notice = TypeVar("Notice", BlindedNotice, UnblindedNotice)


@dataclass(frozen=True, slots=True)
class Happening:
    """An entry that was just appended, in its transaction. `at` is UTC; `after` is the entry's payload."""

    connection: Connection
    study_id: str
    entry_id: int
    command: str
    at: datetime
    site_id: str | None
    after: dict[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Told(Generic[Notice]):
    """A notice for people who reach one of `places` (none: for people of the whole study).

    `local`: only for people whose role is for a place, since those of the whole study are told by a notice of their own.
    """

    notice: Notice
    places: tuple[NoticePlace, ...] = ()
    local: bool = False

"""The acts of a replay: one command of the service each, with who acts, when, and the key that makes it happen once only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from allocation.commands.service import Act, CommandRequest, Service
from simulation.replay.errors import RecordedStudyError

Command = Callable[[Service, Act, str, Any], dict[str, Any]]

NOON = time(12)

Request = TypeVar("Request", bound=CommandRequest)


@dataclass(frozen=True, slots=True)
class Seat:
    """Who acts: a duty, at a site where the duty is a site's."""

    duty: str
    site: str | None = None


STATISTICIAN = Seat("statistician")
PROJECT_MANAGER = Seat("project-manager")
SUPPLY_MANAGER = Seat("supply-manager")


@dataclass(frozen=True, slots=True)
class Step:
    """One command. `name` is unique within a replay; `at` is UTC. `arm`, `number`: what a randomization must draw."""

    name: str
    at: datetime
    seat: Seat
    command: Command
    request: CommandRequest
    number: str | None = None
    arm: str | None = None

    @property
    def kind(self) -> str:
        """The name of the command, as people count it."""
        return self.command.__name__


def noon(day: date, timezone: str) -> datetime:
    """Noon of a place's day, in UTC: far from midnight, so that the seconds between the acts of a day never leave the day."""
    return datetime.combine(day, NOON, ZoneInfo(timezone)).astimezone(UTC)


def request_for(kind: type[Request], where: str, **values: Any) -> Request:
    """The request with these values. Raises RecordedStudyError naming `where` and the value that the service cannot take."""
    try:
        return kind(**values)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "the record"
        raise RecordedStudyError(
            f"{name} is {first['input']!r}: {first['msg']}",
            code="recorded-value",
            field=where,
            fix="correct it in the source",
        ) from invalid


def fingerprint(steps: Iterable[Step], content: str) -> str:
    """A digest of all that is to be played: 16 hexadecimal digits, different for other datasets or another study file.

    `content` stands for what the steps do not hold.
    """
    digest = hashlib.sha256(content.encode())
    for step in steps:
        digest.update(f"{step.name}\n{step.kind}\n{step.request.model_dump_json()}\n".encode())
    return digest.hexdigest()[:16]

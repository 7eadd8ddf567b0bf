"""What every command is given: the service it runs in, who acts, and how the act is to be recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ConfigDict

from allocation.access.actors import Actor
from allocation.access.signing import Signature
from allocation.errors import DomainRefusal
from allocation.ledger.database import Database
from allocation.plain_values import PlainModel
from allocation.rules.amendments import VersionsByVisit
from allocation.rules.dosing import DispensingRow
from allocation.study.protocol import Protocol

FOR_THE_TRAIL: Final = "say why, for the audit trail"
"""How to mend an act of the study team that gives no reason."""

Clock = Callable[[], datetime]
"""Gives the moment of the act, aware, in UTC. UAT, training and simulation pass one that they move."""


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass
class Service:
    """The database and the clock that commands run with.

    Protocol versions never change, so they are kept once read, by (study, version), and so is what is made from them: schedules and
    dispensing tables by (study, version, versions by visit).
    """

    database: Database
    clock: Clock = utc_now
    protocols: dict[tuple[str, int], Protocol] = field(default_factory=dict)
    schedules: dict[tuple[str, int, VersionsByVisit], Protocol] = field(default_factory=dict)
    dispensing_tables: dict[tuple[str, int, VersionsByVisit], tuple[DispensingRow, ...]] = field(
        default_factory=dict
    )
    list_bases: dict[tuple[str, int, str], dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act:
    """Who acts and how it is recorded.

    `idempotency_key`: a retry with the same key gets the first answer and changes nothing. `signature`: see access/signing.py.
    """

    actor: Actor
    idempotency_key: str | None = None
    reason: str = ""
    signature: Signature | None = None

    def require_reason(self, told: str, fix: str = "give the reason") -> None:
        """Refuse an act without a reason in these words. Raises DomainRefusal (`reason-missing`)."""
        if not self.reason.strip():
            raise DomainRefusal(told, code="reason-missing", field="reason", fix=fix)


class CommandRequest(PlainModel):
    """What a command is asked to do; an unknown field is an error, and no value is taken for another type's."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

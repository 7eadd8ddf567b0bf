"""One command, one transaction: load under a lock, decide by a rule, append one entry, fold it, commit; all or nothing.

A command's body receives a `Transaction`. It must first state where it acts (`at_subject`, `at_site` or `in_study`), which locks
what the decision depends on and checks the permission table; `append` refuses an act that was not authorized.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Select, bindparam, select
from sqlalchemy.exc import IntegrityError, OperationalError

from allocation.access.permissions import COMMAND_PERMISSIONS, authorize
from allocation.commands.database_refusals import refusal_of
from allocation.commands.lot_quantities import refusal_by_lot, told_by_lot
from allocation.commands.resupply_events import queue_for_resupply
from allocation.commands.service import Act, CommandRequest, Service
from allocation.edc.outbox import queue_for_edc
from allocation.edc.outgoing import KIND_OF_COMMAND
from allocation.errors import DomainRefusal, IdempotencyConflict, NotFound, RTSMError, StateChanged
from allocation.ledger.append import append_entry
from allocation.ledger.canonical import sha256_hex
from allocation.ledger.entry import EntryDraft
from allocation.ledger.hot_statement import HotStatement
from allocation.ledger.projections import ProjectionConflict
from allocation.ledger.schema import ledger_entry, site, subject
from allocation.ledger.subject_paths import latest_number, visits_of
from allocation.ledger.versions import (
    VERSION_IN_STUDY,
    moving_version_in_country,
    protocol_of,
    schedule_of,
    version_from_a_visit_in_country,
    version_in_country,
    versions_of_subject,
)
from allocation.notify.happening import Happening
from allocation.notify.outbox import queue_notices
from allocation.rules.amendments import VersionsByVisit, version_at
from allocation.rules.dosing import DispensingRow
from allocation.study.dose_paths import dispensing_rows
from allocation.study.protocol import Protocol

TRIES = 5
"""How often a transaction that lost a deadlock or a serialization conflict is begun again."""

RETRYABLE = ("40001", "40P01")  # PostgreSQL: serialization failure, deadlock

_IN_STUDY = select(VERSION_IN_STUDY)
_PLACE_COLUMNS = (site.c.country.label("site_country"), site.c.timezone)
_AT_SITE: Select[Any] = (
    select(
        version_in_country(site.c.country),
        site.c.site_id,
        *_PLACE_COLUMNS,
        site.c.depot_id,
        site.c.status.label("site_status"),
        site.c.profile,
    )
    .where(site.c.study_id == bindparam("study"), site.c.site_id == bindparam("site"))
    .with_for_update(of=site)
)
# What commands decide by, and no more: a column that is read costs time in every command.
_SUBJECT_COLUMNS = (
    subject.c.subject_id,
    subject.c.site_id,
    subject.c.status,
    subject.c.screened_on,
    subject.c.eligible,
    subject.c.factors_json,
    subject.c.cohort,
    subject.c.stratum,
    subject.c.randomized_on,
    subject.c.arm,
    subject.c.dose_level,
    subject.c.randomizations_json,
    subject.c.dose_held_on,
    subject.c.first_dose_on,
    subject.c.last_dispensed_on,
    subject.c.protocol_version,
)
_AT_SUBJECT = HotStatement(
    select(
        version_in_country(site.c.country),
        moving_version_in_country(site.c.country),
        version_from_a_visit_in_country(site.c.country),
        *_PLACE_COLUMNS,
        *_SUBJECT_COLUMNS,
    )
    .join_from(subject, site, (site.c.study_id == subject.c.study_id) & (site.c.site_id == subject.c.site_id))
    .where(subject.c.study_id == bindparam("study"), subject.c.subject_id == bindparam("who"))
    .with_for_update(of=(site, subject))
)
_EARLIER = select(ledger_entry.c.answer_json, ledger_entry.c.request_sha256).where(
    ledger_entry.c.study_id == bindparam("study"),
    ledger_entry.c.actor == bindparam("actor"),
    ledger_entry.c.idempotency_key == bindparam("key"),
)


@dataclass
class Transaction:
    """The running command: its connection, moment and place, and the protocol version that it is decided under."""

    connection: Connection
    service: Service
    act: Act
    study_id: str
    command: str
    request_sha256: str
    now: datetime
    role: str | None = None
    version: int = 0
    versions: VersionsByVisit = ()
    site_country: str = ""
    today: date = field(init=False)

    def __post_init__(self) -> None:
        """Until a place is known, a date is the date in UTC."""
        self.today = self.now.date()

    @property
    def protocol(self) -> Protocol:
        """The protocol of the version that the act is decided under; at a subject's visits, with the schedule that the subject follows."""
        if len(self.versions) <= 1:
            return self.protocol_of(self.version)
        key = (self.study_id, self.version, self.versions)
        if key not in self.service.schedules:
            self.service.schedules[key] = schedule_of(
                self.connection, self.study_id, self.versions, self.version, self.service.protocols
            )
        return self.service.schedules[key]

    def protocol_of(self, version: int) -> Protocol:
        """The protocol of any loaded version of the study."""
        return protocol_of(self.connection, self.study_id, version, self.service.protocols)

    @property
    def dispensing_table(self) -> tuple[DispensingRow, ...]:
        """The dispensing table of that protocol, as the dosing rule takes it."""
        key = (self.study_id, self.version, self.versions)
        if key not in self.service.dispensing_tables:
            self.service.dispensing_tables[key] = dispensing_rows(self.protocol)
        return self.service.dispensing_tables[key]

    def in_study(self, *, new: bool = False, depot_id: str | None = None) -> None:
        """Act on the study as a whole, or at a depot, under the latest version in force anywhere.

        Raises NotFound for an unknown study unless it is `new`, NotPermitted.
        """
        self.role = authorize(
            self.act.actor, COMMAND_PERMISSIONS[self.command], self.study_id, depot_id=depot_id
        )
        version = self.connection.execute(_IN_STUDY, {"study": self.study_id, "now": self.now}).scalar()
        if version is None and not new:
            raise unknown_study(self.study_id)
        self.version, self.versions = version or 0, ()

    def at_site(self, site_id: str, *, depot_id: str | None = None) -> Row[Any]:
        """Act at a site, whose row (and so its stock) stays locked, under the version in force in its country.

        Raises NotFound, NotPermitted, and DomainRefusal where no version is in force yet.
        """
        row = self.connection.execute(
            _AT_SITE, {"study": self.study_id, "now": self.now, "site": site_id}
        ).first()
        if row is None:
            self.refuse_strangers()
            raise NotFound(
                f"site {site_id!r} is not open in study {self.study_id}", field="site_id", fix="open it first"
            )
        self._enter(row, site_id, depot_id)
        return row

    def at_subject(self, subject_id: str) -> Any:
        """Act on a subject at its site, under the version in force there; both rows stay locked. Gives the subject's row.

        Raises as `at_site`.
        """
        keys = {"study": self.study_id, "now": self.now, "who": subject_id}
        found = _AT_SUBJECT.rows(self.connection, keys)
        if not found:
            self.refuse_strangers()
            raise NotFound(
                f"subject {subject_id!r} is not known in study {self.study_id}",
                field="subject_id",
                fix="screen the subject first",
            )
        (row,) = found
        self._enter(row, row.site_id, None)
        return row

    def at_visit(self, subject_id: str, visit_code: str | None = None) -> Any:
        """As `at_subject`, for what happens at a subject's visits: under the version that the subject follows (amendment rule).

        `visit_code`: the planned visit that the act is about, which may be the one that moves the subject to a later version.
        """
        row = self.at_subject(subject_id)
        versions = versions_of_subject(
            self.connection,
            self.study_id,
            self.now,
            row.site_country,
            row.version,
            row.protocol_version,
            row.moves_to,
            row.moves_from,
        )
        reached = None
        if len(versions) > 1:
            self.versions = versions
            come_to = self.protocol.visit(visit_code or "")
            reached = latest_number(
                visits_of(self.connection, self.study_id, subject_id),
                None if come_to is None else come_to.number,
            )
        self.version = version_at(versions, reached)
        return row

    def refuse_strangers(self) -> None:
        """Before saying that something is not there, check that the actor may act anywhere in the study at all."""
        if not self.act.actor.roles_in(self.study_id):
            authorize(self.act.actor, COMMAND_PERMISSIONS[self.command], self.study_id)

    def _enter(self, row: Any, site_id: str, depot_id: str | None) -> None:
        self.role = authorize(
            self.act.actor,
            COMMAND_PERMISSIONS[self.command],
            self.study_id,
            site_id=site_id,
            country=row.site_country,
            depot_id=depot_id,
        )
        if row.version is None:
            raise DomainRefusal(
                f"no protocol version is in force in {row.site_country} yet",
                code="no-version-in-country",
                field="site_id",
                fix="put the approved version into effect there first",
            )
        self.version, self.versions = row.version, ()
        self.site_country = row.site_country
        self.today = self.at_zone(row.timezone)

    def at_zone(self, timezone: str) -> date:
        """The date of the act in an IANA time zone."""
        return self.now.astimezone(ZoneInfo(timezone)).date()

    def append(
        self,
        after: dict[str, Any],
        *,
        answer: dict[str, Any],
        before: dict[str, Any] | None = None,
        subject_id: str | None = None,
        site_id: str | None = None,
        kit_numbers: tuple[str, ...] = (),
        follows: str | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Append the act's entry and fold it; gives the answer, which a retry will be given again.

        What the EDC and people are to be told of it goes into the outboxes; sites that it left with less wait for resupply. `follows`:
        the command of an entry that follows from the act without having been asked for (edc_following.py). `key`: that of one entry,
        where an act has several.
        """
        if self.role is None:
            raise RTSMError(f"{self.command} was not authorized", code="not-authorized")
        signature = self.act.signature
        command = follows or self.command
        answer = told_by_lot(self.connection, self.study_id, answer)
        entry_id = append_entry(
            self.connection,
            EntryDraft(
                study_id=self.study_id,
                recorded_at=self.now,
                actor=self.act.actor.username,
                role=self.role,
                command=command,
                after=after,
                before=before or {},
                subject_id=subject_id,
                site_id=site_id,
                kit_numbers=kit_numbers,
                reason=self.act.reason,
                signature=None if signature is None else signature.manifest(),
                config_version=self.version,
                idempotency_key=key or (None if follows else self.act.idempotency_key),
                request_sha256=self.request_sha256,
                answer=answer,
            ),
        )
        if subject_id is not None and site_id is not None and command in KIND_OF_COMMAND:
            queue_for_edc(
                self.connection, self.protocol, entry_id, command, subject_id, site_id, after, self.now
            )
        act = (self.study_id, self.version, entry_id, command, site_id, after, self.now)
        queue_for_resupply(self.connection, *act, self.service.protocols)
        told = (self.connection, self.study_id, entry_id, command, self.now, site_id, after, self.act.reason)
        queue_notices(Happening(*told))
        return answer


def unknown_study(study_id: str) -> NotFound:
    """The error for a study that is not loaded or not in force yet."""
    return NotFound(
        f"study {study_id!r} is not loaded, or not in force yet",
        field="study_id",
        fix="load it with `rtsm study load`",
    )


def execute(
    service: Service,
    act: Act,
    study_id: str,
    command: str,
    request: CommandRequest,
    body: Callable[[Transaction], dict[str, Any]],
) -> dict[str, Any]:
    """Run `body` in one transaction and give its answer.

    A retry (same study, actor and idempotency key) gives the first answer; the same key with another request raises
    IdempotencyConflict. Any refusal leaves ledger and projections as they were. A lost race raises StateChanged when the state no
    longer allows the act; deadlocks are tried again.
    """
    request_sha256 = _hash_of(command, request, act)
    for attempt in range(1, TRIES + 1):
        try:
            with service.database.write() as connection:
                return body(
                    Transaction(connection, service, act, study_id, command, request_sha256, service.clock())
                )
        except (DomainRefusal, ProjectionConflict, IntegrityError) as error:
            # A retry of an act that was done meets its own effect first (or its own key): look whether that is why.
            answer = _first_answer(service, act, study_id, request_sha256)
            if answer is not None:
                return answer
            if isinstance(error, DomainRefusal):
                refusal_by_lot(service.database, study_id, error)
                raise
            if (refusal := refusal_of(error)) is not None:
                raise refusal from error
            raise StateChanged(
                "somebody else changed this meanwhile, or it exists already; nothing was done",
                fix="read the present state and try again",
            ) from error
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in RETRYABLE or attempt == TRIES:
                raise
    raise AssertionError("unreachable")


def earlier_answer(
    service: Service, act: Act, study_id: str, command: str, request: CommandRequest
) -> dict[str, Any] | None:
    """The answer that was given to this act before, None when it was not done.

    For a command of several transactions, or of one that may end without an entry: its retry does not meet the first one's effect
    by itself. Raises IdempotencyConflict.
    """
    return _first_answer(service, act, study_id, _hash_of(command, request, act))


def _hash_of(command: str, request: CommandRequest, act: Act) -> str:
    """What a retry must repeat: the request and, where one is given, the reason, which a retry would else lose in silence."""
    reason = f"\n{act.reason}" if act.reason else ""
    return sha256_hex(f"{command}:{request.model_dump_json()}{reason}")


def _first_answer(service: Service, act: Act, study_id: str, request_sha256: str) -> dict[str, Any] | None:
    if act.idempotency_key is None:
        return None
    with service.database.read() as connection:
        found = connection.execute(
            _EARLIER, {"study": study_id, "actor": act.actor.username, "key": act.idempotency_key}
        ).first()
    if found is None:
        return None
    if found.request_sha256 != request_sha256:
        raise IdempotencyConflict(
            f"the key {act.idempotency_key!r} was used before with another request or reason",
            field="Idempotency-Key",
            fix="use a new key",
        )
    answer: dict[str, Any] = json.loads(found.answer_json)
    return answer


def iso(day: date | None) -> str | None:
    """A date as ISO text, for a payload."""
    return None if day is None else day.isoformat()

"""The study as of a moment: the latest protocol version in force anywhere, and how fresh the data are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection, select

from allocation.errors import NotFound
from allocation.ledger.schema import ledger_entry, study_version
from allocation.study.protocol import Protocol

_PROTOCOLS: dict[str, Protocol] = {}
"""Protocols by the hash of their document: a version never changes, and reading one takes longer than a whole view."""


@dataclass(frozen=True, slots=True)
class StudyAt:
    """A study as of `moment` (UTC): the version in force and its protocol. `last_entry_at` is None for an empty ledger."""

    study_id: str
    moment: datetime
    version: int
    protocol: Protocol
    last_entry_at: datetime | None

    @property
    def today(self) -> date:
        """The date of `moment` in UTC."""
        return self.moment.date()


def study_at(connection: Connection, study_id: str, moment: datetime | None = None) -> StudyAt:
    """The study as of `moment`; None: as of its last entry (what a study that is played with a moving clock calls now).

    Raises NotFound for a study that is not loaded. Before the first version takes effect, the first version counts.
    """
    last = connection.execute(
        select(ledger_entry.c.recorded_at)
        .where(ledger_entry.c.study_id == study_id)
        .order_by(ledger_entry.c.entry_id.desc())
        .limit(1)
    ).scalar()
    moment = (moment or last or datetime.now(UTC)).astimezone(UTC)
    versions = connection.execute(
        select(study_version.c.version, study_version.c.effective_at, study_version.c.sha256)
        .where(study_version.c.study_id == study_id)
        .order_by(study_version.c.version)
    ).all()
    if not versions:
        raise NotFound(
            f"study {study_id!r} is not loaded", field="study_id", fix="load it with `rtsm study load FILE`"
        )
    row = max(
        (row for row in versions if row.effective_at <= moment),
        default=versions[0],
        key=lambda row: row.version,
    )
    return StudyAt(
        study_id, moment, row.version, _protocol(connection, study_id, row.version, row.sha256), last
    )


def protocol_of_version(connection: Connection, study_id: str, version: int) -> Protocol:
    """The protocol of a loaded version, such as that which a subject's visits follow."""
    sha256 = connection.execute(
        select(study_version.c.sha256).where(
            study_version.c.study_id == study_id, study_version.c.version == version
        )
    ).scalar_one()
    return _protocol(connection, study_id, version, sha256)


def _protocol(connection: Connection, study_id: str, version: int, sha256: str) -> Protocol:
    if sha256 not in _PROTOCOLS:
        text = connection.execute(
            select(study_version.c.protocol_json).where(
                study_version.c.study_id == study_id, study_version.c.version == version
            )
        ).scalar_one()
        _PROTOCOLS[sha256] = Protocol.model_validate_json(text)
    return _PROTOCOLS[sha256]

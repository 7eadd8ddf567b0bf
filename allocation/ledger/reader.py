"""Reading the ledger: sealed entries in order, and the protocol that was in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, select

from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import ledger_entry, ledger_seal, study_version, subject
from allocation.ledger.schema import study as study_table
from allocation.study.protocol import Protocol

BATCH = 2000
FEW = 50


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """A sealed entry. `recorded_at` is UTC; `before`, `after`, `answer` and `signature` are parsed JSON."""

    position: int
    chain_hash: str
    entry_id: int
    study_id: str
    recorded_at: datetime
    actor: str
    role: str
    command: str
    subject_id: str | None
    site_id: str | None
    kit_numbers: tuple[str, ...]
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str
    signature: dict[str, Any] | None
    config_version: int
    idempotency_key: str | None
    content_hash: str


_SEALED = select(ledger_seal.c.position, ledger_seal.c.chain_hash, ledger_entry).join_from(
    ledger_seal, ledger_entry
)


def iter_rows(
    database: Database, study_id: str, after_position: int = 0, up_to: int | None = None
) -> Iterator[dict[str, Any]]:
    """Sealed entries as their raw columns (JSON as text), in order of position, fetched in batches."""
    position = after_position
    while True:
        query = _SEALED.where(ledger_seal.c.study_id == study_id, ledger_seal.c.position > position)
        if up_to is not None:
            query = query.where(ledger_seal.c.position <= up_to)
        with database.read() as connection:
            rows = connection.execute(query.order_by(ledger_seal.c.position).limit(BATCH)).mappings().all()
        yield from (dict(row) for row in rows)
        if len(rows) < BATCH:
            return
        position = rows[-1]["position"]


def iter_sealed(
    database: Database, study_id: str, after_position: int = 0, up_to: int | None = None
) -> Iterator[SealedEntry]:
    """Sealed entries after `after_position`, up to and with `up_to`, in order."""
    for row in iter_rows(database, study_id, after_position, up_to):
        yield _as_entry(row)


def _as_entry(row: dict[str, Any]) -> SealedEntry:
    return SealedEntry(
        position=row["position"],
        chain_hash=row["chain_hash"],
        entry_id=row["entry_id"],
        study_id=row["study_id"],
        recorded_at=row["recorded_at"],
        actor=row["actor"],
        role=row["role"],
        command=row["command"],
        subject_id=row["subject_id"],
        site_id=row["site_id"],
        kit_numbers=tuple(json.loads(row["kit_numbers"])),
        before=json.loads(row["before_json"]),
        after=json.loads(row["after_json"]),
        reason=row["reason"],
        signature=None if row["signature_json"] is None else json.loads(row["signature_json"]),
        config_version=row["config_version"],
        idempotency_key=row["idempotency_key"],
        content_hash=row["content_hash"],
    )


def sealed_entries(
    database: Database, study_id: str, after_position: int = 0, up_to: int | None = None
) -> list[SealedEntry]:
    """As `iter_sealed`, all at once."""
    return list(iter_sealed(database, study_id, after_position, up_to))


def last_position(database: Database, study_id: str) -> int:
    """The last sealed position of a study; 0 when it has none."""
    with database.read() as connection:
        query = select(func.max(ledger_seal.c.position)).where(ledger_seal.c.study_id == study_id)
        return int(connection.execute(query).scalar() or 0)


def studies(database: Database) -> list[str]:
    """The ids of the studies that are loaded, in order."""
    with database.read() as connection:
        return list(
            connection.execute(select(study_table.c.study_id).order_by(study_table.c.study_id)).scalars()
        )


def ledgers(database: Database) -> list[str]:
    """The ids under which sealed entries stand: the studies, and SYSTEM for accounts."""
    with database.read() as connection:
        return list(
            connection.execute(
                select(ledger_seal.c.study_id).distinct().order_by(ledger_seal.c.study_id)
            ).scalars()
        )


def protocol_at(database: Database, study_id: str, version: int | None = None) -> Protocol:
    """The protocol of a study, the latest version by default. Raises NotFound for an unknown study or version."""
    query = select(study_version.c.protocol_json).where(study_version.c.study_id == study_id)
    if version is not None:
        query = query.where(study_version.c.version == version)
    with database.read() as connection:
        found = connection.execute(query.order_by(study_version.c.version.desc()).limit(1)).scalar()
    if found is None:
        what = f"study {study_id!r}" + ("" if version is None else f" version {version}")
        raise NotFound(f"{what} is not loaded", field="study_id", fix="load it with `rtsm study load FILE`")
    return Protocol.model_validate_json(found)


def subject_arm(database: Database, study_id: str, subject_id: str) -> str:
    """The arm of a randomized subject: UNBLINDING. For simulation and exports, never for a page or an answer to a site.

    Raises NotFound when the subject is not known or has none.
    """
    query = select(subject.c.arm).where(subject.c.study_id == study_id, subject.c.subject_id == subject_id)
    with database.read() as connection:
        arm = connection.execute(query).scalar()
    if arm is None:
        raise NotFound(
            f"subject {subject_id!r} has no arm", field="subject_id", fix="randomize the subject first"
        )
    return str(arm)


def entries_backwards(
    database: Database, study_id: str, commands: Sequence[str], before: datetime | None = None
) -> Iterator[SealedEntry]:
    """The sealed entries of these commands that were recorded before a moment (UTC; None: all), the last one first."""
    query = _SEALED.where(ledger_seal.c.study_id == study_id, ledger_entry.c.command.in_(commands))
    if before is not None:
        query = query.where(ledger_entry.c.recorded_at < before)
    position: int | None = None
    while True:
        further = query if position is None else query.where(ledger_seal.c.position < position)
        ordered = further.order_by(ledger_seal.c.position.desc()).limit(FEW)
        with database.read() as connection:
            rows = connection.execute(ordered).mappings().all()
        yield from (_as_entry(dict(row)) for row in rows)
        if len(rows) < FEW:
            return
        position = rows[-1]["position"]


def last_entry(
    database: Database, study_id: str, command: str, site_id: str | None, up_to: date | None = None
) -> SealedEntry | None:
    """The last sealed entry of a command at a site, or of no site, up to the end of the day `up_to` (UTC); None when there is none."""
    query = _SEALED.where(
        ledger_seal.c.study_id == study_id,
        ledger_entry.c.command == command,
        ledger_entry.c.site_id == site_id,
    )
    if up_to is not None:
        end = datetime.combine(up_to + timedelta(days=1), time(), UTC)
        query = query.where(ledger_entry.c.recorded_at < end)
    with database.read() as connection:
        row = connection.execute(query.order_by(ledger_seal.c.position.desc()).limit(1)).mappings().first()
    return None if row is None else _as_entry(dict(row))

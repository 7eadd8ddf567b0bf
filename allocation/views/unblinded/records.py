"""The protocol document and the ledger themselves: they hold arms and block sizes."""

from __future__ import annotations

import json

from sqlalchemy import select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.entry import moment_text
from allocation.ledger.reader import last_position, sealed_entries
from allocation.ledger.schema import study_version
from allocation.views.unblinded.models import LedgerEntryView, LedgerPage, ProtocolDocument

LONGEST_PAGE = 1000


def protocol_document(
    database: Database, actor: Actor, study_id: str, version: int | None = None
) -> ProtocolDocument:
    """A protocol version, the latest loaded one by default. Raises NotPermitted, NotFound."""
    authorize(actor, "view.protocol", study_id)
    query = select(study_version).where(study_version.c.study_id == study_id)
    if version is not None:
        query = query.where(study_version.c.version == version)
    with database.read() as connection:
        row = connection.execute(query.order_by(study_version.c.version.desc()).limit(1)).first()
    if row is None:
        what = "" if version is None else f" version {version}"
        raise NotFound(
            f"study {study_id!r}{what} is not loaded", field="version", fix="ask for a loaded version"
        )
    return ProtocolDocument(
        study_id=study_id, version=row.version, sha256=row.sha256, protocol=json.loads(row.protocol_json)
    )


def ledger_page(
    database: Database, actor: Actor, study_id: str, *, after: int = 0, limit: int = 200
) -> LedgerPage:
    """Up to `limit` sealed entries (at most 1,000) behind position `after`. Raises NotPermitted."""
    authorize(actor, "ledger.read", study_id)
    size = min(limit, LONGEST_PAGE)
    entries = sealed_entries(database, study_id, after, after + size)
    return LedgerPage(
        study_id=study_id,
        last_position=entries[-1].position if entries else min(after, last_position(database, study_id)),
        entries=tuple(
            LedgerEntryView(
                position=entry.position,
                recorded_at=moment_text(entry.recorded_at),
                actor=entry.actor,
                role=entry.role,
                command=entry.command,
                subject_id=entry.subject_id,
                site_id=entry.site_id,
                kit_numbers=entry.kit_numbers,
                before=entry.before,
                after=entry.after,
                reason=entry.reason,
                signature=entry.signature,
                config_version=entry.config_version,
                content_hash=entry.content_hash,
                chain_hash=entry.chain_hash,
            )
            for entry in entries
        ),
    )

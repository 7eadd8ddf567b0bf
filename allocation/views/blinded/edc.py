"""The exchange with the EDC: what came, what goes out, what contradicts, and what is missing for a subject."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, case, func, select

from allocation.access.actors import Actor
from allocation.edc.known import gate, keys_of, known_facts
from allocation.edc.schema import edc_outbox, edc_transfer
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import edc_contradiction, subject
from allocation.views.blinded.edc_models import (
    EdcContradiction,
    EdcDelivery,
    EdcLog,
    EdcReadiness,
    EdcTransfer,
)
from allocation.views.study_at import study_at
from allocation.views.visible import Visible, visible

PAGE: Final = 50
LONGEST_PAGE: Final = 1000
STATES: Final = ("waiting", "sent", "dead")


def edc_log(
    database: Database, actor: Actor, study_id: str, *, limit: int = PAGE, now: datetime | None = None
) -> EdcLog:
    """The last transfers and messages, dead ones before others, and every contradiction that stands, of the sites that may be seen.

    Raises NotPermitted, NotFound.
    """
    with database.read() as connection:
        seen = visible(connection, actor, "view.edc", study_id)
        at = study_at(connection, study_id, now)
        counts = _counts(connection, study_id, seen)
        return EdcLog(
            mode=at.protocol.edc.mode,
            transfers=_transfers(connection, study_id, limit),
            deliveries=_deliveries(connection, study_id, seen, limit),
            contradictions=_contradictions(connection, study_id, seen),
            **{state: counts.get(state, 0) for state in STATES},
        )


def edc_readiness(
    database: Database, actor: Actor, study_id: str, subject_id: str, *, now: datetime | None = None
) -> EdcReadiness:
    """What the gate would answer if the subject were randomized now. Raises NotPermitted, NotFound."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.edc", study_id)
        at = study_at(connection, study_id, now)
        here = connection.execute(
            select(subject.c.site_id).where(
                subject.c.study_id == study_id,
                subject.c.subject_id == subject_id,
                seen.at_site(subject.c.site_id),
            )
        ).first()
        if here is None:
            raise NotFound(
                f"subject {subject_id!r} is not known in study {study_id}, or not to you",
                field="subject_id",
                fix="ask for a subject of your own sites",
            )
        edc = at.protocol.edc
        facts = known_facts(connection, study_id, keys_of(connection, study_id, edc, subject_id))
        decision = gate(at.protocol, facts, None)
        asked = edc.mode == "unified"
        return EdcReadiness(
            subject_id=subject_id,
            asked=asked,
            ready=decision.is_open or not asked,
            missing=decision.missing if asked else (),
        )


def _transfers(connection: Connection, study_id: str, limit: int) -> tuple[EdcTransfer, ...]:
    columns = edc_transfer.c
    rows = connection.execute(
        select(edc_transfer)
        .where(columns.study_id == study_id)
        .order_by(columns.transfer_id.desc())
        .limit(limit)
    )
    return tuple(
        EdcTransfer(
            transfer_id=row.transfer_id,
            came_at=row.came_at,
            sender=row.sender,
            outcome=row.outcome,
            message_id=row.message_id,
            subjects=row.subjects,
            facts=row.facts,
            superseded=row.superseded,
            repeated=row.repeated,
            unmapped=tuple(json.loads(row.unmapped_json)),
            code=row.code,
            detail=row.detail,
        )
        for row in rows
    )


def _deliveries(connection: Connection, study_id: str, seen: Visible, limit: int) -> tuple[EdcDelivery, ...]:
    columns = edc_outbox.c
    names = tuple(EdcDelivery.model_fields)
    rows = connection.execute(
        select(*(columns[name] for name in names))
        .where(columns.study_id == study_id, seen.at_site(columns.site_id))
        .order_by(case((columns.state == "dead", 0), else_=1), columns.entry_id.desc())
        .limit(limit)
    )
    return tuple(EdcDelivery(**_named(row, names)) for row in rows)


def _contradictions(connection: Connection, study_id: str, seen: Visible) -> tuple[EdcContradiction, ...]:
    columns = edc_contradiction.c
    names = tuple(EdcContradiction.model_fields)
    rows = connection.execute(
        select(*(columns[name] for name in names))
        .where(columns.study_id == study_id, seen.at_site(columns.site_id))
        .order_by(columns.subject_id, columns.about)
    )
    return tuple(EdcContradiction(**_named(row, names)) for row in rows)


def _counts(connection: Connection, study_id: str, seen: Visible) -> dict[str, int]:
    columns = edc_outbox.c
    rows = connection.execute(
        select(columns.state, func.count())
        .where(columns.study_id == study_id, seen.at_site(columns.site_id))
        .group_by(columns.state)
    )
    return {state: int(count) for state, count in rows}


def _named(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}

"""When a study's resupply runs are scheduled, by its loaded protocol versions, and for which moment the last one was made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from allocation.ledger.schema import resupply_run, study_version
from allocation.ledger.versions import Protocols, protocol_of
from allocation.rules.run_schedule import Cadence


def cadences_of(connection: Connection, study_id: str, known: Protocols) -> list[Cadence]:
    """The run days of every loaded version, in the order of the versions."""
    versions = connection.execute(
        select(study_version.c.version, study_version.c.effective_at)
        .where(study_version.c.study_id == study_id)
        .order_by(study_version.c.version)
    ).all()
    supplies = [protocol_of(connection, study_id, row.version, known).supply for row in versions]
    return [
        Cadence(row.effective_at, supply.run_weekdays, supply.run_hour_utc)
        for row, supply in zip(versions, supplies, strict=True)
    ]


def last_scheduled(connection: Connection, study_id: str) -> datetime | None:
    """The latest moment (UTC) of the schedule that a run was made for."""
    query = select(func.max(resupply_run.c.scheduled_for)).where(resupply_run.c.study_id == study_id)
    found: datetime | None = connection.execute(query).scalar()
    return found

"""Folds of pauses of automatic orders."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert

from allocation.ledger.projections.fold import Fold, expect_rows, moment
from allocation.ledger.schema import resupply_pause


def pause_resupply(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Automatic orders stop for a site, a kit type, both, or the study."""
    row = {
        "study_id": study_id,
        "site_id": after["site_id"] or "",
        "kit_type": after["kit_type"] or "",
        "paused_at": moment(after["paused_at"]),
        "paused_by": after["by"],
        "reason": after["reason"],
    }
    connection.execute(insert(resupply_pause), row)


def resume_resupply(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A pause is lifted."""
    table = resupply_pause.c
    statement = delete(resupply_pause).where(
        table.study_id == study_id,
        table.site_id == (after["site_id"] or ""),
        table.kit_type == (after["kit_type"] or ""),
    )
    expect_rows(connection.execute(statement), 1, "pause of resupply")


FOLDS: dict[str, Fold] = {"pause_resupply": pause_resupply, "resume_resupply": resume_resupply}

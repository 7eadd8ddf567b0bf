"""What every effect of the EDC's word needs: the subject as it stands, an entry that follows, and what a contradiction is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from allocation.commands.transaction import Transaction
from allocation.ledger.schema import site, subject

Contradictions = dict[str, tuple[str, str, str]]
"""What it is about -> kind, what stands here, what the EDC says."""


def subject_now(transaction: Transaction, subject_id: str) -> Any:
    """The subject's row, with its site's time zone; it must be locked, or new."""
    query = (
        select(subject, site.c.timezone)
        .join_from(
            subject, site, (site.c.study_id == subject.c.study_id) & (site.c.site_id == subject.c.site_id)
        )
        .where(subject.c.study_id == transaction.study_id, subject.c.subject_id == subject_id)
    )
    return transaction.connection.execute(query).one()


def append_following(
    transaction: Transaction, row: Any, command: str, after: dict[str, Any], before: dict[str, Any]
) -> None:
    """Append the entry of a command that follows from what the EDC said, without having been asked for."""
    transaction.append(
        after,
        before=before,
        answer={"subject_id": row.subject_id},
        subject_id=row.subject_id,
        site_id=row.site_id,
        follows=command,
    )


def day_at(moment: datetime, timezone: str) -> date:
    """The date of a moment in an IANA time zone."""
    return moment.astimezone(ZoneInfo(timezone)).date()

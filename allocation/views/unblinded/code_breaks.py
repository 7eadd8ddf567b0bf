"""Code breaks with the treatment that was shown and the reason that was written: for those who may learn arms anyway."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import code_break, ledger_entry, subject
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import visible


class UnblindedCodeBreak(View):
    """A code break. `arm` is the subject's present one; `reason` what the person wrote. `broken_at` is UTC, `broken_on` of the site."""

    subject_id: str
    site_id: str
    person: str
    role: str
    kind: str
    category: str
    reason: str
    arm: str
    broken_at: datetime
    broken_on: date


class UnblindedCodeBreaks(View):
    """The code breaks of the sites that the reader may see unblinded, the latest first."""

    study_id: str
    breaks: tuple[UnblindedCodeBreak, ...]


def list_unblinded_code_breaks(database: Database, actor: Actor, study_id: str) -> UnblindedCodeBreaks:
    """Who was unblinded for whom and what they learned. Raises NotPermitted, NotFound."""
    entry = ledger_entry.c
    with database.read() as connection:
        seen = visible(connection, actor, "view.subjects.unblinded", study_id)
        study_at(connection, study_id)
        rows = connection.execute(
            select(
                *(
                    code_break.c[name]
                    for name in UnblindedCodeBreak.model_fields
                    if name not in ("reason", "arm")
                ),
                subject.c.arm,
                entry.reason,
            )
            .join_from(
                code_break,
                subject,
                (subject.c.study_id == code_break.c.study_id)
                & (subject.c.subject_id == code_break.c.subject_id),
            )
            .join(
                ledger_entry,
                (entry.study_id == code_break.c.study_id)
                & (entry.subject_id == code_break.c.subject_id)
                & (entry.actor == code_break.c.person)
                & (entry.command == "break_code"),
            )
            .where(code_break.c.study_id == study_id, seen.at_site(code_break.c.site_id))
            .order_by(code_break.c.broken_at.desc(), code_break.c.subject_id, code_break.c.person)
        )
        breaks = tuple(UnblindedCodeBreak(**row._mapping) for row in rows)
    return UnblindedCodeBreaks(study_id=study_id, breaks=breaks)

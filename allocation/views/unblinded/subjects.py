"""Subjects with their arms, for those who may learn them."""

from __future__ import annotations

import json

from sqlalchemy import and_, func, select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import list_entry, subject
from allocation.views.study_at import study_at
from allocation.views.unblinded.models import UnblindedSubject, UnblindedSubjectList
from allocation.views.visible import require_known_site, visible

PAGE = 200
LONGEST_PAGE = 1000


def list_unblinded_subjects(
    database: Database,
    actor: Actor,
    study_id: str,
    *,
    site_id: str | None = None,
    offset: int = 0,
    limit: int = PAGE,
) -> UnblindedSubjectList:
    """The subjects that the actor may see unblinded, with the list entry each took, by subject id. Raises NotPermitted."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.subjects.unblinded", study_id)
        condition = [subject.c.study_id == study_id, seen.at_site(subject.c.site_id)]
        if site_id is not None:
            seen.require_site(actor, site_id)
            require_known_site(connection, study_at(connection, study_id), site_id)
            condition.append(subject.c.site_id == site_id)
        total = connection.execute(select(func.count()).select_from(subject).where(*condition)).scalar_one()
        columns = [
            list_entry.c[name] if name in ("list_id", "holder", "sequence", "block") else subject.c[name]
            for name in UnblindedSubject.model_fields
            if name != "true_factors"
        ]
        columns.append(subject.c.true_factors_json)
        rows = connection.execute(
            select(*columns)
            .join_from(
                subject,
                list_entry,
                and_(
                    list_entry.c.study_id == subject.c.study_id,
                    list_entry.c.subject_id == subject.c.subject_id,
                    list_entry.c.randomization_number == subject.c.randomization_number,
                ),
                isouter=True,
            )
            .where(*condition)
            .order_by(subject.c.subject_id)
            .offset(offset)
            .limit(min(limit, LONGEST_PAGE))
        ).mappings()
        found = tuple(
            UnblindedSubject(
                true_factors=json.loads(row["true_factors_json"] or "{}"),
                **{name: value for name, value in row.items() if name != "true_factors_json"},
            )
            for row in rows
        )
        return UnblindedSubjectList(study_id=study_id, total=total, subjects=found)

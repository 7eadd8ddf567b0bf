"""The cohorts of a study in blinded words: which take subjects now, and how far they are filled. No arm, no dose."""

from __future__ import annotations

from sqlalchemy import func, select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import IN_SCREENING, cohort, subject
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import visible


class CohortState(View):
    """A cohort. `takes_subjects`: it is open, and `waits_for` no other that is open. Counts are of the sites that the reader sees.

    `cap`: how many are randomized before it closes by itself, None without a limit of its own.
    """

    cohort: str
    name: str
    open: bool
    waits_for: str | None
    takes_subjects: bool
    cap: int | None
    screened: int
    in_screening: int
    randomized: int


class CohortList(View):
    """The cohorts in the order of the protocol."""

    study_id: str
    cohorts: tuple[CohortState, ...]


def list_cohorts(database: Database, actor: Actor, study_id: str) -> CohortList:
    """Every cohort with its state and counts. Raises NotPermitted, NotFound."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.subjects.blinded", study_id)
        planned = study_at(connection, study_id).protocol.cohorts
        rows = connection.execute(select(cohort.c.cohort, cohort.c.open).where(cohort.c.study_id == study_id))
        changed = {row.cohort: bool(row.open) for row in rows}
        counted = {
            row.cohort: row
            for row in connection.execute(
                select(
                    subject.c.cohort,
                    func.count().label("screened"),
                    func.count(subject.c.randomized_on).label("randomized"),
                    func.count().filter(subject.c.status.in_(IN_SCREENING)).label("in_screening"),
                )
                .where(subject.c.study_id == study_id, seen.at_site(subject.c.site_id))
                .group_by(subject.c.cohort)
            )
        }
    is_open = {one.code: changed.get(one.code, one.open) for one in planned}
    states = []
    for one in planned:
        waits_for = one.after if one.after is not None and is_open[one.after] else None
        row = counted.get(one.code)
        states.append(
            CohortState(
                cohort=one.code,
                name=one.name,
                open=is_open[one.code],
                waits_for=waits_for,
                takes_subjects=is_open[one.code] and waits_for is None,
                cap=one.cap,
                screened=0 if row is None else row.screened,
                in_screening=0 if row is None else row.in_screening,
                randomized=0 if row is None else row.randomized,
            )
        )
    return CohortList(study_id=study_id, cohorts=tuple(states))

"""Reading how far subjects have come, as the plain values that the schedule and the rules take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from allocation.ledger.schema import subject, subject_visit
from allocation.study.subject_schedule import SubjectPath

_VISITS = (
    select(subject_visit)
    .where(subject_visit.c.study_id == bindparam("study"), subject_visit.c.subject_id == bindparam("who"))
    .order_by(subject_visit.c.visit_date)
)


def visits_of(connection: Connection, study_id: str, subject_id: str) -> list[Row[Any]]:
    """The visits of one subject that are done or missed, by date."""
    return list(connection.execute(_VISITS, {"study": study_id, "who": subject_id}))


def path_of(row: Any, visits: Iterable[Any]) -> SubjectPath:
    """The path of the subject in `row` (columns of `subject`), given its rows of `subject_visit`."""
    done: dict[str, date] = {}
    missed = set()
    for visit in visits:
        if visit.visit_code is None:
            continue
        if visit.status == "missed":
            missed.add(visit.visit_code)
        else:
            done[visit.visit_code] = visit.visit_date
    return SubjectPath(
        subject_id=row.subject_id,
        screened_on=row.screened_on,
        randomized_on=row.randomized_on,
        first_dose_on=row.first_dose_on,
        arm=row.arm,
        dose_level=row.dose_level,
        cohort=row.cohort,
        stratum=row.stratum,
        done=done,
        missed=frozenset(missed),
    )


def paths_at_site(connection: Connection, study_id: str, site_id: str, status: str) -> list[SubjectPath]:
    """The paths of the subjects of a site that are in `status`, in order of their ids."""
    here = (subject.c.study_id == study_id, subject.c.site_id == site_id, subject.c.status == status)
    subjects = connection.execute(select(subject).where(*here).order_by(subject.c.subject_id)).all()
    rows = connection.execute(
        select(subject_visit)
        .join_from(
            subject_visit,
            subject,
            (subject.c.study_id == subject_visit.c.study_id)
            & (subject.c.subject_id == subject_visit.c.subject_id),
        )
        .where(*here)
    )
    visits: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        visits[row.subject_id].append(row)
    return [path_of(row, visits[row.subject_id]) for row in subjects]

"""Reading how far subjects have come, as the plain values that the schedule and the rules take."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, select

from allocation.ledger.hot_statement import HotStatement
from allocation.ledger.schema import subject, subject_measurement, subject_visit
from allocation.rules.measures import Measure, Measurement, Measures
from allocation.study.subject_schedule import SubjectPath

_VISITS = HotStatement(
    select(
        subject_visit.c.visit_code,
        subject_visit.c.visit_number,
        subject_visit.c.status,
        subject_visit.c.visit_date,
        subject_visit.c.dispensed,
        subject_visit.c.confirmation,
    )
    .where(subject_visit.c.study_id == bindparam("study"), subject_visit.c.subject_id == bindparam("who"))
    .order_by(subject_visit.c.visit_date)
)

_HERE = (
    subject.c.study_id == bindparam("study"),
    subject.c.site_id.in_(bindparam("sites", expanding=True)),
    subject.c.status == bindparam("status"),
)
_SUBJECTS_AT_SITES = select(subject).where(*_HERE).order_by(subject.c.site_id, subject.c.subject_id)
_VISITS_AT_SITES = (
    select(
        subject_visit.c.subject_id,
        subject_visit.c.visit_code,
        subject_visit.c.status,
        subject_visit.c.visit_date,
        subject_visit.c.dispensed,
    )
    .join_from(
        subject,
        subject_visit,
        (subject.c.study_id == subject_visit.c.study_id)
        & (subject.c.subject_id == subject_visit.c.subject_id),
    )
    .where(*_HERE)
)

_MEASURED_AT_SITES = (
    select(
        subject_measurement.c.subject_id,
        subject_measurement.c.measure,
        subject_measurement.c.measured_on,
        subject_measurement.c.value,
    )
    .join_from(
        subject,
        subject_measurement,
        (subject.c.study_id == subject_measurement.c.study_id)
        & (subject.c.subject_id == subject_measurement.c.subject_id),
    )
    .where(*_HERE)
)


def visits_of(connection: Connection, study_id: str, subject_id: str) -> list[Any]:
    """The visits of one subject that are done or missed, by date: code, number, status, date, whether kits were given, and confirmation."""
    return _VISITS.rows(connection, {"study": study_id, "who": subject_id})


def path_of(row: Any, visits: Iterable[Any], measures: Measures | None = None) -> SubjectPath:
    """The path of the subject in `row` (columns of `subject`), given its rows of `subject_visit`, and its measures if needed."""
    done: dict[str, date] = {}
    missed = set()
    dispensed = set()
    for visit in visits:
        if visit.visit_code is None:
            continue
        if visit.status == "missed":
            missed.add(visit.visit_code)
        else:
            done[visit.visit_code] = visit.visit_date
        if visit.dispensed:
            dispensed.add(visit.visit_code)
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
        dispensed=frozenset(dispensed),
        randomizations=_dates(row.randomizations_json),
        on_hold=row.dose_held_on is not None,
        measures=measures,
    )


@lru_cache(maxsize=4096)
def _dates(text: str | None) -> Mapping[str, date]:
    found = {} if text is None else json.loads(text)
    return {event: date.fromisoformat(day) for event, day in found.items()}


def paths_at_sites(
    connection: Connection,
    study_id: str,
    sites: Sequence[str],
    status: str,
    planning: Callable[[int | None, Sequence[Measurement]], Measures] | None = None,
) -> dict[str, list[SubjectPath]]:
    """Site -> the paths of its subjects in `status`, in order of their ids; a site without any has an empty list.

    `planning`: what to plan a subject's doses by, of its age and measurements; None where the protocol does not go by any measure.
    """
    keys = {"study": study_id, "sites": list(sites), "status": status}
    visits: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(_VISITS_AT_SITES, keys):
        visits[row.subject_id].append(row)
    taken: dict[str, list[Measurement]] = defaultdict(list)
    for one in connection.execute(_MEASURED_AT_SITES, keys) if planning is not None else ():
        taken[one.subject_id].append(Measurement(Measure(one.measure), Decimal(one.value), one.measured_on))
    paths: dict[str, list[SubjectPath]] = {site_id: [] for site_id in sites}
    for row in connection.execute(_SUBJECTS_AT_SITES, keys):
        measures = None if planning is None else planning(row.age, taken[row.subject_id])
        paths[row.site_id].append(path_of(row, visits[row.subject_id], measures))
    return paths

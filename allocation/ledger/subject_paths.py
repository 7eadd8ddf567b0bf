"""Reading how far subjects have come, as the plain values that the schedule and the rules take."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, select

from allocation.ledger.hot_statement import HotStatement
from allocation.ledger.schema import site, subject, subject_measurement, subject_visit
from allocation.ledger.versions import (
    moves_from_visits,
    moving_version_in_country,
    version_in_country,
)
from allocation.rules.amendments import VersionsByVisit, version_at, versions_by_visit
from allocation.rules.measures import Measure, Measurement
from allocation.study.measure_points import goes_by_measures, planned_measures
from allocation.study.protocol import Protocol
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
_SUBJECTS_AT_SITES = (
    select(
        subject,
        site.c.country.label("site_country"),
        version_in_country(site.c.country),
        moving_version_in_country(site.c.country),
    )
    .join_from(subject, site, (site.c.study_id == subject.c.study_id) & (site.c.site_id == subject.c.site_id))
    .where(*_HERE)
    .order_by(subject.c.site_id, subject.c.subject_id)
)
_VISITS_AT_SITES = (
    select(
        subject_visit.c.subject_id,
        subject_visit.c.visit_code,
        subject_visit.c.visit_number,
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

_AGES_AT_SITES = select(subject.c.subject_id, subject.c.age).where(*_HERE)
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


def latest_number(visits: Iterable[Any], come_to: Decimal | None = None) -> Decimal | None:
    """The highest number of a planned visit that took place, or of the visit that the subject has come to; None without any."""
    numbers = [
        Decimal(visit.visit_number)
        for visit in visits
        if visit.visit_code is not None and visit.status == "done"
    ]
    return max(numbers if come_to is None else [*numbers, come_to], default=None)


def path_of(row: Any, visits: Sequence[Any], versions: VersionsByVisit = ()) -> SubjectPath:
    """The path of the subject in `row` (columns of `subject`), given its rows of `subject_visit`, and its versions if known."""
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
        version=version_at(versions, latest_number(visits)) if versions else None,
        versions=versions,
    )


@lru_cache(maxsize=4096)
def _dates(text: str | None) -> Mapping[str, date]:
    found = {} if text is None else json.loads(text)
    return {event: date.fromisoformat(day) for event, day in found.items()}


def paths_at_sites(
    connection: Connection, study_id: str, sites: Sequence[str], status: str, now: datetime
) -> dict[str, list[SubjectPath]]:
    """Site -> the paths of its subjects in `status`, in order of their ids; a site without any has an empty list.

    Each names the versions that it follows at `now` (UTC); none where no version is in force in its country.
    """
    keys = {"study": study_id, "sites": list(sites), "status": status, "now": now}
    visits: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(_VISITS_AT_SITES, keys):
        visits[row.subject_id].append(row)
    moves = moves_from_visits(connection, study_id, now)
    paths: dict[str, list[SubjectPath]] = {site_id: [] for site_id in sites}
    for row in connection.execute(_SUBJECTS_AT_SITES, keys):
        versions: VersionsByVisit = ()
        if row.version is not None:
            by_visit = moves.get(row.site_country, ())
            versions = versions_by_visit(row.version, row.protocol_version, row.moves_to, by_visit)
        paths[row.site_id].append(path_of(row, visits[row.subject_id], versions))
    return paths


@dataclass(frozen=True, slots=True)
class MeasuredSubjects:
    """Subject -> its age, and subject -> what was measured of it; both empty where no protocol asks for them."""

    ages: Mapping[str, int | None]
    taken: Mapping[str, Sequence[Measurement]]

    def planned(self, path: SubjectPath, protocol: Protocol) -> SubjectPath:
        """The path with the measures that `protocol` plans the subject's doses by; without any where it goes by none."""
        if not goes_by_measures(protocol):
            return replace(path, measures=None)
        who = path.subject_id
        return replace(path, measures=planned_measures(protocol, self.ages.get(who), self.taken.get(who, ())))


def measured_at_sites(
    connection: Connection, study_id: str, sites: Sequence[str], status: str, protocols: Iterable[Protocol]
) -> MeasuredSubjects:
    """What is known of the subjects in `status` at the sites that doses go by; read only if one of `protocols` goes by it."""
    if not any(goes_by_measures(protocol) for protocol in protocols):
        return MeasuredSubjects({}, {})
    keys = {"study": study_id, "sites": list(sites), "status": status}
    taken: dict[str, list[Measurement]] = defaultdict(list)
    for one in connection.execute(_MEASURED_AT_SITES, keys):
        taken[one.subject_id].append(Measurement(Measure(one.measure), Decimal(one.value), one.measured_on))
    ages = {row.subject_id: row.age for row in connection.execute(_AGES_AT_SITES, keys)}
    return MeasuredSubjects(ages, taken)

"""The visits of a subject: those on record, and those to come by the schedule, which does not depend on the arm."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, select

from allocation.ledger.schema import subject, subject_visit
from allocation.ledger.versions import (
    moving_version_in_country,
    version_from_a_visit_in_country,
    version_in_country,
    versions_of_subject,
)
from allocation.study.followed_schedule import followed_schedule
from allocation.study.protocol import Protocol
from allocation.study.subject_schedule import SubjectPath, visits_ahead
from allocation.views.blinded.subject_models import ExpectedVisit, RecordedVisit
from allocation.views.study_at import StudyAt, protocol_of_version

SCHEDULED_BY: Final[tuple[ColumnElement[Any], ...]] = (
    subject.c.first_dose_on,
    subject.c.randomizations_json,
)
"""What the schedule goes by, beside the columns of a subject's row."""

FOLLOWS: Final[tuple[ColumnElement[Any], ...]] = (
    subject.c.protocol_version,
    version_in_country(subject.c.country),
    moving_version_in_country(subject.c.country),
    version_from_a_visit_in_country(subject.c.country),
)
"""What says which protocol versions the subject follows, in a query with the study as `study` and the moment as `now`."""


def followed_protocol(connection: Connection, at: StudyAt, row: Any) -> Protocol:
    """The protocol with the schedule of the subject in `row`: its country's, or that of earlier versions by the amendment rule."""
    if row["version"] is None:
        return at.protocol
    versions = versions_of_subject(
        connection,
        at.study_id,
        at.moment,
        row["country"],
        row["version"],
        row["protocol_version"],
        row["moves_to"],
        row["moves_from"],
    )
    protocols = {version: protocol_of_version(connection, at.study_id, version) for _, version in versions}
    return followed_schedule(versions, protocols, versions[-1][1])


def recorded_visits(connection: Connection, study_id: str, subject_id: str) -> tuple[RecordedVisit, ...]:
    """The visits on record, by date and number."""
    columns = [subject_visit.c[name] for name in RecordedVisit.model_fields]
    rows = connection.execute(
        select(*columns).where(subject_visit.c.study_id == study_id, subject_visit.c.subject_id == subject_id)
    ).mappings()
    found = [RecordedVisit.model_validate(dict(row)) for row in rows]
    return tuple(sorted(found, key=lambda visit: (visit.visit_date or date.max, float(visit.visit_number))))


def expected_visits(
    protocol: Protocol, row: Any, visits: tuple[RecordedVisit, ...]
) -> tuple[ExpectedVisit, ...]:
    """The visits to come of a subject who has not ended; none of one who has. `row` has the subject's columns by name."""
    if row["ended_on"] is not None:
        return ()
    events = json.loads(row["randomizations_json"] or "{}")
    path = SubjectPath(
        subject_id=row["subject_id"],
        screened_on=row["screened_on"],
        randomized_on=row["randomized_on"],
        first_dose_on=row["first_dose_on"],
        cohort=row["cohort"],
        stratum=row["stratum"],
        done={
            visit.visit_code: visit.visit_date
            for visit in visits
            if visit.visit_code is not None and visit.visit_date is not None and visit.status == "done"
        },
        missed=frozenset(
            visit.visit_code for visit in visits if visit.visit_code and visit.status == "missed"
        ),
        randomizations={event: date.fromisoformat(day) for event, day in events.items()},
    )
    ahead = visits_ahead(protocol, path)
    return tuple(
        ExpectedVisit(
            visit_code=visit.code,
            name=visit.name,
            earliest=window.opens,
            target=window.target,
            latest=window.closes,
            window=visit.window,
            dispensing=visit.dispensing,
            # The first to come has all that it is anchored to behind it; a later one follows a visit that is still to come.
            estimated=visit.anchor == "previous_visit" and place > 0,
        )
        for place, (visit, window) in enumerate(ahead)
    )

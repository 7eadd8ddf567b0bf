"""Subjects in blinded words: where they stand, their visits, and the kits that they were given, by number."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Text, case, func, literal, null, select

from allocation.access.actors import Actor
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import kit, ledger_entry, subject, subject_visit
from allocation.study.protocol import Protocol
from allocation.study.subject_schedule import SubjectPath, visits_ahead
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.subject_models import (
    DispensedKit,
    ExpectedVisit,
    RecordedVisit,
    SubjectDetail,
    SubjectList,
    SubjectRow,
)
from allocation.views.study_at import study_at
from allocation.views.visible import visible

SubjectStatus = Literal["screening", "eligible", "screen_failed", "randomized", "discontinued", "completed"]
PAGE: Final = 200
LONGEST_PAGE: Final = 1000


def dose_labels_are_blind(protocol: Protocol) -> bool:
    """Whether a subject's dose label says nothing of the arm: every arm starts alike and is moved by the same rules.

    The investigator's titration moves the level in every arm; a scheduled one does only in its own arms.
    """
    starts = {arm.start_dose_level for arm in protocol.arms}
    arms = {arm.code for arm in protocol.arms}
    return len(starts) == 1 and all(
        titration.kind == "investigator" or set(titration.arms) == arms for titration in protocol.titration
    )


def _dose_label(protocol: Protocol) -> ColumnElement[Any]:
    """The blinded label of the subject's dose level as a column, or nothing where labels could tell arms apart."""
    if not protocol.dose_levels or not dose_labels_are_blind(protocol):
        return null().label("dose_label")
    whens = [
        (subject.c.dose_level == level.code, literal(level.label, Text)) for level in protocol.dose_levels
    ]
    return case(*whens, else_=null()).label("dose_label")


def _row_columns(protocol: Protocol) -> tuple[ColumnElement[Any], ...]:
    return (
        subject.c.subject_id,
        subject.c.site_id,
        subject.c.country,
        subject.c.status,
        subject.c.screened_on,
        subject.c.randomized_on,
        subject.c.randomization_number,
        subject.c.cohort,
        subject.c.stratum,
        _dose_label(protocol),
        subject.c.last_dispensed_on,
        subject.c.ended_on,
        subject.c.end_reason,
    )


def list_subjects(
    database: Database,
    actor: Actor,
    study_id: str,
    *,
    site_id: str | None = None,
    status: SubjectStatus | None = None,
    offset: int = 0,
    limit: int = PAGE,
) -> SubjectList:
    """The subjects that the actor may see, of one site and status if so asked, by subject id.

    Raises NotPermitted (also for a site that the actor may not see), NotFound.
    """
    with database.read() as connection:
        seen = visible(connection, actor, "view.subjects.blinded", study_id)
        at = study_at(connection, study_id)
        condition = [subject.c.study_id == study_id, seen.at_site(subject.c.site_id)]
        if site_id is not None:
            seen.require_site(actor, site_id)
            condition.append(subject.c.site_id == site_id)
        if status is not None:
            condition.append(subject.c.status == status)
        total = connection.execute(select(func.count()).select_from(subject).where(*condition)).scalar_one()
        rows = connection.execute(
            select(*_row_columns(at.protocol))
            .where(*condition)
            .order_by(subject.c.subject_id)
            .offset(offset)
            .limit(min(limit, LONGEST_PAGE))
        ).mappings()
        found = tuple(SubjectRow.model_validate(dict(row)) for row in rows)
        return SubjectList(study_id=study_id, total=total, subjects=found)


def subject_detail(database: Database, actor: Actor, study_id: str, subject_id: str) -> SubjectDetail:
    """A subject with visits and kits. Raises NotPermitted; NotFound also for a subject at a site that the actor may not see."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.subjects.blinded", study_id)
        at = study_at(connection, study_id)
        more = (
            subject.c.consented_on,
            subject.c.sex,
            subject.c.age,
            subject.c.eligible,
            subject.c.factors_json,
            subject.c.true_factors_json,
            subject.c.replaces,
            subject.c.replaced_by,
            subject.c.first_dose_on,
        )
        row = (
            connection.execute(
                select(*_row_columns(at.protocol), *more).where(
                    subject.c.study_id == study_id,
                    subject.c.subject_id == subject_id,
                    seen.at_site(subject.c.site_id),
                )
            )
            .mappings()
            .first()
        )
        if row is None:
            raise NotFound(
                f"subject {subject_id!r} is not known", field="subject_id", fix="list the subjects first"
            )
        visits = _visits(connection, study_id, subject_id)
        return SubjectDetail(
            study_id=study_id,
            subject=SubjectRow(**{name: row[name] for name in SubjectRow.model_fields}),
            consented_on=row["consented_on"],
            sex=row["sex"],
            age=row["age"],
            factors=json.loads(row["factors_json"]),
            true_factors=json.loads(row["true_factors_json"] or "{}"),
            replaces=row["replaces"],
            replaced_by=row["replaced_by"],
            eligible=row["eligible"],
            visits=visits,
            visits_ahead=_ahead(at.protocol, row, visits),
            kits=_kits(connection, at.protocol, study_id, subject_id),
        )


def _visits(connection: Connection, study_id: str, subject_id: str) -> tuple[RecordedVisit, ...]:
    columns = [subject_visit.c[name] for name in RecordedVisit.model_fields]
    rows = connection.execute(
        select(*columns).where(subject_visit.c.study_id == study_id, subject_visit.c.subject_id == subject_id)
    ).mappings()
    found = [RecordedVisit.model_validate(dict(row)) for row in rows]
    return tuple(sorted(found, key=lambda visit: (visit.visit_date or date.max, float(visit.visit_number))))


def _ahead(protocol: Protocol, row: Any, visits: tuple[RecordedVisit, ...]) -> tuple[ExpectedVisit, ...]:
    """The visits to come of a subject who has not ended; by the schedule, which does not depend on the arm."""
    if row["ended_on"] is not None:
        return ()
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
    )
    return tuple(
        ExpectedVisit(
            visit_code=visit.code,
            name=visit.name,
            earliest=window.opens,
            target=window.target,
            latest=window.closes,
            dispensing=visit.dispensing,
        )
        for visit, window in visits_ahead(protocol, path)
    )


def _kits(
    connection: Connection, protocol: Protocol, study_id: str, subject_id: str
) -> tuple[DispensedKit, ...]:
    # The ledger is indexed by subject and names the kits; the kits are then read by their key.
    handed_out = connection.execute(
        select(ledger_entry.c.kit_numbers).where(
            ledger_entry.c.study_id == study_id,
            ledger_entry.c.subject_id == subject_id,
            ledger_entry.c.command == "dispense",
        )
    ).scalars()
    numbers = [number for text in handed_out for number in json.loads(text)]
    rows = connection.execute(
        select(kit.c.kit_number, kit_group(protocol), kit.c.visit_number, kit.c.dispensed_on)
        .where(kit.c.study_id == study_id, kit.c.kit_number.in_(numbers))
        .order_by(kit.c.dispensed_on, kit.c.kit_number)
    ).mappings()
    return tuple(DispensedKit.model_validate(dict(row)) for row in rows)

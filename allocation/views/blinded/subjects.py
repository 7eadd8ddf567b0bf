"""Subjects in blinded words: where they stand, their visits, and the kits that they were given, by number."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Text, case, func, literal, null, select

from allocation.access.actors import Actor
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import kit, ledger_entry, site, subject, subject_measurement
from allocation.study.dose_paths import dose_labels_are_blind
from allocation.study.protocol import Protocol
from allocation.views.blinded.expected_visits import (
    FOLLOWS,
    SCHEDULED_BY,
    expected_visits,
    followed_protocol,
    recorded_visits,
)
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.kit_uses import earlier_uses
from allocation.views.blinded.lot_lines import by_lot
from allocation.views.blinded.subject_models import (
    DispensedKit,
    Measured,
    ProjectedVisits,
    SubjectDetail,
    SubjectList,
    SubjectRow,
)
from allocation.views.study_at import StudyAt, study_at
from allocation.views.visible import Visible, require_known_site, visible

SubjectStatus = Literal["screening", "eligible", "screen_failed", "randomized", "discontinued", "completed"]
PAGE: Final = 200
LONGEST_PAGE: Final = 1000


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
        subject.c.dose_held_on,
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
            require_known_site(connection, at, site_id)
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
        )
        row = _one(
            connection, seen, at, subject_id, (*_row_columns(at.protocol), *more, *SCHEDULED_BY, *FOLLOWS)
        )
        visits = recorded_visits(connection, study_id, subject_id)
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
            measurements=_measurements(connection, study_id, subject_id),
            visits=visits,
            visits_ahead=expected_visits(followed_protocol(connection, at, row), row, visits),
            kits=_kits(connection, at.protocol, study_id, subject_id),
        )


def projected_visits(
    database: Database, actor: Actor, study_id: str, subject_id: str, *, now: datetime
) -> ProjectedVisits:
    """The visits that a subject is expected at, `now` being the present moment. Raises as `subject_detail`."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.subjects.blinded", study_id)
        at = study_at(connection, study_id)
        row = _one(connection, seen, at, subject_id, (*_row_columns(at.protocol), *SCHEDULED_BY, *FOLLOWS))
        visits = recorded_visits(connection, study_id, subject_id)
        zone = connection.execute(
            select(site.c.timezone).where(site.c.study_id == study_id, site.c.site_id == row["site_id"])
        ).scalar_one()
        return ProjectedVisits(
            study_id=study_id,
            subject_id=subject_id,
            today=now.astimezone(ZoneInfo(zone)).date(),
            dose_held_on=row["dose_held_on"],
            visits=expected_visits(followed_protocol(connection, at, row), row, visits),
        )


def _one(
    connection: Connection,
    seen: Visible,
    at: StudyAt,
    subject_id: str,
    columns: tuple[ColumnElement[Any], ...],
) -> Any:
    row = (
        connection.execute(
            select(*columns).where(
                subject.c.study_id == at.study_id,
                subject.c.subject_id == subject_id,
                seen.at_site(subject.c.site_id),
            ),
            {"study": at.study_id, "now": at.moment},
        )
        .mappings()
        .first()
    )
    if row is None:
        raise NotFound(
            f"subject {subject_id!r} is not known", field="subject_id", fix="list the subjects first"
        )
    return row


def _measurements(connection: Connection, study_id: str, subject_id: str) -> tuple[Measured, ...]:
    taken = subject_measurement.c
    rows = connection.execute(
        select(taken.measure, taken.value, taken.measured_on)
        .where(taken.study_id == study_id, taken.subject_id == subject_id)
        .order_by(taken.measured_on, taken.measure)
    ).mappings()
    return tuple(Measured.model_validate(dict(row)) for row in rows)


def _kits(
    connection: Connection, protocol: Protocol, study_id: str, subject_id: str
) -> tuple[DispensedKit, ...]:
    # The ledger is indexed by subject and names the kits; the kits are then read by their key. One that was put back is nobody's.
    handed_out = connection.execute(
        select(ledger_entry.c.kit_numbers).where(
            ledger_entry.c.study_id == study_id,
            ledger_entry.c.subject_id == subject_id,
            ledger_entry.c.command.in_(("dispense", "replace_kit")),
        )
    ).scalars()
    numbers = {number for text in handed_out for number in json.loads(text)}
    rows = connection.execute(
        select(kit.c.kit_number, kit_group(protocol), kit.c.status, kit.c.visit_number, kit.c.dispensed_on)
        .where(
            kit.c.study_id == study_id, kit.c.kit_number.in_(sorted(numbers)), kit.c.subject_id == subject_id
        )
        .order_by(kit.c.dispensed_on.is_(None), kit.c.dispensed_on, kit.c.kit_number)
    ).mappings()
    had = earlier_uses(study_id, protocol, subject_id)
    found = (*connection.execute(had).mappings(), *rows)
    return by_lot(connection, study_id, (DispensedKit.model_validate(dict(row)) for row in found))

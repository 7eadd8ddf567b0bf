"""What a subject was given, brought back and used, kit by kit, and the compliance by visit, as blinded people may know it.

Units are told where all kits of a look hold the same, compliance where every arm and dose takes the same number a day
(`study/counted_units.py`); both would else tell the arm, and are null.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, select

from allocation.access.actors import Actor
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import kit_count, subject, subject_visit
from allocation.rules.accountability import (
    compliance_percent,
    days_of_use,
    unexplained_units,
    used_units,
)
from allocation.study.canonical import decimal_text
from allocation.study.counted_units import KitContent, content_by_look, units_per_day_by_look
from allocation.study.protocol import Protocol
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.kit_uses import kit_uses
from allocation.views.blinded.lot_lines import KitLine, by_lot
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import visible

COUNTED_UNITS: Final = ("dispensed_units", "returned_units", "lost_units", "used_units")
"""Fields of units, which a line of bulk supply has in all."""


class AccountedKit(KitLine):
    """A kit that was handed out. `use`: of a device that is used again, which time; else 1. Units are exact decimals.

    `used_units`: as stated, else what is neither back nor lost; `unexplained_units`: by how much a stated use does not add up.
    `corrections`: how often the count was corrected. Null: not counted yet, or not told.
    """

    use: int
    kit_group: str
    status: str
    visit_number: str
    dispensed_on: date
    dispensed_units: str | None
    returned_on: date | None
    came_back: bool | None
    returned_units: str | None
    lost_units: str | None
    used_units: str | None
    unexplained_units: str | None
    corrections: int
    asked_back_on: date | None


class VisitCompliance(View):
    """How much of what was due was taken of the kits of a visit, once all of them are counted (percent, one decimal)."""

    visit_number: str
    kit_group: str
    dispensed_on: date
    returned_on: date
    days: int
    used_units: str
    expected_units: str
    percent: str


class SubjectAccountability(View):
    """The kits of a subject, by the day they were handed out and number, and the compliance by visit."""

    study_id: str
    subject_id: str
    site_id: str
    kits: tuple[AccountedKit, ...]
    compliance: tuple[VisitCompliance, ...]


def subject_accountability(
    database: Database, actor: Actor, study_id: str, subject_id: str
) -> SubjectAccountability:
    """What a subject was given and what came of it. Raises NotPermitted, NotFound also for a subject that the reader may not see."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.subjects.blinded", study_id)
        at = study_at(connection, study_id)
        row = connection.execute(
            select(subject.c.subject_id, subject.c.site_id, subject.c.last_dose_on).where(
                subject.c.study_id == study_id,
                subject.c.subject_id == subject_id,
                seen.at_site(subject.c.site_id),
            )
        ).first()
        if row is None:
            raise NotFound(
                f"subject {subject_id!r} is not known", field="subject_id", fix="list the subjects first"
            )
        looks = _by_label(at.protocol)
        kits = tuple(accounted_kits(connection, study_id, at.protocol, subject_id=subject_id).values())
        return SubjectAccountability(
            study_id=study_id,
            subject_id=subject_id,
            site_id=row.site_id,
            kits=by_lot(connection, study_id, kits, (*COUNTED_UNITS, "unexplained_units")),
            compliance=_compliance(connection, study_id, at.protocol, looks, row, kits),
        )


def accounted_kits(
    connection: Connection, study_id: str, protocol: Protocol, **where: str
) -> dict[tuple[str, int], AccountedKit]:
    """The kits that were handed out, of one subject (`subject_id`) or site (`site_id`), by day and number; the keys: number and use."""
    looks = _by_label(protocol)
    given = kit_uses(study_id).c
    query = (
        select(
            given.kit_number,
            given.use,
            kit_group(protocol, given.kit_type),
            given.status,
            given.visit_number,
            given.dispensed_on,
            given.return_asked_on,
        )
        .join(subject, subject.c.subject_id == given.subject_id)
        .where(subject.c.study_id == study_id)
        .order_by(given.dispensed_on, given.kit_number, given.use)
    )
    counts = select(
        kit_count.c.kit_number,
        kit_count.c.use,
        kit_count.c.revision,
        kit_count.c.returned_on,
        kit_count.c.came_back,
        kit_count.c.returned_units,
        kit_count.c.lost_units,
        kit_count.c.used_units,
    ).where(kit_count.c.study_id == study_id)
    for name, value in where.items():
        query = query.where(subject.c[name] == value)
        counts = counts.where(kit_count.c[name] == value)
    counted = connection.execute(counts.order_by(kit_count.c.revision))
    latest = {(row.kit_number, row.use): row for row in counted}
    rows = connection.execute(query).all()
    keys = [(row.kit_number, row.use) for row in rows]
    return {key: _accounted(row, latest.get(key), looks) for key, row in zip(keys, rows, strict=True)}


def _by_label(protocol: Protocol) -> dict[str, KitContent]:
    """The label of a blinding group -> what its kits hold, as far as that is told."""
    labels = {group.code: group.label for group in protocol.blinding_groups}
    contents = content_by_look(protocol)
    return {
        labels.get(kind.blinding_group, kind.blinding_group): contents[kind.code]
        for kind in protocol.kit_types
    }


def _accounted(row: Any, count: Any, looks: Mapping[str, KitContent]) -> AccountedKit:
    content = looks.get(row.kit_group)
    held = None if content is None else content.units
    stated = None if count is None or count.used_units is None else Decimal(count.used_units)
    used, gap = stated, None
    if count is not None and held is not None:
        back, lost = Decimal(count.returned_units), Decimal(count.lost_units)
        gap = unexplained_units(held, back, lost, stated)
        used = used_units(held, back, lost) if stated is None else stated
    return AccountedKit(
        kit_number=row.kit_number,
        use=row.use,
        kit_group=row.kit_group,
        status=row.status,
        visit_number=row.visit_number,
        dispensed_on=row.dispensed_on,
        dispensed_units=_text(held),
        returned_on=None if count is None else count.returned_on,
        came_back=None if count is None else count.came_back,
        returned_units=None if count is None else count.returned_units,
        lost_units=None if count is None else count.lost_units,
        used_units=_text(used),
        unexplained_units=_text(gap),
        corrections=0 if count is None else count.revision,
        asked_back_on=row.return_asked_on,
    )


def _compliance(
    connection: Connection,
    study_id: str,
    protocol: Protocol,
    looks: Mapping[str, KitContent],
    who: Any,
    kits: tuple[AccountedKit, ...],
) -> tuple[VisitCompliance, ...]:
    visits = subject_visit.c
    codes = connection.execute(
        select(visits.visit_number, visits.visit_code).where(
            visits.study_id == study_id, visits.subject_id == who.subject_id
        )
    )
    code_of = {row.visit_number: row.visit_code for row in codes}
    label_of = {group.code: group.label for group in protocol.blinding_groups}
    by_visit: dict[tuple[str, str], list[AccountedKit]] = defaultdict(list)
    for one in kits:
        by_visit[one.visit_number, one.kit_group].append(one)
    found = []
    for (number, label), some in by_visit.items():
        daily = units_per_day_by_look(protocol, code_of.get(number))
        rate = next((value for group, value in daily.items() if label_of.get(group, group) == label), None)
        content = looks.get(label)
        if rate is None or content is None or content.units is None:
            continue
        counted = [one for one in some if one.returned_on is not None and one.used_units is not None]
        if len(counted) < len(some):
            continue
        first = min(one.dispensed_on for one in some)
        last = max(one.returned_on for one in counted if one.returned_on is not None)
        # Taken as it follows from the count: what a subject states of it beside that is a discrepancy, not a dose.
        used = sum(
            (
                used_units(content.units, Decimal(one.returned_units or 0), Decimal(one.lost_units or 0))
                for one in counted
            ),
            Decimal(0),
        )
        later = [one.dispensed_on for one in kits if one.kit_group == label and one.dispensed_on > first]
        days = days_of_use(first, last, min(later, default=None), who.last_dose_on)
        percent = compliance_percent(used, rate, days)
        if percent is not None:
            found.append(
                VisitCompliance(
                    visit_number=number,
                    kit_group=label,
                    dispensed_on=first,
                    returned_on=last,
                    days=days,
                    used_units=decimal_text(used),
                    expected_units=decimal_text(rate * days),
                    percent=str(percent),
                )
            )
    return tuple(found)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)

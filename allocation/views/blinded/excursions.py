"""Temperature excursions in blinded words: kits by number and look, minutes out of range, and the curve. No kit type, lot or arm.

Kits are judged by the strictest limits of what looks like them, so that neither minutes nor limits tell types of one look apart.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, true

from allocation.access.actors import Actor
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import excursion, excursion_kit, kit, shipment
from allocation.rules.kit_status import KitStatus, Place
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.lot_lines import KitLine, by_lot
from allocation.views.shape import View
from allocation.views.study_at import StudyAt, study_at
from allocation.views.visible import Visible, visible


class ExcursionSummary(View):
    """An excursion of a shipment (`place_kind` transit), site or depot. Temperatures are degrees Celsius, moments UTC.

    `kits` left their range; `open` of them are in quarantine and wait for a decision. `readings_sha256`: the logger's file.
    """

    excursion_id: str
    place_kind: str
    place: str
    began_at: datetime
    ended_at: datetime
    recorded_on: date
    source: str
    lowest: str
    highest: str
    mean_kinetic: str
    readings_sha256: str | None
    timezone: str
    attachments: tuple[str, ...]
    kits: int
    open: int


class ExcursionList(View):
    """The excursions that the reader may see, the newest first."""

    study_id: str
    excursions: tuple[ExcursionSummary, ...]


class ExposedKit(KitLine):
    """A kit that left its range: minutes in this excursion, and spent in all. `outcome`: released, rejected or, while it is open, None."""

    kit_group: str
    status: str
    minutes_above: int
    minutes_below: int
    spent_above: int
    spent_below: int
    outcome: str | None


class ExcursionDetail(View):
    """An excursion with the kits that left their range."""

    study_id: str
    excursion: ExcursionSummary
    kits: tuple[ExposedKit, ...]


def list_excursions(
    database: Database,
    actor: Actor,
    study_id: str,
    *,
    site_id: str | None = None,
    shipment_id: str | None = None,
) -> ExcursionList:
    """Excursions at visible places, of one site (its shipments too) or shipment if so asked. Raises NotPermitted, NotFound."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.excursions", study_id)
        at = study_at(connection, study_id)
        if site_id is not None:
            seen.require_site(actor, site_id)
        rows = _rows(connection, study_id, seen)
        wanted = [
            row
            for row in rows
            if (site_id is None or site_id in (row.site_id, row.place))
            and (shipment_id is None or (row.place_kind, row.place) == (Place.TRANSIT.value, shipment_id))
        ]
        return ExcursionList(
            study_id=study_id,
            excursions=tuple(_summary(row, _exposed(connection, at, row.excursion_id)) for row in wanted),
        )


def excursion_detail(database: Database, actor: Actor, study_id: str, excursion_id: str) -> ExcursionDetail:
    """An excursion with its kits. Raises NotPermitted, and NotFound also for one that the actor may not see."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.excursions", study_id)
        at = study_at(connection, study_id)
        row = next(
            (one for one in _rows(connection, study_id, seen) if one.excursion_id == excursion_id), None
        )
        if row is None:
            raise NotFound(
                f"excursion {excursion_id!r} is not known",
                field="excursion_id",
                fix="list the excursions first",
            )
        exposed = _exposed(connection, at, excursion_id)
        spent = _spent(connection, study_id, excursion_id)
        kits = tuple(
            ExposedKit(
                kit_number=one.kit_number,
                kit_group=one.kit_group,
                status=one.status,
                minutes_above=one.minutes_above,
                minutes_below=one.minutes_below,
                spent_above=spent[one.kit_number][0],
                spent_below=spent[one.kit_number][1],
                outcome=one.outcome,
            )
            for one in exposed
        )
        return ExcursionDetail(
            study_id=study_id,
            excursion=_summary(row, exposed),
            kits=by_lot(connection, study_id, kits),
        )


def _rows(connection: Connection, study_id: str, seen: Visible) -> list[Row[Any]]:
    """The excursions at visible places, the newest first, each with the site that its shipment goes to."""
    to_site = and_(
        excursion.c.place_kind == Place.TRANSIT.value,
        shipment.c.study_id == excursion.c.study_id,
        shipment.c.shipment_id == excursion.c.place,
    )
    site_id = shipment.c.to_place.label("site_id")
    query = (
        select(excursion, site_id)
        .outerjoin(shipment, to_site)
        .where(excursion.c.study_id == study_id, _seen(seen))
        .order_by(excursion.c.ended_at.desc(), excursion.c.excursion_id)
    )
    return list(connection.execute(query))


def _seen(seen: Visible) -> ColumnElement[bool]:
    if seen.whole_study:
        return true()
    place, kind = excursion.c.place, excursion.c.place_kind
    return or_(
        and_(kind == Place.SITE.value, seen.at_site(place)),
        and_(kind == Place.DEPOT.value, seen.at_depot(place)),
        and_(kind == Place.TRANSIT.value, seen.of_shipment()),
    )


def _exposed(connection: Connection, at: StudyAt, excursion_id: str) -> list[Row[Any]]:
    """The kits of an excursion as they are now, by number, each with what it looks like."""
    table = excursion_kit.c
    query = (
        select(
            table.kit_number,
            kit_group(at.protocol),
            table.minutes_above,
            table.minutes_below,
            table.outcome,
            kit.c.status,
        )
        .join_from(
            excursion_kit, kit, (kit.c.study_id == table.study_id) & (kit.c.kit_number == table.kit_number)
        )
        .where(table.study_id == at.study_id, table.excursion_id == excursion_id)
        .order_by(table.kit_number)
    )
    return list(connection.execute(query))


def _spent(connection: Connection, study_id: str, excursion_id: str) -> dict[str, tuple[int, int]]:
    """Kit of the excursion -> its minutes above and below the range in all its excursions."""
    every, this = excursion_kit.alias("every"), excursion_kit.alias("this")
    rows = connection.execute(
        select(
            every.c.kit_number,
            func.sum(every.c.minutes_above).label("above"),
            func.sum(every.c.minutes_below).label("below"),
        )
        .join_from(
            every, this, (this.c.study_id == every.c.study_id) & (this.c.kit_number == every.c.kit_number)
        )
        .where(this.c.study_id == study_id, this.c.excursion_id == excursion_id)
        .group_by(every.c.kit_number)
    )
    return {row.kit_number: (int(row.above), int(row.below)) for row in rows}


def _summary(row: Row[Any], exposed: list[Row[Any]]) -> ExcursionSummary:
    waiting = [one for one in exposed if one.outcome is None and one.status == KitStatus.QUARANTINED]
    return ExcursionSummary(
        excursion_id=row.excursion_id,
        place_kind=row.place_kind,
        place=row.place,
        began_at=row.began_at,
        ended_at=row.ended_at,
        recorded_on=row.recorded_on,
        source=row.source,
        lowest=row.lowest,
        highest=row.highest,
        mean_kinetic=row.mean_kinetic,
        readings_sha256=row.file_sha256,
        timezone=row.timezone,
        attachments=tuple(json.loads(row.attachments_json)),
        kits=len(exposed),
        open=len(waiting),
    )


MOST_POINTS = 600


def thinned(seconds: Any, celsius: Any) -> list[tuple[datetime, float]]:
    """A curve of at most `MOST_POINTS` points that keeps every extreme: of each stretch the coldest and the warmest reading."""
    if len(seconds) <= MOST_POINTS:
        chosen = np.arange(len(seconds))
    else:
        stretches = np.array_split(np.arange(len(seconds)), MOST_POINTS // 2)
        picked = {int(part[np.argmin(celsius[part])]) for part in stretches}
        picked |= {int(part[np.argmax(celsius[part])]) for part in stretches}
        chosen = np.array(sorted(picked | {0, len(seconds) - 1}))
    return [
        (datetime.fromtimestamp(float(seconds[index]), UTC), round(float(celsius[index]), 2))
        for index in chosen
    ]

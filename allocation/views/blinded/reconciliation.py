"""The reconciliation report: every kit that does not add up, or waits too long, by site, depot or for the whole study.

Received against shipped, dispensed against returned, lost and used, declared against counted and received, kits asked back and not yet
back, kits that nobody decides about. What agrees is not listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, or_, select

from allocation.access.actors import Actor
from allocation.access.permissions import PERMISSIONS
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.database import Database
from allocation.ledger.schema import kit, return_kit, shipment, shipment_kit, site_return, subject
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.return_process import AT_SITE, ReturnState
from allocation.study.protocol import Protocol
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.kit_uses import kit_uses
from allocation.views.blinded.lot_lines import by_lot
from allocation.views.blinded.reconciliation_models import Discrepancy, DiscrepancyKind, Reconciliation
from allocation.views.blinded.subject_accountability import accounted_kits
from allocation.views.study_at import study_at
from allocation.views.visible import Visible, require_known_site, visible

_KIND: Final = DiscrepancyKind
_LIMBO: Final = (KitStatus.QUARANTINED, KitStatus.DAMAGED, KitStatus.EXPIRED, KitStatus.ASSIGNED)
_SHIPPED: Final = and_(
    shipment.c.study_id == shipment_kit.c.study_id, shipment.c.shipment_id == shipment_kit.c.shipment_id
)
_SHIPPED_KIT: Final = and_(
    kit.c.study_id == shipment_kit.c.study_id, kit.c.kit_number == shipment_kit.c.kit_number
)


@dataclass(frozen=True, slots=True)
class _Report:
    """What every part of the report reads by."""

    connection: Connection
    study_id: str
    protocol: Protocol
    today: date

    @property
    def overdue(self) -> date:
        """What is so since before this day is overdue."""
        return self.today - timedelta(days=self.protocol.supply.returns.overdue_days)


def reconciliation(
    database: Database,
    actor: Actor,
    study_id: str,
    *,
    site_id: str | None = None,
    depot_id: str | None = None,
    now: datetime | None = None,
) -> Reconciliation:
    """The discrepancies of a site, a depot, or of all places that the reader may see. `now` (UTC): the moment that days are counted to.

    Raises NotPermitted (also for a place out of reach), NotFound for one that the study does not have.
    """
    with database.read() as connection:
        seen = visible(connection, actor, "view.accountability", study_id)
        at = study_at(connection, study_id, now)
        if site_id is not None:
            seen.require_site(actor, site_id)
            require_known_site(connection, at, site_id)
        if depot_id is not None:
            _require_depot(seen, actor, at.protocol, depot_id)
        report = _Report(connection, study_id, at.protocol, at.today)
        names_subjects = bool(PERMISSIONS["view.subjects.blinded"] & set(actor.roles_in(study_id)))
        found = [
            one if names_subjects else one.model_copy(update={"subject_id": None})
            for part in (_of_shipments, _of_subjects, _of_returns, _of_places)
            for one in part(report)
            if _asked(one, seen, site_id, depot_id)
        ]
        found = list(by_lot(connection, study_id, found, ("units",)))
        found.sort(key=lambda one: (one.place_kind, one.place, one.kind, one.kit_number, one.return_id or ""))
        return Reconciliation(study_id=study_id, as_of=at.today, discrepancies=tuple(found))


def _require_depot(seen: Visible, actor: Actor, protocol: Protocol, depot_id: str) -> None:
    if not seen.whole_study and depot_id not in seen.depots:
        raise NotPermitted(
            f"{actor.username} may not see depot {depot_id}",
            field="depot_id",
            fix="ask for one of your own depots",
        )
    if depot_id not in {one.code for one in protocol.depots}:
        raise NotFound(
            f"depot {depot_id!r} is not in the study", field="depot_id", fix="name a depot of the study"
        )


def _asked(one: Discrepancy, seen: Visible, site_id: str | None, depot_id: str | None) -> bool:
    at_site = one.place_kind == Place.SITE
    if site_id is not None or depot_id is not None:
        return one.place == (site_id if at_site else depot_id)
    return seen.whole_study or one.place in (seen.sites if at_site else seen.depots)


def _of_shipments(report: _Report) -> Iterator[Discrepancy]:
    """Kits that did not arrive, or not in good order, and those of shipments that are late. At the place that they go to."""
    part = shipment_kit.c
    returns = select(site_return.c.return_id).where(site_return.c.study_id == report.study_id)
    rows = report.connection.execute(
        select(
            shipment.c.shipment_id,
            shipment.c.to_kind,
            shipment.c.to_place,
            shipment.c.status,
            shipment.c.expected_on,
            shipment.c.received_on,
            part.kit_number,
            part.disposition,
            kit_group(report.protocol),
            kit.c.place.label("now_at"),
        )
        .join_from(shipment_kit, shipment, _SHIPPED)
        .join(kit, _SHIPPED_KIT)
        .where(
            part.study_id == report.study_id,
            shipment.c.status.in_(("received", "in_transit")),
            shipment.c.shipment_id.not_in(returns),
        )
    )
    for row in rows:
        if row.status == "received":
            kind = {"lost": _KIND.NOT_RECEIVED, "damaged": _KIND.RECEIVED_DAMAGED}.get(row.disposition)
            since = row.received_on
        else:  # a kit that was left behind is no more in the shipment
            late = row.expected_on is not None and row.expected_on < report.today
            kind = _KIND.LATE_SHIPMENT if late and row.now_at == row.shipment_id else None
            since = row.expected_on
        if kind is not None:
            yield Discrepancy(
                kind=kind,
                place_kind=row.to_kind,
                place=row.to_place,
                kit_number=row.kit_number,
                kit_group=row.kit_group,
                shipment_id=row.shipment_id,
                since=since,
                overdue=kind == _KIND.LATE_SHIPMENT and since < report.overdue,
            )


def _of_subjects(report: _Report) -> Iterator[Discrepancy]:
    """Units that do not add up or are lost, kits asked back, and kits that subjects who left still have."""
    who, given = subject.c, kit_uses(report.study_id).c
    rows = report.connection.execute(
        select(who.subject_id, who.site_id, who.ended_on, given.kit_number, given.use)
        .join(subject, who.subject_id == given.subject_id)
        .where(who.study_id == report.study_id)
    )
    had = {(row.kit_number, row.use): row for row in rows}
    for key, one in accounted_kits(report.connection, report.study_id, report.protocol).items():
        row = had[key]
        found: list[tuple[DiscrepancyKind, str | None, date | None]] = []
        if one.unexplained_units not in (None, "0"):
            found.append((_KIND.UNITS_UNEXPLAINED, one.unexplained_units, one.returned_on))
        if one.came_back is False:
            found.append((_KIND.CONTAINER_LOST, one.lost_units, one.returned_on))
        elif one.lost_units not in (None, "0"):
            found.append((_KIND.UNITS_LOST, one.lost_units, one.returned_on))
        if one.status == KitStatus.DISPENSED and one.asked_back_on is not None:
            found.append((_KIND.ASKED_BACK, None, one.asked_back_on))
        elif one.status == KitStatus.DISPENSED and row.ended_on is not None:
            found.append((_KIND.NOT_RETURNED, None, row.ended_on))
        for kind, units, since in found:
            waits = kind in (_KIND.ASKED_BACK, _KIND.NOT_RETURNED)
            yield Discrepancy(
                kind=kind,
                place_kind=Place.SITE,
                place=row.site_id,
                kit_number=one.kit_number,
                kit_group=one.kit_group,
                subject_id=row.subject_id,
                units=units,
                since=since,
                overdue=waits and since is not None and since < report.overdue,
            )


def _of_returns(report: _Report) -> Iterator[Discrepancy]:
    """What a monitor or a depot found to differ, and returns that stand still."""
    line, found = return_kit.c, site_return.c
    rows = report.connection.execute(
        select(
            return_kit,
            found.site_id,
            found.depot_id,
            found.state,
            found.declared_on,
            found.reconciled_on,
            shipment.c.expected_on,
            shipment.c.received_on,
            kit_group(report.protocol),
        )
        .join_from(
            return_kit, site_return, and_(found.study_id == line.study_id, found.return_id == line.return_id)
        )
        .join(kit, and_(kit.c.study_id == line.study_id, kit.c.kit_number == line.kit_number))
        .outerjoin(
            shipment, and_(shipment.c.study_id == line.study_id, shipment.c.shipment_id == line.return_id)
        )
        .where(line.study_id == report.study_id, found.state != ReturnState.WITHDRAWN.value)
    )
    for row in rows:
        for kind, at_depot, since in _found_in_return(row, report):
            yield Discrepancy(
                kind=kind,
                place_kind=Place.DEPOT if at_depot else Place.SITE,
                place=row.depot_id if at_depot else row.site_id,
                kit_number=row.kit_number,
                kit_group=row.kit_group,
                return_id=row.return_id,
                units=row.counted_units if kind == _KIND.COUNT_DIFFERS else None,
                since=since,
                overdue=kind == _KIND.RETURN_STANDS,
                said=None if kind == _KIND.RETURN_STANDS else row.discrepancy,
            )


def _found_in_return(row: Any, report: _Report) -> Iterator[tuple[DiscrepancyKind, bool, date | None]]:
    """Kind, whether it is the depot's (else the site's), and since when."""
    if row.counted_units is not None:
        yield _KIND.COUNT_DIFFERS, False, row.reconciled_on
    if row.settled_as == "missing":
        at_depot = row.received_as == "missing"
        yield _KIND.MISSING_IN_RETURN, at_depot, row.received_on if at_depot else row.reconciled_on
    if row.received_as == "damaged":
        yield _KIND.DAMAGED_IN_RETURN, True, row.received_on
    if row.settled_as is not None:
        return
    state = ReturnState(row.state)
    since = {ReturnState.IN_TRANSIT: row.expected_on, ReturnState.RECEIVED: row.received_on}.get(
        state, row.declared_on
    )
    if since is not None and since < report.overdue:
        yield _KIND.RETURN_STANDS, state not in AT_SITE, since


def _of_places(report: _Report) -> Iterator[Discrepancy]:
    """Kits that wait at a place for a decision, returned kits that nobody has declared, and kits that were lost there."""
    declared = _in_returns(report)
    accounts = accounted_kits(report.connection, report.study_id, report.protocol)
    waiting = (KitStatus.RETURNED, KitStatus.LOST, *_LIMBO)
    rows = report.connection.execute(
        select(
            kit.c.kit_number,
            kit.c.status,
            kit.c.place_kind,
            kit.c.place,
            kit.c.uses,
            kit_group(report.protocol),
        ).where(kit.c.study_id == report.study_id, kit.c.status.in_([one.value for one in waiting]))
    ).all()
    last_at, on_the_way = _last_received(report), _lost_on_the_way(report)
    for row in rows:
        kind_of_place, place, since = row.place_kind, row.place, None
        if row.status == KitStatus.LOST:
            counted = accounts.get((row.kit_number, row.uses + 1))
            if row.kit_number in declared or (counted is not None and counted.came_back is False):
                continue  # stands there already, with more said of it
            held = last_at.get(row.kit_number)
            if row.kit_number in on_the_way:
                continue  # not_received
            kind = _KIND.LOST
            # What was never shipped was lost at a depot; at which one is in its history.
            kind_of_place, place = held or (Place.DEPOT, "")
        elif row.status == KitStatus.RETURNED:
            if row.kit_number in declared or row.place_kind != Place.SITE:
                continue
            counted = accounts.get((row.kit_number, row.uses + 1))
            since = None if counted is None else counted.returned_on
            kind = _KIND.WAITS_FOR_RETURN
        elif row.place_kind in (Place.SITE, Place.DEPOT):
            kind = _KIND.IN_LIMBO
        else:
            continue
        yield Discrepancy(
            kind=kind,
            place_kind=kind_of_place,
            place=place,
            kit_number=row.kit_number,
            kit_group=row.kit_group,
            since=since,
            overdue=since is not None and since < report.overdue,
            said=row.status if kind == _KIND.IN_LIMBO else None,
        )


def _last_received(report: _Report) -> dict[str, tuple[str, str]]:
    """Kit number -> kind and place of where it was received last."""
    rows = report.connection.execute(
        select(shipment_kit.c.kit_number, shipment.c.to_kind, shipment.c.to_place)
        .join_from(shipment_kit, shipment, _SHIPPED)
        .where(
            shipment_kit.c.study_id == report.study_id,
            shipment.c.status == "received",
            shipment_kit.c.disposition.not_in(("lost", "missing")),
        )
        .order_by(shipment.c.received_on, shipment.c.shipment_id)
    )
    return {row.kit_number: (row.to_kind, row.to_place) for row in rows}


def _lost_on_the_way(report: _Report) -> set[str]:
    """The kits that did not arrive."""
    query = select(shipment_kit.c.kit_number).where(
        shipment_kit.c.study_id == report.study_id, shipment_kit.c.disposition == "lost"
    )
    return set(report.connection.execute(query).scalars())


def _in_returns(report: _Report) -> set[str]:
    """The kits that a return accounts for. What was used again has a life of its own since."""
    line, found = return_kit.c, site_return.c
    query = (
        select(line.kit_number)
        .join_from(
            return_kit, site_return, and_(found.study_id == line.study_id, found.return_id == line.return_id)
        )
        .where(
            line.study_id == report.study_id,
            found.state != ReturnState.WITHDRAWN.value,
            or_(line.settled_as.is_(None), line.settled_as != "reused"),
        )
    )
    return set(report.connection.execute(query).scalars())

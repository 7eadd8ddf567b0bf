"""The accountability log of a site: each kit that it received, with whom it went to and what came of it (the form of ICH E6(R2) 8.3.23)."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from sqlalchemy import Connection, and_, literal, select

from allocation.access.actors import Actor
from allocation.access.permissions import PERMISSIONS
from allocation.ledger.database import Database
from allocation.ledger.schema import device_use, kit, return_kit, shipment, shipment_kit, site_return
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.return_process import ReturnState
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.lot_lines import KitLine, by_lot
from allocation.views.blinded.subject_accountability import COUNTED_UNITS, AccountedKit, accounted_kits
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import require_known_site, visible


class LoggedKit(KitLine):
    """A kit in the log of a site; a device that was used again has a line for each `use` (from 1).

    Units as far as they are told (`AccountedKit`); `returned_to_depot_on`: when the return left. `shipment_id`: empty where it came in
    from another study's stock at the site.
    """

    kit_group: str
    received_on: date
    shipment_id: str
    received_as: str
    use: int
    subject_id: str | None
    visit_number: str | None
    dispensed_on: date | None
    dispensed_units: str | None
    returned_on: date | None
    returned_units: str | None
    lost_units: str | None
    used_units: str | None
    status: str
    return_id: str | None
    returned_to_depot_on: date | None
    settled_as: str | None
    settled_on: date | None
    certificate: str | None


class SiteLog(View):
    """The log of a site, by the day of receipt and number. Subjects are named to those who may see them."""

    study_id: str
    site_id: str
    kits: tuple[LoggedKit, ...]


def site_log(database: Database, actor: Actor, study_id: str, site_id: str) -> SiteLog:
    """The accountability log of a site. Raises NotPermitted, NotFound for a site that the study does not have."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.accountability", study_id)
        seen.require_site(actor, site_id)
        at = study_at(connection, study_id)
        require_known_site(connection, at, site_id)
        accounts = accounted_kits(connection, study_id, at.protocol, site_id=site_id)
        returns = _last_returns(connection, study_id, site_id)
        names_subjects = bool(PERMISSIONS["view.subjects.blinded"] & set(actor.roles_in(study_id)))
        rows = connection.execute(
            select(
                kit.c.kit_number,
                kit_group(at.protocol),
                shipment.c.received_on,
                shipment.c.shipment_id,
                shipment_kit.c.disposition,
                kit.c.subject_id,
                kit.c.visit_number,
                kit.c.dispensed_on,
                kit.c.status,
                (kit.c.uses + 1).label("use"),
            )
            .join_from(
                shipment_kit,
                shipment,
                and_(
                    shipment.c.study_id == shipment_kit.c.study_id,
                    shipment.c.shipment_id == shipment_kit.c.shipment_id,
                ),
            )
            .join(
                kit,
                and_(
                    kit.c.study_id == shipment_kit.c.study_id,
                    kit.c.kit_number == shipment_kit.c.kit_number,
                ),
            )
            .where(
                shipment.c.study_id == study_id,
                shipment.c.to_kind == Place.SITE.value,
                shipment.c.to_place == site_id,
                shipment.c.status == "received",
                shipment_kit.c.disposition != "lost",
            )
            .order_by(shipment.c.received_on, kit.c.kit_number)
        ).all()
        pooled = connection.execute(
            select(
                kit.c.kit_number,
                kit_group(at.protocol),
                kit.c.pooled_on.label("received_on"),
                literal("").label("shipment_id"),
                literal("available").label("disposition"),
                kit.c.subject_id,
                kit.c.visit_number,
                kit.c.dispensed_on,
                kit.c.status,
                (kit.c.uses + 1).label("use"),
            ).where(kit.c.study_id == study_id, kit.c.pooled_at_site == site_id)
        ).all()
        ended = _ended_uses(connection, study_id, site_id)
        kits = tuple(
            _logged(row, use, accounts.get((row.kit_number, use.use)), back, names_subjects)
            for row in sorted([*rows, *pooled], key=lambda one: (one.received_on, one.kit_number))
            for use, back in (
                *((use, None) for use in ended.get(row.kit_number, ())),
                (row, returns.get(row.kit_number)),
            )
        )
        return SiteLog(
            study_id=study_id, site_id=site_id, kits=by_lot(connection, study_id, kits, COUNTED_UNITS)
        )


def _last_returns(connection: Connection, study_id: str, site_id: str) -> dict[str, Any]:
    """Kit number -> its line in the last return of the site that was not taken back."""
    line, found = return_kit.c, site_return.c
    rows = connection.execute(
        select(
            line.kit_number,
            line.return_id,
            line.settled_as,
            line.settled_on,
            line.certificate,
            shipment.c.dispatched_on,
        )
        .join_from(
            return_kit,
            site_return,
            and_(found.study_id == line.study_id, found.return_id == line.return_id),
        )
        .outerjoin(
            shipment,
            and_(shipment.c.study_id == line.study_id, shipment.c.shipment_id == line.return_id),
        )
        .where(
            line.study_id == study_id,
            found.site_id == site_id,
            found.state != ReturnState.WITHDRAWN.value,
        )
        .order_by(found.declared_on, line.return_id)
    )
    return {row.kit_number: row for row in rows}


def _ended_uses(connection: Connection, study_id: str, site_id: str) -> dict[str, list[Any]]:
    """Kit number -> the uses of a device at the site after which it was used again, in order."""
    use = device_use.c
    rows = connection.execute(
        select(
            use.kit_number,
            use.use,
            use.subject_id,
            use.visit_number,
            use.dispensed_on,
            literal(KitStatus.RETURNED.value).label("status"),
        )
        .where(use.study_id == study_id, use.site_id == site_id, use.outcome == "fit")
        .order_by(use.kit_number, use.use)
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.kit_number].append(row)
    return found


def _logged(row: Any, use: Any, account: AccountedKit | None, back: Any, names_subjects: bool) -> LoggedKit:
    """A line of the log: the kit as it was received (`row`), and one use of it, which is `row` itself for the present one."""
    given = use.dispensed_on is not None
    sent = None if back is None or back.settled_as == "missing" else back.dispatched_on
    return LoggedKit(
        kit_number=row.kit_number,
        kit_group=row.kit_group,
        received_on=row.received_on,
        shipment_id=row.shipment_id,
        received_as=row.disposition,
        use=use.use,
        subject_id=use.subject_id if given and names_subjects else None,
        visit_number=use.visit_number if given and names_subjects else None,
        dispensed_on=use.dispensed_on,
        dispensed_units=None if account is None else account.dispensed_units,
        returned_on=None if account is None else account.returned_on,
        returned_units=None if account is None else account.returned_units,
        lost_units=None if account is None else account.lost_units,
        used_units=None if account is None else account.used_units,
        status=use.status,
        return_id=None if back is None else back.return_id,
        returned_to_depot_on=sent,
        settled_as=None if back is None else back.settled_as,
        settled_on=None if back is None else back.settled_on,
        certificate=None if back is None else back.certificate,
    )

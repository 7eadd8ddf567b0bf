"""Returns: how far each has come, who let it pass, and what was declared, counted, received and settled of each kit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, and_, func, or_, select

from allocation.access.actors import Actor
from allocation.access.signing import content_hash_of
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import destruction_certificate, kit, return_kit, shipment, site_return
from allocation.rules.return_process import ReturnState
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.lot_lines import KitLine, by_lot
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import Visible, require_known_site, visible

_UNITS: Final = ("declared_units", "counted_units")
_HASHED: Final = ("kit_number", "why", "declared_units", "found", "counted_units", "discrepancy")


class ReturnSummary(View):
    """A return. Days are the site's, from `received_on` on the depot's; `kits` counts all, `left` those that are not settled."""

    return_id: str
    site_id: str
    depot_id: str
    state: ReturnState
    kits: int
    left: int
    declared_on: date
    declared_by: str
    reconciled_on: date | None
    reconciled_by: str | None
    approved_on: date | None
    approved_by: str | None
    sent_on: date | None
    carrier: str | None
    tracking_number: str | None
    expected_on: date | None
    received_on: date | None
    ended_on: date | None


class ReturnList(View):
    """The returns that the reader may see, by id."""

    study_id: str
    returns: tuple[ReturnSummary, ...]


class ReturnLine(KitLine):
    """A kit of a return. `declared_units`: counted when the subject brought it back (null: unopened); `counted_units`: the monitor's count
    where it differs; `settled_as`: reused, destroyed or missing."""

    kit_group: str
    why: str
    declared_units: str | None
    found: bool | None
    counted_units: str | None
    discrepancy: str | None
    received_as: str | None
    settled_as: str | None
    settled_on: date | None
    certificate: str | None


class CertificateShown(View):
    """A certificate of destruction."""

    certificate: str
    destroyed_on: date
    place: str
    file_name: str
    file_sha256: str


class ReturnDetail(View):
    """A return with its kits by number. `content_hash`: of what was declared and counted, which an approval repeats."""

    study_id: str
    summary: ReturnSummary
    content_hash: str
    kits: tuple[ReturnLine, ...]
    certificates: tuple[CertificateShown, ...]


def list_returns(
    database: Database,
    actor: Actor,
    study_id: str,
    *,
    site_id: str | None = None,
    state: ReturnState | None = None,
) -> ReturnList:
    """The returns of the reader's sites and depots, of one site and state if so asked.

    Raises NotPermitted (also for a site out of reach), NotFound for a site that the study does not have.
    """
    with database.read() as connection:
        seen = visible(connection, actor, "view.accountability", study_id)
        if site_id is not None:
            if not seen.depots:
                seen.require_site(actor, site_id)
            require_known_site(connection, study_at(connection, study_id), site_id)
        found = _summaries(connection, study_id, seen)
        chosen = (
            one
            for one in found
            if (site_id is None or one.site_id == site_id) and (state is None or one.state == state)
        )
        return ReturnList(study_id=study_id, returns=tuple(chosen))


def return_detail(database: Database, actor: Actor, study_id: str, return_id: str) -> ReturnDetail:
    """A return with its kits. Raises NotPermitted, and NotFound also for one that the reader may not see."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.accountability", study_id)
        at = study_at(connection, study_id)
        found = [one for one in _summaries(connection, study_id, seen) if one.return_id == return_id]
        if not found:
            raise NotFound(
                f"return {return_id!r} is not known", field="return_id", fix="list the returns first"
            )
        line = return_kit.c
        rows = connection.execute(
            select(
                line.kit_number,
                kit_group(at.protocol),
                line.why,
                line.declared_units,
                line.found,
                line.counted_units,
                line.discrepancy,
                line.received_as,
                line.settled_as,
                line.settled_on,
                line.certificate,
            )
            .join_from(
                return_kit, kit, and_(kit.c.study_id == line.study_id, kit.c.kit_number == line.kit_number)
            )
            .where(line.study_id == study_id, line.return_id == return_id)
            .order_by(line.kit_number)
        ).mappings()
        lines = tuple(ReturnLine.model_validate(dict(row)) for row in rows)
        told = destruction_certificate.c
        certificates = connection.execute(
            select(told.certificate, told.destroyed_on, told.place, told.file_name, told.file_sha256)
            .where(told.study_id == study_id, told.certificate.in_({one.certificate for one in lines}))
            .order_by(told.certificate)
        ).mappings()
        return ReturnDetail(
            study_id=study_id,
            summary=found[0],
            content_hash=hash_of_lines(connection, study_id, return_id, lines),
            kits=by_lot(connection, study_id, lines, _UNITS),
            certificates=tuple(CertificateShown.model_validate(dict(one)) for one in certificates),
        )


class _Counted(KitLine):
    """What an approver reads of a line."""

    why: str
    declared_units: str | None
    found: bool | None
    counted_units: str | None
    discrepancy: str | None


def hash_of_lines(connection: Connection, study_id: str, return_id: str, lines: Iterable[Any]) -> str:
    """The SHA-256 of what was declared and counted: what an approver has read and approves. It tells nothing of what is in a kit, nor
    which units of bulk supply there are.
    """
    counted = (_Counted(**{name: getattr(one, name) for name in _HASHED}) for one in lines)
    return content_hash_of(
        {
            "return_id": return_id,
            "kits": [
                [
                    *(getattr(one, name) for name in _HASHED),
                    *(() if one.lot is None else (one.lot, one.quantity)),
                ]
                for one in by_lot(connection, study_id, counted, _UNITS)
            ],
        }
    )


def _summaries(connection: Connection, study_id: str, seen: Visible) -> list[ReturnSummary]:
    found, line = site_return.c, return_kit.c
    # The counts of one kind of row each, as the databases spell a conditional count differently.
    all_kits = (
        select(func.count())
        .where(line.study_id == found.study_id, line.return_id == found.return_id)
        .scalar_subquery()
    )
    left = (
        select(func.count())
        .where(line.study_id == found.study_id, line.return_id == found.return_id, line.settled_as.is_(None))
        .scalar_subquery()
    )
    query = (
        select(
            found.return_id,
            found.site_id,
            found.depot_id,
            found.state,
            all_kits.label("kits"),
            left.label("left"),
            found.declared_on,
            found.declared_by,
            found.reconciled_on,
            found.reconciled_by,
            found.approved_on,
            found.approved_by,
            shipment.c.dispatched_on.label("sent_on"),
            shipment.c.carrier,
            shipment.c.tracking_number,
            shipment.c.expected_on,
            shipment.c.received_on,
            found.ended_on,
        )
        .outerjoin_from(
            site_return,
            shipment,
            and_(shipment.c.study_id == found.study_id, shipment.c.shipment_id == found.return_id),
        )
        .where(found.study_id == study_id, or_(seen.at_site(found.site_id), seen.at_depot(found.depot_id)))
        .order_by(found.return_id)
    )
    return [ReturnSummary.model_validate(dict(row)) for row in connection.execute(query).mappings()]

"""What a recall asks of each site: kits to keep apart, and kits to ask back from subjects. No lot and no kit type is named.

Kits that are recalled together are of one type, which cannot be hidden from whoever must gather them; so nobody sees more of a recall here
than the own sites', and recalls are not told apart.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import kit, lot, shipment, subject
from allocation.rules.kit_status import KitStatus, Place
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.lot_lines import KitLine, by_lot
from allocation.views.shape import View
from allocation.views.study_at import StudyAt, study_at
from allocation.views.visible import visible


class RecalledKit(KitLine):
    """A recalled kit: at the site or on its way there (in quarantine), or with a subject, who is asked to bring it back."""

    kit_group: str
    status: str
    site_id: str
    subject_id: str | None
    visit_number: str | None
    dispensed_on: date | None


class RecalledKits(View):
    """The recalled kits of the sites that the reader may see, by site and number."""

    study_id: str
    kits: tuple[RecalledKit, ...]


def recalled_kits(database: Database, actor: Actor, study_id: str) -> RecalledKits:
    """The recalled kits of the reader's sites. Raises NotPermitted, NotFound."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.recalls", study_id)
        query = _recalled(study_at(connection, study_id)).subquery()
        rows = connection.execute(
            select(query).where(seen.at_site(query.c.site_id)).order_by(query.c.site_id, query.c.kit_number)
        ).mappings()
        found = (RecalledKit.model_validate(dict(row)) for row in rows)
        return RecalledKits(study_id=study_id, kits=by_lot(connection, study_id, found))


def _recalled(at: StudyAt) -> Select[Any]:
    with_subject = kit.c.place_kind == Place.SUBJECT.value
    site_id = func.coalesce(subject.c.site_id, shipment.c.to_place, kit.c.place).label("site_id")
    return (
        select(
            kit.c.kit_number,
            kit_group(at.protocol),
            kit.c.status,
            site_id,
            subject.c.subject_id,
            kit.c.visit_number,
            kit.c.dispensed_on,
        )
        .join_from(kit, lot, and_(lot.c.study_id == kit.c.study_id, lot.c.lot_id == kit.c.lot_id))
        .outerjoin(
            subject,
            and_(with_subject, subject.c.study_id == kit.c.study_id, subject.c.subject_id == kit.c.place),
        )
        .outerjoin(
            shipment,
            and_(
                kit.c.place_kind == Place.TRANSIT.value,
                shipment.c.to_kind == Place.SITE.value,
                shipment.c.study_id == kit.c.study_id,
                shipment.c.shipment_id == kit.c.place,
            ),
        )
        .where(
            kit.c.study_id == at.study_id,
            lot.c.status == "recalled",
            or_(
                kit.c.return_asked_on.is_not(None) & with_subject,
                (kit.c.status == KitStatus.QUARANTINED.value)
                & kit.c.place_kind.in_((Place.SITE.value, Place.TRANSIT.value)),
            ),
        )
    )

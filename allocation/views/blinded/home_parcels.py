"""Parcels that sites send to subjects, by number of parcel and kits: no address, which is in the vault alone."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.lot_units import names_by_lot
from allocation.ledger.schema import home_parcel, home_parcel_kit
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import visible


class HomeParcel(View):
    """A parcel. `status`: sent, or ended when the site has recorded what became of its kits; dates at the site. `kits`: by number, bulk
    supply as lots and quantities."""

    parcel_id: str
    site_id: str
    subject_id: str
    visit_number: str
    status: str
    carrier: str
    tracking_number: str
    sent_on: date
    expected_on: date
    ended_on: date | None
    kits: tuple[str, ...]


class HomeParcels(View):
    """Parcels of the sites that the reader may see, the latest sent first."""

    study_id: str
    parcels: tuple[HomeParcel, ...]


def list_home_parcels(database: Database, actor: Actor, study_id: str) -> HomeParcels:
    """The parcels of the reader's sites. Raises NotPermitted, NotFound."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.home_parcels", study_id)
        study_at(connection, study_id)
        rows = connection.execute(
            select(home_parcel)
            .where(home_parcel.c.study_id == study_id, seen.at_site(home_parcel.c.site_id))
            .order_by(home_parcel.c.sent_on.desc(), home_parcel.c.parcel_id.desc())
        ).all()
        kits: dict[str, list[str]] = {}
        held = select(home_parcel_kit).where(home_parcel_kit.c.study_id == study_id)
        for one in connection.execute(held.order_by(home_parcel_kit.c.kit_number)):
            kits.setdefault(one.parcel_id, []).append(one.kit_number)
        parcels = []
        for row in rows:
            fields = {name: value for name, value in row._mapping.items() if name != "study_id"}
            names = names_by_lot(connection, study_id, kits[row.parcel_id])
            parcels.append(HomeParcel.model_validate({**fields, "kits": names}))
        return HomeParcels(study_id=study_id, parcels=tuple(parcels))

"""Stock by kit type and lot, for those who may learn them."""

from __future__ import annotations

from sqlalchemy import and_, case, func, literal, or_, select, true

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import kit
from allocation.rules.kit_status import Place
from allocation.views.study_at import study_at
from allocation.views.unblinded.models import TypeStock, UnblindedStock
from allocation.views.visible import require_known_site, visible


def unblinded_stock(
    database: Database, actor: Actor, study_id: str, *, site_id: str | None = None
) -> UnblindedStock:
    """Kits by place, type, lot and status, of one site if so asked. Raises NotPermitted (also for a site out of reach)."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.stock.unblinded", study_id)
        at_site, at_depot = kit.c.place_kind == Place.SITE.value, kit.c.place_kind == Place.DEPOT.value
        condition = [kit.c.study_id == study_id]
        if site_id is not None:
            seen.require_site(actor, site_id)
            require_known_site(connection, study_at(connection, study_id), site_id)
            condition += [at_site, kit.c.place == site_id]
        reachable = or_(and_(at_site, seen.at_site(kit.c.place)), and_(at_depot, seen.at_depot(kit.c.place)))
        condition.append(true() if seen.whole_study else reachable)
        place = case((or_(at_site, at_depot), kit.c.place), else_=literal("")).label("place")
        keys = (kit.c.place_kind, place, kit.c.kit_type, kit.c.lot_id, kit.c.expiry_date, kit.c.status)
        rows = connection.execute(
            select(*keys, func.count().label("kits")).where(*condition).group_by(*keys).order_by(*keys)
        ).mappings()
        return UnblindedStock(
            study_id=study_id, stock=tuple(TypeStock.model_validate(dict(row)) for row in rows)
        )

"""Which sites and depots an actor may see in a study, from the reach of a permission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, true

from allocation.access.actors import Actor
from allocation.access.permissions import reach
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.schema import shipment, site
from allocation.rules.kit_status import Place
from allocation.views.study_at import StudyAt


@dataclass(frozen=True, slots=True)
class Visible:
    """The sites and depots that may be seen. With `whole_study` everything may, and the sets are not consulted."""

    whole_study: bool
    sites: frozenset[str] = frozenset()
    depots: frozenset[str] = frozenset()

    def at_site(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """The condition that a column with a site id names a visible site."""
        return true() if self.whole_study else column.in_(sorted(self.sites))

    def at_depot(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """The condition that a column with a depot id names a visible depot."""
        return true() if self.whole_study else column.in_(sorted(self.depots))

    def of_shipment(self) -> ColumnElement[bool]:
        """The condition that a shipment leaves a visible place or goes to one."""
        ends = ((shipment.c.from_kind, shipment.c.from_place), (shipment.c.to_kind, shipment.c.to_place))
        return or_(*(self._at_end(kind, place) for kind, place in ends))

    def _at_end(self, kind: ColumnElement[Any], place: ColumnElement[Any]) -> ColumnElement[bool]:
        if self.whole_study:
            return true()
        at_site = and_(kind == Place.SITE.value, self.at_site(place))
        return or_(at_site, and_(kind == Place.DEPOT.value, self.at_depot(place)))

    def require_site(self, actor: Actor, site_id: str) -> None:
        """Raise NotPermitted unless the site may be seen."""
        if not self.whole_study and site_id not in self.sites:
            raise NotPermitted(
                f"{actor.username} may not see site {site_id}",
                field="site_id",
                fix="ask for one of your own sites",
            )


def visible(connection: Connection, actor: Actor, permission: str, study_id: str) -> Visible:
    """What of the study the actor may see under `permission`. Raises NotPermitted when that is nothing at all."""
    found = reach(actor, permission, study_id)
    if found.whole_study:
        return Visible(whole_study=True)
    in_countries = connection.execute(
        select(site.c.site_id).where(site.c.study_id == study_id, site.c.country.in_(sorted(found.countries)))
    ).scalars()
    return Visible(whole_study=False, sites=found.sites | frozenset(in_countries), depots=found.depots)


def require_known_site(connection: Connection, at: StudyAt, site_id: str) -> None:
    """Raise NotFound for a site that is neither open nor in the protocol: what is asked of it is not empty, it is not there.

    Ask `require_site` first: who may not see a site is not told whether there is one.
    """
    opened = select(site.c.site_id).where(site.c.study_id == at.study_id, site.c.site_id == site_id)
    if any(one.code == site_id for one in at.protocol.sites) or connection.execute(opened).first():
        return
    raise NotFound(
        f"site {site_id!r} is not in study {at.study_id}", field="site_id", fix="name a site of the study"
    )

"""The central view: every kit by place, country, look or type, lot, expiry and status, now or at any past moment. Writes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, func, select

from allocation.access.actors import Actor
from allocation.commands.open_sites import open_sites, site_at
from allocation.commands.service import Service
from allocation.commands.site_supply import (
    SiteSituation,
    countable_kits,
    demand_policy,
    site_demand,
    site_situations,
)
from allocation.errors import NotPermitted
from allocation.ledger.parcel_tables import home_parcel, home_parcel_kit
from allocation.ledger.schema import depot, shipment, site
from allocation.rules.days_of_supply import WINDOW_DAYS, days_of_supply
from allocation.rules.demand import due_visits
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.resupply import demand_in_window
from allocation.study.parameters import effective_parameters
from allocation.views.blinded.inventory_models import Inventory, LookStock
from allocation.views.blinded.kit_groups import UNKNOWN_GROUP
from allocation.views.inventory_counts import HELD, AsOf, KitLine, as_of, kit_counts
from allocation.views.inventory_models import PlaceStock, ShipmentInFlight
from allocation.views.study_at import StudyAt, study_at
from allocation.views.unblinded.inventory_models import LotStock, TypeInventory, TypeSupply
from allocation.views.visible import Visible, visible

USABLE = (KitStatus.DEPOT_AVAILABLE.value, KitStatus.SITE_AVAILABLE.value)

Holder = tuple[str, str]
"""Kind and key of a depot or site."""


def inventory_by_type(
    service: Service, actor: Actor, study_id: str, as_of_text: str | None = None
) -> TypeInventory:
    """The central view by kit type and lot. UNBLINDING. `as_of_text`: a ledger position or an ISO moment; None: now.

    Raises NotPermitted, NotFound for an unknown study, DomainRefusal for what is no moment of the past.
    """
    seen = _seen(service, actor, "view.stock.unblinded", study_id, as_of_text)
    supply = tuple(one for found in seen.supply.values() for one in found)
    stock = tuple(
        LotStock(
            place_kind=line.place_kind,
            place=line.place,
            country=seen.country_of(line),
            kit_type=line.kit_type,
            lot_id=line.lot_id,
            expiry_date=line.expiry_date,
            status=line.status,
            kits=kits,
        )
        for line, kits in _merged(seen.counts, lambda line: line._replace(shipment_id=""))
    )
    return TypeInventory(**seen.common(), supply=supply, stock=stock)


def inventory_by_look(
    service: Service, actor: Actor, study_id: str, as_of_text: str | None = None
) -> Inventory:
    """The central view in blinded words. Raises as `inventory_by_type`."""
    seen = _seen(service, actor, "view.stock.blinded", study_id, as_of_text)
    protocol = seen.study.protocol
    labels = {group.code: group.label for group in protocol.blinding_groups}
    look = {one.code: labels.get(one.blinding_group, one.blinding_group) for one in protocol.kit_types}

    def as_look(line: KitLine) -> KitLine:
        label = look.get(line.kit_type, UNKNOWN_GROUP)
        return line._replace(kit_type=label, lot_id="", last_dispense_date=date.min, shipment_id="")

    stock = tuple(
        LookStock(
            place_kind=line.place_kind,
            place=line.place,
            country=seen.country_of(line),
            kit_group=line.kit_type,
            expiry_date=line.expiry_date,
            status=line.status,
            kits=kits,
        )
        for line, kits in _merged(seen.counts, as_look)
    )
    return Inventory(**seen.common(), stock=stock)


def _merged(counts: Counter[KitLine], key: Any) -> list[tuple[KitLine, int]]:
    merged: Counter[KitLine] = Counter()
    for line, kits in counts.items():
        merged[key(line)] += kits
    return sorted(merged.items())


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one reader may see, as of a moment. `supply`: site -> its kit types; `parcels`: those that the reader may list."""

    study: StudyAt
    at: AsOf
    counts: Counter[KitLine]
    holders: dict[Holder, Any]
    shipments: dict[str, Any]
    supply: dict[str, list[TypeSupply]]
    parcels: Sequence[Any]

    def country_of(self, line: KitLine) -> str | None:
        holder = self.holders.get((line.place_kind, line.place))
        return None if holder is None else str(holder.country)

    def common(self) -> dict[str, Any]:
        """The fields that both variants have."""
        return {
            "study_id": self.study.study_id,
            "as_of": self.at.moment,
            "position": self.at.position,
            "places": self._places(),
            "shipments": self._in_flight(),
        }

    def _today(self, holder: Any) -> date:
        return self.at.moment.astimezone(ZoneInfo(holder.timezone)).date()

    def _places(self) -> tuple[PlaceStock, ...]:
        kits: Counter[Holder] = Counter()
        usable: Counter[Holder] = Counter()
        coming: Counter[Holder] = Counter()
        for line, count in self.counts.items():
            holder = (line.place_kind, line.place)
            if holder in self.holders:
                kits[holder] += count
                fit = line.last_dispense_date >= self._today(self.holders[holder])
                usable[holder] += count if fit and line.status in USABLE else 0
            if (sent := self.shipments.get(line.shipment_id)) is not None:
                coming[sent.to_kind, sent.to_place] += count
        return tuple(
            PlaceStock(
                place_kind=holder[0],
                place=holder[1],
                name=row.name,
                country=row.country,
                kits=kits[holder],
                usable=usable[holder],
                coming=coming[holder],
                days_of_supply=self._days(holder),
            )
            for holder, row in sorted(self.holders.items())
        )

    def _days(self, holder: Holder) -> int | None:
        """Of all kits and all that is due at a site: days of one look beside its stock would tell arms."""
        found = self.supply.get(holder[1], []) if holder[0] == Place.SITE.value else []
        if not found:
            return None
        window = max(one.window_days for one in found)
        due = sum(one.demand * window // one.window_days for one in found)
        return days_of_supply(sum(one.on_hand for one in found), due, window)

    def _in_flight(self) -> tuple[ShipmentInFlight, ...]:
        kits: Counter[tuple[str, str]] = Counter()
        for line, count in self.counts.items():
            if line.shipment_id in self.shipments:
                kits[line.shipment_id, line.status] += count
        found = []
        for (shipment_id, status), count in sorted(kits.items()):
            row = self.shipments[shipment_id]
            expected = row.expected_on if status == KitStatus.IN_TRANSIT.value else None
            to = self.holders.get((row.to_kind, row.to_place))
            today = self._today(to) if to is not None else self.at.moment.date()
            found.append(
                ShipmentInFlight(
                    shipment_id=shipment_id,
                    from_kind=row.from_kind,
                    from_place=row.from_place,
                    to_kind=row.to_kind,
                    to_place=row.to_place,
                    status=status,
                    kits=count,
                    expected_on=expected,
                    late=expected is not None and expected < today,
                )
            )
        return (*found, *(self._parcel(row) for row in self.parcels))

    def _parcel(self, row: Any) -> ShipmentInFlight:
        """A parcel to a subject. Which subject, this view does not say."""
        today = self._today(row)
        return ShipmentInFlight(
            shipment_id=row.parcel_id,
            from_kind=Place.SITE.value,
            from_place=row.site_id,
            to_kind=Place.SUBJECT.value,
            to_place="",
            status=KitStatus.IN_TRANSIT.value,
            kits=row.kits,
            expected_on=row.expected_on,
            late=row.expected_on < today,
        )


def _seen(service: Service, actor: Actor, permission: str, study_id: str, text: str | None) -> _Seen:
    now = service.clock()
    with service.database.read() as connection:
        reach = visible(connection, actor, permission, study_id)
    at = as_of(service.database, study_id, text, now)
    with service.database.read() as connection:
        study = study_at(connection, study_id, at.moment)
        counts = kit_counts(service.database, connection, study_id, at)
        sent = {line.shipment_id for line in counts} | {
            line.place for line in counts if line.place_kind == Place.TRANSIT.value
        }
        shipments = _shipments(connection, study_id, reach, sent)
        holders = _holders(connection, study_id, reach)
        supply = {} if at.past else _supply(service, connection, study_id, reach)
        parcels = _parcels(connection, actor, study_id, at)
    mine = Counter({line: kits for line, kits in counts.items() if _may_see(line, reach, holders, shipments)})
    return _Seen(study, at, mine, holders, shipments, supply, parcels)


def _may_see(line: KitLine, reach: Visible, holders: dict[Holder, Any], shipments: dict[str, Any]) -> bool:
    """Kits at a place of the reader's, or in a shipment from or to one; whoever sees the whole study sees those elsewhere, too."""
    if reach.whole_study:
        return True
    if line.place_kind in HELD:
        return (line.place_kind, line.place) in holders
    return line.place_kind == Place.TRANSIT.value and line.place in shipments


def _holders(connection: Connection, study_id: str, reach: Visible) -> dict[Holder, Any]:
    found: dict[Holder, Any] = {}
    for kind, table, key, mine in (
        (Place.DEPOT.value, depot, depot.c.depot_id, reach.at_depot(depot.c.depot_id)),
        (Place.SITE.value, site, site.c.site_id, reach.at_site(site.c.site_id)),
    ):
        query = select(key.label("key"), table.c.name, table.c.country, table.c.timezone)
        for row in connection.execute(query.where(table.c.study_id == study_id, mine)):
            found[kind, row.key] = row
    return found


def _shipments(connection: Connection, study_id: str, reach: Visible, wanted: set[str]) -> dict[str, Any]:
    """The shipments of these ids that go from or to a place of the reader's."""
    rows = connection.execute(select(shipment).where(shipment.c.study_id == study_id, reach.of_shipment()))
    return {row.shipment_id: row for row in rows if row.shipment_id in wanted}


def _parcels(connection: Connection, actor: Actor, study_id: str, at: AsOf) -> Sequence[Any]:
    """The parcels under way to subjects on the day of the moment, with time zone of their site; none for whoever may not list parcels."""
    try:
        reach = visible(connection, actor, "view.home_parcels", study_id)
    except NotPermitted:
        return ()
    query = (
        select(home_parcel, site.c.timezone, func.count().label("kits"))
        .join_from(
            home_parcel,
            site,
            (site.c.study_id == home_parcel.c.study_id) & (site.c.site_id == home_parcel.c.site_id),
        )
        .join(
            home_parcel_kit,
            (home_parcel_kit.c.study_id == home_parcel.c.study_id)
            & (home_parcel_kit.c.parcel_id == home_parcel.c.parcel_id),
        )
        .where(home_parcel.c.study_id == study_id, reach.at_site(home_parcel.c.site_id))
        .group_by(*home_parcel.c, site.c.timezone)
        .order_by(home_parcel.c.parcel_id)
    )
    rows = connection.execute(query).all()
    return [one for one in rows if _under_way(one, at)]


def _under_way(parcel: Any, at: AsOf) -> bool:
    """Whether a parcel had left and nobody had recorded what became of it, by the dates at its site."""
    if not at.past:
        return bool(parcel.status == "sent")
    today = at.moment.astimezone(ZoneInfo(parcel.timezone)).date()
    return bool(parcel.sent_on <= today and (parcel.ended_on is None or parcel.ended_on > today))


def _supply(
    service: Service, connection: Connection, study_id: str, reach: Visible
) -> dict[str, list[TypeSupply]]:
    now = service.clock()
    rows = open_sites(connection, study_id, (), now)
    places = [site_at(row, now) for row in rows if reach.whole_study or row.site_id in reach.sites]
    situations = site_situations(connection, study_id, places, now, service.protocols)
    return {one.at.site_id: _supply_at(one) for one in situations}


def _supply_at(situation: SiteSituation) -> list[TypeSupply]:
    """Each kit type's countable stock against what is due within its long window."""
    at, protocol = situation.at, situation.protocol
    facts, planned = site_demand(situation)
    on_hand, policy = countable_kits(situation), demand_policy(protocol)
    found: list[TypeSupply] = []
    by_type: dict[str, list[Any]] = defaultdict(list)
    for plan in planned:
        by_type[plan.kit_type].append(plan)
    for one in protocol.kit_types:
        parameters = effective_parameters(
            protocol, one.code, at.today, country=at.country, site=at.site_id, profile=at.profile
        )
        window = parameters.long_window or WINDOW_DAYS
        due = due_visits(by_type[one.code], facts, one.code, at.today, policy)
        offsets = np.array([visit.due_offset for visit in due], dtype=np.int64)
        quantities = np.array([visit.quantity for visit in due], dtype=np.int64)
        demand = int(demand_in_window(offsets, quantities, 0, window))
        found.append(
            TypeSupply(
                site_id=at.site_id,
                kit_type=one.code,
                on_hand=on_hand[one.code],
                demand=demand,
                window_days=window,
                days_of_supply=days_of_supply(on_hand[one.code], demand, window),
            )
        )
    return found

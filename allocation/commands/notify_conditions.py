"""What people are told of without anybody acting: found from the state of the study, for blinded and for unblinded readers apart.

A blinded condition is of a place, a shipment, or a look with a date: never of a kit type, so that it begins and ends alike whatever the
arms are called.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.depot_supply import depot_need, depot_situations
from allocation.commands.open_sites import open_sites, require_in_force, site_at
from allocation.commands.run_out import run_out_by_type
from allocation.commands.service import Service
from allocation.commands.site_supply import site_need, site_situations
from allocation.ledger.schema import depot, kit, shipment, site
from allocation.ledger.shipment_ends import ends_of_row
from allocation.ledger.versions import VERSION_IN_STUDY
from allocation.notify.blinded import BlindedNotice
from allocation.notify.happening import Notice, Told
from allocation.notify.parcels import late_parcels
from allocation.notify.places import NoticePlace, ends_of
from allocation.notify.unblinded import Content, UnblindedNotice, contents_of
from allocation.rules.kit_status import KitStatus, Place
from allocation.study.protocol import Protocol
from allocation.views.study_at import study_at

Found = dict[str, dict[str, Told[Notice]]]
"""Event -> what it is about -> what is told of it. Every event of the check is in it, also when nothing was found."""

USABLE = (KitStatus.DEPOT_AVAILABLE.value, KitStatus.REQUESTED.value, KitStatus.SITE_AVAILABLE.value)


@dataclass(frozen=True, slots=True)
class Conditions:
    """All that is so now, in both variants."""

    blinded: Found[BlindedNotice] = field(default_factory=dict)
    unblinded: Found[UnblindedNotice] = field(default_factory=dict)

    def add(
        self, code: str, about: str, blinded: Told[BlindedNotice], unblinded: Told[UnblindedNotice] | None
    ) -> None:
        """Note a condition that both variants name alike."""
        self.blinded[code].setdefault(about, blinded)
        if unblinded is not None:
            self.unblinded[code][about] = unblinded


def conditions_now(service: Service, study_id: str, now: datetime) -> Conditions:
    """Everything that the check tells of, as of `now` (UTC), by the dates at the places concerned. Raises NotFound."""
    codes = ("late", "parcel_late", "low_stock", "run_out", "expiry")
    found = Conditions({code: {} for code in codes}, {code: {} for code in codes})
    with service.database.read() as connection:
        require_in_force(connection, study_id, now)
        protocol = study_at(connection, study_id, now).protocol
        today = _today_at_places(connection, study_id, now)
        _late(connection, study_id, today, found)
        for about, said in late_parcels(connection, study_id, today):
            found.add("parcel_late", about, said, None)
        _expiring(connection, study_id, protocol, today, found)
        _low(service, connection, study_id, now, found)
    _running_out(service, study_id, found)
    return found


def _today_at_places(connection: Connection, study_id: str, now: datetime) -> dict[NoticePlace, date]:
    places = {}
    for kind, table, key in (("depot", depot, depot.c.depot_id), ("site", site, site.c.site_id)):
        rows = connection.execute(
            select(key.label("key"), table.c.timezone).where(table.c.study_id == study_id)
        )
        for row in rows:
            places[NoticePlace(kind, row.key)] = now.astimezone(ZoneInfo(row.timezone)).date()
    return places


def _late(connection: Connection, study_id: str, today: dict[NoticePlace, date], found: Conditions) -> None:
    """Shipments that were expected before today at their destination; another expected date is another delay."""
    rows = connection.execute(
        select(shipment).where(
            shipment.c.study_id == study_id,
            shipment.c.status == "in_transit",
            shipment.c.expected_on.is_not(None),
        )
    ).all()
    for row in rows:
        ends = ends_of(ends_of_row(row))
        if row.expected_on >= today.get(ends[1], row.expected_on):
            continue
        said = BlindedNotice(
            "Shipment late",
            shipment_id=row.shipment_id,
            from_place=str(ends[0]),
            to_place=str(ends[1]),
            kits=row.kit_count,
            carrier=row.carrier or "",
            tracking_number=row.tracking_number or "",
            due="Was expected on",
            due_on=row.expected_on,
            advice="It has not been received. Ask the carrier, or receive it if it is there.",
        )
        numbers = connection.execute(
            select(kit.c.kit_number).where(kit.c.study_id == study_id, kit.c.shipment_id == row.shipment_id)
        )
        contents = contents_of(connection, study_id, list(numbers.scalars()))
        about = f"{row.shipment_id} {row.expected_on}"
        found.add("late", about, Told(said, ends), Told(UnblindedNotice(said, contents), ends))


def _expiring(
    connection: Connection,
    study_id: str,
    protocol: Protocol,
    today: dict[NoticePlace, date],
    found: Conditions,
) -> None:
    """Usable kits whose last dispensing date comes within the window of their type; in blinded words, of the widest of their look."""
    windows = {one.code: one.expiry_notice_days for one in protocol.kit_types}
    group_of = {one.code: one.blinding_group for one in protocol.kit_types}
    labels = {one.code: one.label for one in protocol.blinding_groups}
    widest: dict[str, int] = defaultdict(int)
    for code, days in windows.items():
        widest[group_of[code]] = max(widest[group_of[code]], days)
    keys = (
        kit.c.place_kind,
        kit.c.place,
        kit.c.kit_type,
        kit.c.lot_id,
        kit.c.expiry_date,
        kit.c.last_dispense_date,
    )
    rows = connection.execute(
        select(*keys, func.count().label("kits"))
        .where(
            kit.c.study_id == study_id,
            kit.c.place_kind.in_((Place.DEPOT.value, Place.SITE.value)),
            kit.c.status.in_(USABLE),
        )
        .group_by(*keys)
        .order_by(*keys)
    )
    looks: dict[tuple[NoticePlace, str, date], int] = defaultdict(int)
    for row in rows:
        place = NoticePlace(row.place_kind, row.place)
        left = (row.last_dispense_date - today.get(place, row.last_dispense_date)).days
        group = group_of.get(row.kit_type, "")
        if left <= widest[group] and widest[group]:
            looks[place, group, row.last_dispense_date] += row.kits
        if left <= windows.get(row.kit_type, 0) and windows.get(row.kit_type, 0):
            said = _expiry_notice(place, labels.get(group, group), row.last_dispense_date, row.kits)
            content = Content(row.kit_type, row.kits, row.lot_id, row.expiry_date)
            about = f"{place} {row.kit_type} {row.lot_id} {row.last_dispense_date}"
            found.unblinded["expiry"][about] = Told(UnblindedNotice(said, (content,)), (place,))
    for (place, group, last), kits in looks.items():
        said = _expiry_notice(place, labels.get(group, group), last, kits)
        found.blinded["expiry"][f"{place} {group} {last}"] = Told(said, (place,))


def _expiry_notice(place: NoticePlace, look: str, last: date, kits: int) -> BlindedNotice:
    return BlindedNotice(
        "Kits expire soon",
        place=str(place),
        look=look,
        kits=kits,
        due="Last dispensing on",
        due_on=last,
    )


def _low(service: Service, connection: Connection, study_id: str, now: datetime, found: Conditions) -> None:
    """Sites and refilled depots that the resupply rule would order for: on hand and on its way, a kit type is at its trigger level."""
    sites = [site_at(row, now) for row in open_sites(connection, study_id, (), now)]
    needs = [
        (NoticePlace("site", one.at.site_id), site_need(one))
        for one in site_situations(connection, study_id, sites, now, service.protocols)
    ]
    version = connection.execute(select(VERSION_IN_STUDY), {"study": study_id, "now": now}).scalar_one()
    needs += [
        (NoticePlace("depot", one.at.depot_id), depot_need(one))
        for one in depot_situations(connection, study_id, version, now, service.protocols)
    ]
    for place, need in needs:
        said = BlindedNotice(
            "Stock is low",
            place=str(place),
            advice="With what is on its way, stock is at the level at which it is ordered.",
        )
        for one in need.decisions:
            if one.triggered:
                contents = (Content(one.kit_type, one.sai),)
                told = Told(UnblindedNotice(said, contents), (place,))
                found.blinded["low_stock"].setdefault(str(place), Told(said, (place,)))
                found.unblinded["low_stock"][f"{place} {one.kit_type}"] = told


def _running_out(service: Service, study_id: str, found: Conditions) -> None:
    """Sites with a kit type whose projected run-out (rule F) is within its alarm days; blinded: the earliest of them."""
    earliest: dict[NoticePlace, date] = {}
    for one in run_out_by_type(service, SYSTEM_ACTOR, study_id).kit_types:
        if not one.alarm or one.run_out_on is None:
            continue
        place = NoticePlace("site", one.site_id)
        earliest[place] = min(one.run_out_on, earliest.get(place, one.run_out_on))
        told = UnblindedNotice(_run_out_notice(place, one.run_out_on), (Content(one.kit_type, one.sai),))
        found.unblinded["run_out"][f"{place} {one.kit_type}"] = Told(told, (place,))
    for place, on in earliest.items():
        found.blinded["run_out"][str(place)] = Told(_run_out_notice(place, on), (place,))


def _run_out_notice(place: NoticePlace, on: date) -> BlindedNotice:
    return BlindedNotice("Stock is projected to run out", place=str(place), due="Projected for", due_on=on)

"""Translation of entries about the study's set-up and its kits: versions, sites, lots, kits, shipments, expiry.

A kit movement states where a kit is from then on, in the words of `allocation.rules.kit_status`. Where it was before follows
from its own earlier movements; `stated_from` repeats what the entry itself says about that ("depot:D1"), so that the two can
be compared (pipelines/supply/conservation.py).
"""

import json
from datetime import date, datetime

from allocation.ledger.reader import SealedEntry
from allocation.rules.kit_status import Act, KitStatus, Place
from pipelines.events.rows import Row, Translation, day

RECEIPTS = {
    "available": (Act.RECEIVE, KitStatus.SITE_AVAILABLE, Place.SITE),
    "quarantined": (Act.RECEIVE_QUARANTINED, KitStatus.QUARANTINED, Place.SITE),
    "damaged": (Act.RECEIVE_DAMAGED, KitStatus.DAMAGED, Place.SITE),
    "missing": (Act.REPORT_LOST, KitStatus.LOST, Place.LOST),
}
"""Disposition of a kit at receipt to the act, and the state and place that it leads to."""


def load_study_version(entry: SealedEntry) -> list[Row]:
    """A version of the protocol, whole, as JSON text with sorted keys."""
    after = entry.after
    document = json.dumps(after["protocol"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    moment = datetime.fromisoformat(after["effective_at"])
    return [("protocol_versions", (after["version"], moment, after["sha256"], document))]


def open_site(entry: SealedEntry) -> list[Row]:
    """A site opens."""
    after = entry.after
    row = (
        entry.site_id,
        after["name"],
        after["country"],
        after["depot_id"],
        after["timezone"],
        after["profile"],
        day(after["opened_on"]),
    )
    return [("sites", row)]


def load_lots(entry: SealedEntry) -> list[Row]:
    """Lots become known."""
    return [
        ("lots", (lot["lot_id"], lot["kit_type"], day(lot["expiry_date"]), lot["status"]))
        for lot in entry.after["lots"]
    ]


def load_kits(entry: SealedEntry) -> list[Row]:
    """Kits appear at a depot."""
    rows: list[Row] = []
    received = day(entry.after.get("received_on"))
    for number, kit_type, lot_id, _, *dates in entry.after["kits"]:
        rows.append(("kits", (number, kit_type, lot_id, *(day(text) for text in dates))))
        rows.append(
            kit_movement(
                entry,
                number,
                Act.LOAD,
                None,
                KitStatus.DEPOT_AVAILABLE,
                Place.DEPOT,
                entry.after["depot_id"],
                received,
            )
        )
    return rows


def order_shipment(entry: SealedEntry) -> list[Row]:
    """Kits at a depot are set aside for a shipment."""
    after = entry.after
    requested = day(after["requested_on"])
    rows = [_shipment(entry, "requested", requested, kits=len(after["kits"]))]
    place = after["depot_id"]
    rows += [
        kit_movement(
            entry, number, Act.REQUEST, f"depot:{place}", KitStatus.REQUESTED, Place.DEPOT, place, requested
        )
        for number in after["kits"]
    ]
    return rows


def dispatch_shipment(entry: SealedEntry) -> list[Row]:
    """The kits of a shipment leave the depot."""
    after = entry.after
    left = day(after["dispatched_on"])
    rows = [_shipment(entry, "dispatched", left, kits=len(after["kits"]))]
    stated = f"depot:{after['depot_id']}" if after.get("depot_id") else None
    shipment = after["shipment_id"]
    rows += [
        kit_movement(entry, number, Act.DISPATCH, stated, KitStatus.IN_TRANSIT, Place.TRANSIT, shipment, left)
        for number in after["kits"]
    ]
    return rows


def receive_shipment(entry: SealedEntry) -> list[Row]:
    """The shipment arrives; each kit gets its disposition at the site."""
    after = entry.after
    arrived = day(after["received_on"])
    rows = [_shipment(entry, "received", arrived, kits=len(after["kits"]))]
    stated = f"transit:{after['shipment_id']}"
    for number, disposition in after["kits"]:
        act, status, place = RECEIPTS[disposition]
        holder = entry.site_id if place == Place.SITE else None
        rows.append(kit_movement(entry, number, act, stated, status, place, holder, arrived))
    return rows


def expire_kits(entry: SealedEntry) -> list[Row]:
    """Kits past their last dispensing date are expired where they are."""
    expired = day(entry.after["as_of"])
    return [
        kit_movement(
            entry, number, Act.EXPIRE, f"{kind}:{place}", KitStatus.EXPIRED, Place(kind), place, expired
        )
        for number, kind, place, *_ in entry.after["kits"]
    ]


def nothing(_entry: SealedEntry) -> list[Row]:
    """The entry changes nothing that a dataset shows; it is still counted in `entries`."""
    return []


def kit_movement(
    entry: SealedEntry,
    number: str,
    act: Act,
    stated_from: str | None,
    status: KitStatus,
    place: Place,
    holder: str | None,
    moved_on: date | None,
) -> Row:
    """A movement of one kit; `holder` is the depot, shipment, site or subject that has it from then on."""
    shipment = entry.after.get("shipment_id")
    return (
        "kit_movements",
        (
            number,
            act.value,
            stated_from,
            status.value,
            place.value,
            holder,
            moved_on,
            shipment,
            entry.recorded_at,
        ),
    )


def _shipment(entry: SealedEntry, step: str, on_date: date | None, *, kits: int) -> Row:
    after = entry.after
    row = (
        after["shipment_id"],
        step,
        after.get("depot_id"),
        entry.site_id,
        after.get("run_id"),
        on_date,
        day(after.get("expected_on")),
        after.get("carrier"),
        after.get("tracking_number"),
        kits,
        entry.recorded_at,
    )
    return ("shipments", row)


TRANSLATIONS: dict[str, Translation] = {
    "load_study_version": load_study_version,
    "open_site": open_site,
    "load_lots": load_lots,
    "load_kits": load_kits,
    "order_shipment": order_shipment,
    "dispatch_shipment": dispatch_shipment,
    "receive_shipment": receive_shipment,
    "expire_kits": expire_kits,
    # Lists hold future allocations, which no dataset may show; a run's orders are entries of their own.
    "upload_list": nothing,
    "generate_list": nothing,
    "activate_list": nothing,
    "run_resupply": nothing,
}

"""Translation of entries that bring kits in and move them: loading, orders, shipments, expiry, acts on kits where they are, recalls.

A kit movement states where a kit is from then on, in the words of `allocation.rules.kit_status`. Where it was before follows
from its own earlier movements; `stated_from` repeats what the entry itself says about that ("depot:D1"), so that the two can
be compared (pipelines/supply/conservation.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from allocation.ledger.projections.supply import RECEIPT_AT
from allocation.ledger.reader import SealedEntry
from allocation.ledger.shipment_ends import ends_of_payload
from allocation.rules.device_reuse import ACT_OF
from allocation.rules.kit_status import (
    PLACES_WITH_KEY,
    TRANSITIONS,
    Act,
    KitStatus,
    Place,
    check_transition,
)
from pipelines.events.rows import Row, Translation, day
from pipelines.events.study_entries import load_lots

Holder = tuple[Place, str]
"""A place, and which depot, shipment, site or subject that is."""


def _outcomes() -> dict[tuple[Act, Place | None], tuple[KitStatus, Place]]:
    """Where an act at a place leads, by the table of kit states, for those that lead to the same from every status that allows them."""
    found: dict[tuple[Act, Place | None], set[tuple[KitStatus, Place]]] = {}
    for row in TRANSITIONS:
        found.setdefault((row.act, row.from_place), set()).add((row.to_status, row.to_place))
    return {key: next(iter(outcomes)) for key, outcomes in found.items() if len(outcomes) == 1}


OUTCOMES = _outcomes()


def load_kits(entry: SealedEntry) -> list[Row]:
    """Kits appear at a depot."""
    after = entry.after
    rows: list[Row] = []
    received = day(after["received_on"])
    for number, kit_type, lot_id, _, *dates in after["kits"]:
        rows.append(("kits", (number, kit_type, lot_id, *(day(text) for text in dates))))
        rows.append(kit_movement(entry, number, Act.LOAD, None, after["depot_id"], received))
    return rows


def take_from_pool(entry: SealedEntry) -> list[Row]:
    """Kits of another study's stock come into this one's, and lots that this one did not know."""
    after = entry.after
    act = Act.TAKE_OVER if after["level"] == Place.DEPOT else Act.TAKE_OVER_AT_SITE
    rows, moved = load_lots(entry), day(after["moved_on"])
    for number, kit_type, lot_id, _, *dates, _ in after["kits"]:
        rows.append(("kits", (number, kit_type, lot_id, *(day(text) for text in dates))))
        rows.append(kit_movement(entry, number, act, None, after["place"], moved))
    return rows


def lend_kits(entry: SealedEntry) -> list[Row]:
    """Kits leave this study's books for those of another one."""
    after = entry.after
    return [
        kit_movement(entry, number, Act.LEND, (Place(kind), place), after["to_study"], day(after["moved_on"]))
        for number, _, kind, place in after["kits"]
    ]


def order_shipment(entry: SealedEntry) -> list[Row]:
    """Kits at a depot are set aside for a shipment."""
    after = entry.after
    requested, ends = day(after["requested_on"]), ends_of_payload(after, entry.site_id or "")
    rows = [_shipment(entry, "requested", requested)]
    if after.get("status") == "proposed":
        rows.append(_shipment(entry, "proposed", requested))
    rows += [
        kit_movement(
            entry, number, Act.REQUEST, (ends.from_kind, ends.from_place), ends.from_place, requested
        )
        for number in after["kits"]
    ]
    return rows + kit_dates(after.get("dates", ()))


def dispatch_shipment(entry: SealedEntry) -> list[Row]:
    """The kits of a shipment leave; those that may no longer be shipped stay behind."""
    after = entry.after
    left, ends = day(after["dispatched_on"]), ends_of_payload(after, entry.site_id or "")
    held_at = (ends.from_kind, ends.from_place)
    rows = [shipment_step(entry, "dispatched", left, len(after["kits"]))]
    for act, numbers, to in (
        (Act.DISPATCH, after["kits"], after["shipment_id"]),
        (Act.CANCEL_REQUEST, after["left_behind"], ends.from_place),
    ):
        rows += [kit_movement(entry, number, act, held_at, to, left) for number in numbers]
    if "split_off" in after:
        rows += split_off(entry, after["split_off"])
    return rows


def split_off(entry: SealedEntry, rest: dict[str, Any]) -> list[Row]:
    """The kits that could not leave wait in a shipment of their own, which is as far as the other one was."""
    own = replace(
        entry, after={**entry.after, **rest, "expected_on": None, "carrier": "", "tracking_number": ""}
    )
    requested = day(rest["requested_on"])
    rows = [_shipment(own, "requested", requested)]
    if entry.after["was"] != "requested":
        rows.append(_shipment(own, entry.after["was"], requested))
    return rows


def receive_shipment(entry: SealedEntry) -> list[Row]:
    """The shipment arrives; each kit gets its disposition at the site or depot."""
    after = entry.after
    ends = ends_of_payload(after, entry.site_id or "")
    arrived, transit = day(after["received_on"]), (Place.TRANSIT, after["shipment_id"])
    rows = [_shipment(entry, "received_part" if "awaited" in after else "received", arrived)]
    rows += [
        kit_movement(entry, number, Act.RECEIVE_UNLISTED, (Place(kind), place), entry.site_id, arrived)
        for number, _, kind, place in after.get("unlisted", ())
    ]
    rows += [
        kit_movement(entry, number, RECEIPT_AT[ends.to_kind][disposition], transit, ends.to_place, arrived)
        for number, disposition in after["kits"]
    ]
    return rows + kit_dates(after.get("dates", ()))


def expire_kits(entry: SealedEntry) -> list[Row]:
    """Expired kits are turned over where they are."""
    expired = day(entry.after["as_of"])
    return [
        kit_movement(entry, number, Act.EXPIRE, (Place(kind), place), place, expired)
        for number, _, kind, place, *_ in entry.after["kits"]
    ]


def _act_on_kits(act: Act) -> Translation:
    """The translation of a command that does one act of the table to kits where they are."""

    def translate(entry: SealedEntry) -> list[Row]:
        moved = day(entry.after.get("moved_on") or entry.after["recalled_on"])
        return [
            kit_movement(entry, number, act, (Place(kind), place), place, moved)
            for number, _, kind, place in entry.after["kits"]
        ]

    return translate


def reissue_device(entry: SealedEntry) -> list[Row]:
    """A device that came back was inspected."""
    return _act_on_kits(ACT_OF[entry.after["outcome"]])(entry)


def recall_lot(entry: SealedEntry) -> list[Row]:
    """What could still be used is quarantined; what is asked back stays with its subject."""
    recalled = day(entry.after["recalled_on"])
    rows = _act_on_kits(Act.RECALL)(entry)
    rows += [
        kit_movement(entry, number, Act.ASK_BACK, (Place.SUBJECT, subject), subject, recalled)
        for number, subject in entry.after["asked_back"]
    ]
    return rows


def settle_excursion(entry: SealedEntry) -> list[Row]:
    """Kits of an excursion leave quarantine, released or rejected."""
    return _act_on_kits(Act(entry.after["decision"]))(entry)


def _into_quarantine(act: Act) -> Translation:
    """The translation of a command that gives kits other dates; those under `kits` are in quarantine after it."""

    def translate(entry: SealedEntry) -> list[Row]:
        after = entry.after
        moved = day(after.get("moved_on") or after["changed_on"])
        rows = kit_dates(
            [*after.get("dates", ()), *([number, *dates] for number, _, _, _, *dates in after["kits"])]
        )
        rows += [
            kit_movement(entry, number, act, (Place(kind), place), place, moved)
            for number, _, kind, place, *_ in after["kits"]
        ]
        return rows

    return translate


def kit_dates(dated: Iterable[Sequence[str]]) -> list[Row]:
    """Kits with their dates (expiry, last ship, last count, last dispense) as rows of `kit_dates`."""
    return [("kit_dates", (number, *(day(text) for text in dates))) for number, *dates in dated]


def kit_movement(
    entry: SealedEntry,
    number: str,
    act: Act,
    stated_from: Holder | None,
    to: str | None,
    moved_on: date | None,
    status_was: KitStatus | None = None,
) -> Row:
    """A movement of one kit. `stated_from`: where the entry says it was; `to`: the depot, shipment, site or subject that has it.

    `status_was`: what it was there, for acts (of returns) that lead elsewhere from another status.
    """
    if status_was is not None and stated_from is not None:
        row = check_transition(number, status_was, stated_from[0], act)
        status, place = row.to_status, row.to_place
    else:
        status, place = OUTCOMES[act, stated_from[0] if stated_from else None]
    holder = to if place in PLACES_WITH_KEY else None
    stated = ":".join(stated_from) if stated_from else None
    shipment = entry.after.get("shipment_id")
    return (
        "kit_movements",
        (number, act.value, stated, status.value, place.value, holder, moved_on, shipment, entry.recorded_at),
    )


def shipment_step(entry: SealedEntry, step: str, on_date: date | None, kits: int | None) -> Row:
    """A step of the shipment that the entry is about; `kits`: how many it has from then on, None where that stays."""
    after = entry.after
    row = (
        after["shipment_id"],
        step,
        *ends_of_payload(after, entry.site_id or "").columns().values(),
        after.get("run_id"),
        on_date,
        day(after.get("expected_on")),
        after.get("carrier") or None,
        after.get("tracking_number") or None,
        kits,
        entry.recorded_at,
    )
    return ("shipments", row)


def _shipment(entry: SealedEntry, step: str, on_date: date | None) -> Row:
    return shipment_step(entry, step, on_date, len(entry.after["kits"]))


TRANSLATIONS: dict[str, Translation] = {
    "load_kits": load_kits,
    "load_bulk": load_kits,
    "take_from_pool": take_from_pool,
    "lend_kits": lend_kits,
    "order_shipment": order_shipment,
    "indent_stock": order_shipment,
    "transfer_kits": order_shipment,
    "dispatch_shipment": dispatch_shipment,
    "receive_shipment": receive_shipment,
    "expire_kits": expire_kits,
    "quarantine_kits": _act_on_kits(Act.QUARANTINE),
    "release_kits": _act_on_kits(Act.RELEASE),
    "reject_kits": _act_on_kits(Act.REJECT),
    "report_kits_damaged": _act_on_kits(Act.REPORT_DAMAGED),
    "report_kits_lost": _act_on_kits(Act.REPORT_LOST),
    "destroy_kits": _act_on_kits(Act.DESTROY),
    "reissue_device": reissue_device,
    "recall_lot": recall_lot,
    "change_lot_expiry": _into_quarantine(Act.EXTEND),
    "record_excursion": _act_on_kits(Act.QUARANTINE),
    "settle_excursion": settle_excursion,
    "judge_lot": _act_on_kits(Act.QUARANTINE),
    "relabel_kits": _into_quarantine(Act.RELABEL),
}

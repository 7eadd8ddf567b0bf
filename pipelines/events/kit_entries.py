"""Translation of entries that bring kits in and move them: loading, orders, shipments, expiry, acts on kits where they are, recalls.

A kit movement states where a kit is from then on, in the words of `allocation.rules.kit_status`. Where it was before follows
from its own earlier movements; `stated_from` repeats what the entry itself says about that ("depot:D1"), so that the two can
be compared (pipelines/supply/conservation.py).
"""

from collections.abc import Iterable, Sequence
from datetime import date

from allocation.ledger.projections.supply import RECEIPT
from allocation.ledger.reader import SealedEntry
from allocation.ledger.shipment_ends import ends_of_payload
from allocation.rules.kit_status import PLACES_WITH_KEY, TRANSITIONS, Act, KitStatus, Place
from pipelines.events.rows import Row, Translation, day

Holder = tuple[Place, str]
"""A place, and which depot, shipment, site or subject that is."""


def _outcomes() -> dict[tuple[Act, Place | None], tuple[KitStatus, Place]]:
    """Where an act at a place leads, by the table of kit states: the same from every status that allows it."""
    found: dict[tuple[Act, Place | None], tuple[KitStatus, Place]] = {}
    for row in TRANSITIONS:
        outcome = found.setdefault((row.act, row.from_place), (row.to_status, row.to_place))
        if outcome != (row.to_status, row.to_place):
            raise ValueError(f"act {row.act} at {row.from_place} leads to more than one state")
    return found


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


def order_shipment(entry: SealedEntry) -> list[Row]:
    """Kits at a depot are set aside for a shipment."""
    after = entry.after
    requested, ends = day(after["requested_on"]), ends_of_payload(after, entry.site_id or "")
    rows = [_shipment(entry, "requested", requested)]
    rows += [
        kit_movement(
            entry, number, Act.REQUEST, (ends.from_kind, ends.from_place), ends.from_place, requested
        )
        for number in after["kits"]
    ]
    return rows + _kit_dates(after.get("dates", ()))


def dispatch_shipment(entry: SealedEntry) -> list[Row]:
    """The kits of a shipment leave; those that may no longer be shipped stay behind."""
    after = entry.after
    left, ends = day(after["dispatched_on"]), ends_of_payload(after, entry.site_id or "")
    held_at = (ends.from_kind, ends.from_place)
    rows = [_shipment(entry, "dispatched", left)]
    for act, numbers, to in (
        (Act.DISPATCH, after["kits"], after["shipment_id"]),
        (Act.CANCEL_REQUEST, after["left_behind"], ends.from_place),
    ):
        rows += [kit_movement(entry, number, act, held_at, to, left) for number in numbers]
    return rows


def receive_shipment(entry: SealedEntry) -> list[Row]:
    """The shipment arrives; each kit gets its disposition at the site."""
    after = entry.after
    arrived, transit = day(after["received_on"]), (Place.TRANSIT, after["shipment_id"])
    rows = [_shipment(entry, "received", arrived)]
    rows += [
        kit_movement(entry, number, RECEIPT[disposition], transit, entry.site_id, arrived)
        for number, disposition in after["kits"]
    ]
    return rows


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
        rows = _kit_dates(
            [*after.get("dates", ()), *([number, *dates] for number, _, _, _, *dates in after["kits"])]
        )
        rows += [
            kit_movement(entry, number, act, (Place(kind), place), place, moved)
            for number, _, kind, place, *_ in after["kits"]
        ]
        return rows

    return translate


def _kit_dates(dated: Iterable[Sequence[str]]) -> list[Row]:
    """Kits with their dates (expiry, last ship, last count, last dispense) as rows of `kit_dates`."""
    return [("kit_dates", (number, *(day(text) for text in dates))) for number, *dates in dated]


def kit_movement(
    entry: SealedEntry,
    number: str,
    act: Act,
    stated_from: Holder | None,
    to: str | None,
    moved_on: date | None,
) -> Row:
    """A movement of one kit. `stated_from`: where the entry says it was; `to`: the depot, shipment, site or subject that has it."""
    status, place = OUTCOMES[act, stated_from[0] if stated_from else None]
    holder = to if place in PLACES_WITH_KEY else None
    stated = ":".join(stated_from) if stated_from else None
    shipment = entry.after.get("shipment_id")
    return (
        "kit_movements",
        (number, act.value, stated, status.value, place.value, holder, moved_on, shipment, entry.recorded_at),
    )


def _shipment(entry: SealedEntry, step: str, on_date: date | None) -> Row:
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
        len(after["kits"]),
        entry.recorded_at,
    )
    return ("shipments", row)


TRANSLATIONS: dict[str, Translation] = {
    "load_kits": load_kits,
    "order_shipment": order_shipment,
    "dispatch_shipment": dispatch_shipment,
    "receive_shipment": receive_shipment,
    "expire_kits": expire_kits,
    "quarantine_kits": _act_on_kits(Act.QUARANTINE),
    "release_kits": _act_on_kits(Act.RELEASE),
    "reject_kits": _act_on_kits(Act.REJECT),
    "report_kits_damaged": _act_on_kits(Act.REPORT_DAMAGED),
    "report_kits_lost": _act_on_kits(Act.REPORT_LOST),
    "destroy_kits": _act_on_kits(Act.DESTROY),
    "recall_lot": recall_lot,
    "change_lot_expiry": _into_quarantine(Act.EXTEND),
    "record_excursion": _act_on_kits(Act.QUARANTINE),
    "settle_excursion": settle_excursion,
    "judge_lot": _act_on_kits(Act.QUARANTINE),
    "relabel_kits": _into_quarantine(Act.RELABEL),
}

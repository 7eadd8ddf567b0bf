"""Translation of entries between an order and its receipt: approval, packing, exchange, cancelling, loss, corrections."""

from allocation.ledger.reader import SealedEntry
from allocation.ledger.shipment_ends import ends_of_payload
from allocation.rules.kit_status import Act, Place
from pipelines.events.kit_entries import kit_dates, kit_movement, shipment_step
from pipelines.events.rows import Row, Translation, day


def approve_order(entry: SealedEntry) -> list[Row]:
    """A proposed order may leave now."""
    return [shipment_step(entry, entry.after["status"], day(entry.after["decided_on"]), None)]


def give_back(entry: SealedEntry) -> list[Row]:
    """An order is refused or cancelled; its kits are stock again."""
    after = entry.after
    decided, ends = day(after["decided_on"]), ends_of_payload(after, entry.site_id or "")
    held_at = (ends.from_kind, ends.from_place)
    rows = [shipment_step(entry, after["status"], decided, None)]
    return rows + [
        kit_movement(entry, number, Act.CANCEL_REQUEST, held_at, ends.from_place, decided)
        for number in after["kits"]
    ]


def exchange_kit(entry: SealedEntry) -> list[Row]:
    """A kit leaves an order, and another takes its place."""
    after = entry.after
    on_date, ends = day(after["exchanged_on"]), ends_of_payload(after, entry.site_id or "")
    held_at = (ends.from_kind, ends.from_place)
    act = Act.REPORT_LOST if after["found"] == "lost" else Act.REPORT_DAMAGED
    # No new step: the order is as far as it was.
    rows = [kit_movement(entry, after["kit_number"], act, held_at, ends.from_place, on_date)]
    if after["replacement"] is not None:
        rows.append(kit_movement(entry, after["replacement"], Act.REQUEST, held_at, ends.from_place, on_date))
    return rows + kit_dates(after.get("dates", ()))


def lose_shipment(entry: SealedEntry) -> list[Row]:
    """A shipment is given up as lost with what is in it."""
    lost = day(entry.after["lost_on"])
    rows = [shipment_step(entry, "lost", lost, None)]
    return rows + [
        kit_movement(entry, number, Act.LOSE_SHIPMENT, (Place(kind), place), None, lost)
        for number, _, kind, place in entry.after["kits"]
    ]


def correct_dispatch(entry: SealedEntry) -> list[Row]:
    """Carrier, tracking number or expected arrival are other ones from now on; the shipment is as far as it was."""
    return [shipment_step(entry, "corrected", day(entry.after["corrected_on"]), None)]


def pack_kits(_entry: SealedEntry) -> list[Row]:
    """Scanning moves no kit."""
    return []


TRANSLATIONS: dict[str, Translation] = {
    "approve_order": approve_order,
    "refuse_order": give_back,
    "cancel_shipment": give_back,
    "exchange_kit": exchange_kit,
    "lose_shipment": lose_shipment,
    "correct_dispatch": correct_dispatch,
    "pack_kits": pack_kits,
}

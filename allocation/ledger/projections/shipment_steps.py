"""Folds of what happens to a shipment between order and receipt: approval, packing, cancelling, loss, corrections."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, update

from allocation.ledger.projections.fold import Fold, day, expect_rows
from allocation.ledger.projections.kit_dates import date_kits
from allocation.ledger.projections.kit_moves import chunks, move_kits, transition
from allocation.ledger.projections.supply import advance, by_state, loggers_text, unlist
from allocation.ledger.schema import shipment, shipment_kit
from allocation.ledger.shipment_ends import ends_of_payload
from allocation.rules.kit_status import Act, KitStatus, check_transition


def approve_order(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A proposed order is confirmed."""
    advance(connection, study_id, after, after["was"], {"status": after["status"]})


def give_back(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """An order is refused or cancelled, and its kits are stock again where they were set aside."""
    advance(connection, study_id, after, after["was"], {"status": after["status"]})
    ends = ends_of_payload(after, site_id)
    row, held_at = transition(Act.CANCEL_REQUEST, ends.from_kind), ends.from_place
    move_kits(connection, study_id, after["kits"], row, held_at, held_at, shipment_id=None)
    date_kits(connection, study_id, after.get("dates", ()))


def pack_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits were scanned into the box."""
    for some in chunks(after["kits"]):
        packed = update(shipment_kit).where(
            shipment_kit.c.study_id == study_id,
            shipment_kit.c.shipment_id == after["shipment_id"],
            shipment_kit.c.kit_number.in_(some),
            shipment_kit.c.packed_on.is_(None),
        )
        changed = connection.execute(packed.values(packed_on=day(after["packed_on"])))
        expect_rows(changed, len(some), f"kits to pack of shipment {after['shipment_id']}")


def exchange_kit(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """A kit that could not be packed leaves the order, and the one that was chosen instead is set aside for it."""
    shipment_id, number, new = after["shipment_id"], after["kit_number"], after["replacement"]
    ends = ends_of_payload(after, site_id)
    held_at = ends.from_place
    act = Act.REPORT_LOST if after["found"] == "lost" else Act.REPORT_DAMAGED
    row = check_transition(number, KitStatus.REQUESTED, ends.from_kind, act)
    target = held_at if row.to_place == row.from_place else ""
    move_kits(connection, study_id, [number], row, held_at, target, shipment_id=None)
    # The new one may have been on the list before, and have left it for quarantine.
    unlist(connection, study_id, shipment_id, [number, *([] if new is None else [new])])
    if new is not None:
        requested = transition(Act.REQUEST, ends.from_kind)
        move_kits(connection, study_id, [new], requested, held_at, held_at, shipment_id=shipment_id)
        date_kits(connection, study_id, after.get("dates", ()))
        keys = {"study_id": study_id, "shipment_id": shipment_id, "kit_number": new}
        connection.execute(insert(shipment_kit), keys)
    advance(connection, study_id, after, after["was"], {"kit_count": after["kit_count"]})


def lose_shipment(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A shipment is given up as lost with what is still in it; it counts no more as on its way."""
    advance(connection, study_id, after, after["was"], {"status": after["status"]})
    for row, place, numbers in by_state(after, Act.LOSE_SHIPMENT):
        move_kits(connection, study_id, numbers, row, place, "")
        for some in chunks(numbers):
            of_it = update(shipment_kit).where(
                shipment_kit.c.study_id == study_id,
                shipment_kit.c.shipment_id == after["shipment_id"],
                shipment_kit.c.kit_number.in_(some),
            )
            connection.execute(of_it.values(disposition="lost"))


def correct_dispatch(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """What was said at dispatch is corrected; what the payload does not hold stays."""
    values: dict[str, Any] = {name: after[name] for name in ("carrier", "tracking_number") if name in after}
    if "expected_on" in after:
        values["expected_on"] = day(after["expected_on"])
    if "loggers" in after:
        values["loggers_json"] = loggers_text(after["loggers"])
    of_it = (shipment.c.study_id == study_id) & (shipment.c.shipment_id == after["shipment_id"])
    changed = connection.execute(update(shipment).where(of_it).values(**values))
    expect_rows(changed, 1, f"shipment {after['shipment_id']}")


FOLDS: dict[str, Fold] = {
    "approve_order": approve_order,
    "refuse_order": give_back,
    "cancel_shipment": give_back,
    "pack_kits": pack_kits,
    "exchange_kit": exchange_kit,
    "lose_shipment": lose_shipment,
    "correct_dispatch": correct_dispatch,
}

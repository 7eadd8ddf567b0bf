"""Folds of entries that move kits: orders, shipments, receipts, expiry, acts on kits where they are, recalls; the end of a run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update

from allocation.ledger.projections.fold import Fold, day, expect_rows, moment
from allocation.ledger.projections.kit_dates import date_kits
from allocation.ledger.projections.kit_moves import chunks, move_kits, transition
from allocation.ledger.schema import kit, kit_numbering, lot, resupply_run, shipment, shipment_kit
from allocation.ledger.shipment_ends import ShipmentEnds, ends_of_payload
from allocation.rules.kit_status import Act, KitStatus, Place, Transition, check_transition

RECEIPT: dict[str, Act] = {
    "available": Act.RECEIVE,
    "damaged": Act.RECEIVE_DAMAGED,
    "quarantined": Act.RECEIVE_QUARANTINED,
    "lost": Act.REPORT_LOST,
}
"""The disposition that a receipt at a site gives a kit -> the act in the table of kit states."""

RECEIPT_AT_DEPOT: dict[str, Act] = {
    "available": Act.RECEIVE_AT_DEPOT,
    "damaged": Act.RECEIVE_DAMAGED_AT_DEPOT,
    "quarantined": Act.RECEIVE_QUARANTINED_AT_DEPOT,
    "lost": Act.REPORT_LOST,
}
"""The same at a depot."""

RECEIPT_AT: dict[Place, dict[str, Act]] = {Place.SITE: RECEIPT, Place.DEPOT: RECEIPT_AT_DEPOT}

FORGOTTEN: dict[KitStatus | None, dict[str, None]] = {
    KitStatus.REQUESTED: {"shipment_id": None},
    KitStatus.ASSIGNED: {"subject_id": None, "visit_number": None},
}
"""The state that a kit is taken out of -> what it was set aside for, which it is no more."""


def advance(
    connection: Connection, study_id: str, after: dict[str, Any], found: str, values: dict[str, Any]
) -> None:
    """Give the payload's shipment these values. Raises ProjectionConflict unless it is in the status `found`."""
    statement = update(shipment).where(
        shipment.c.study_id == study_id,
        shipment.c.shipment_id == after["shipment_id"],
        shipment.c.status == found,
    )
    expect_rows(connection.execute(statement.values(**values)), 1, f"shipment {after['shipment_id']}")


def loggers_text(serials: Sequence[str]) -> str | None:
    """How serial numbers of loggers stand in the table; None for none."""
    return json.dumps(list(serials)) if serials else None


def order_shipment(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """Kits at the depot, or at a site for another one, are set aside for a shipment."""
    shipment_id, ends = after["shipment_id"], ends_of_payload(after, site_id)
    connection.execute(
        insert(shipment),
        {
            "study_id": study_id,
            "shipment_id": shipment_id,
            **ends.columns(),
            "status": after.get("status", "requested"),
            "kit_count": len(after["kits"]),
            "requested_on": day(after["requested_on"]),
            "run_id": after.get("run_id"),
            "ordered_by": after.get("ordered_by"),
        },
    )
    connection.execute(
        insert(shipment_kit),
        [
            {"study_id": study_id, "shipment_id": shipment_id, "kit_number": number}
            for number in after["kits"]
        ],
    )
    row, held_at = transition(Act.REQUEST, ends.from_kind), ends.from_place
    move_kits(connection, study_id, after["kits"], row, held_at, held_at, shipment_id=shipment_id)
    date_kits(connection, study_id, after.get("dates", ()))


def dispatch_shipment(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """The shipment leaves with its kits."""
    values = {
        "status": "in_transit",
        "kit_count": len(after["kits"]),
        "dispatched_on": day(after["dispatched_on"]),
        "expected_on": day(after["expected_on"]),
        "carrier": after["carrier"],
        "tracking_number": after["tracking_number"],
        "loggers_json": loggers_text(after.get("loggers", ())),
    }
    advance(connection, study_id, after, after.get("was", "requested"), values)
    ends = ends_of_payload(after, site_id)
    if "split_off" in after:
        _split_off(connection, study_id, ends, after)
    row, held_at = transition(Act.DISPATCH, ends.from_kind), ends.from_place
    move_kits(connection, study_id, after["kits"], row, held_at, after["shipment_id"])
    back = transition(Act.CANCEL_REQUEST, ends.from_kind)
    move_kits(connection, study_id, after["left_behind"], back, held_at, held_at, shipment_id=None)
    date_kits(connection, study_id, after.get("dates", ()))


def _split_off(connection: Connection, study_id: str, ends: ShipmentEnds, after: dict[str, Any]) -> None:
    """The kits that could not leave become a shipment of their own, which is as far as this one was."""
    rest = after["split_off"]
    connection.execute(
        insert(shipment),
        {
            "study_id": study_id,
            "shipment_id": rest["shipment_id"],
            **ends.columns(),
            "status": after["was"],
            "kit_count": len(rest["kits"]),
            "requested_on": day(rest["requested_on"]),
            "run_id": rest["run_id"],
            "ordered_by": rest["ordered_by"],
            "split_from": after["shipment_id"],
        },
    )
    for table, held in ((kit, kit.c.shipment_id), (shipment_kit, shipment_kit.c.shipment_id)):
        for some in chunks(rest["kits"]):
            moved = update(table).where(
                table.c.study_id == study_id, held == after["shipment_id"], table.c.kit_number.in_(some)
            )
            changed = connection.execute(moved.values(shipment_id=rest["shipment_id"]))
            expect_rows(changed, len(some), f"kits of shipment {rest['shipment_id']}")


def receive_shipment(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """The shipment arrives, in whole or in part; every kit that came gets its disposition, and what was not listed is kept apart."""
    awaited = bool(after.get("awaited"))
    received = {"status": "received", "received_on": day(after["received_on"])}
    advance(connection, study_id, after, "in_transit", {"status": "in_transit"} if awaited else received)
    ends = ends_of_payload(after, site_id)
    by_disposition: dict[str, list[str]] = defaultdict(list)
    for number, disposition in after["kits"]:
        by_disposition[disposition].append(number)
    held = set(after.get("quarantined_before", ()))
    for disposition, numbers in sorted(by_disposition.items()):
        for status in (KitStatus.IN_TRANSIT, KitStatus.QUARANTINED):
            some = [one for one in numbers if (one in held) == (status == KitStatus.QUARANTINED)]
            if some:
                act = RECEIPT_AT[ends.to_kind][disposition]
                row = check_transition(some[0], status, Place.TRANSIT, act)
                target = ends.to_place if row.to_place == ends.to_kind else ""
                move_kits(connection, study_id, some, row, after["shipment_id"], target)
    if after.get("unlisted"):
        receive_unlisted(connection, study_id, site_id, after)
        date_kits(connection, study_id, after.get("dates", ()))
    if not after["kits"]:
        return
    keys = shipment_kit.c
    connection.execute(
        update(shipment_kit)
        .where(
            keys.study_id == study_id,
            keys.shipment_id == after["shipment_id"],
            keys.kit_number == bindparam("number"),
        )
        .values(disposition=bindparam("found")),
        [{"number": number, "found": disposition} for number, disposition in after["kits"]],
    )


def unlist(connection: Connection, study_id: str, shipment_id: str, numbers: Sequence[str]) -> None:
    """Take these kits from a shipment's list, if they are on it."""
    for some in chunks(numbers):
        listed = (shipment_kit.c.shipment_id == shipment_id) & shipment_kit.c.kit_number.in_(some)
        connection.execute(delete(shipment_kit).where(shipment_kit.c.study_id == study_id, listed))


def receive_unlisted(connection: Connection, study_id: str, site_id: str, after: dict[str, Any]) -> None:
    """Kits that were in the box and not in the shipment are at the site, wherever they should have been; they are of this shipment now."""
    shipment_id, numbers = after["shipment_id"], [row[0] for row in after["unlisted"]]
    for row, place, some in by_state({"kits": after["unlisted"]}, Act.RECEIVE_UNLISTED):
        move_kits(connection, study_id, some, row, place, site_id, shipment_id=shipment_id)
    unlist(connection, study_id, shipment_id, numbers)  # one that was left behind at dispatch is on the list
    keys = {"study_id": study_id, "shipment_id": shipment_id, "disposition": "unlisted"}
    connection.execute(insert(shipment_kit), [{**keys, "kit_number": number} for number in numbers])


def expire_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits past their last dispensing date are turned over to expired where they are."""
    for row, place, numbers in by_state(after, Act.EXPIRE):
        move_kits(connection, study_id, numbers, row, place, place)


def by_state(after: dict[str, Any], act: Act) -> Iterator[tuple[Transition, str, list[str]]]:
    """The kits of a payload by the state that it says they were in: the row of the table, their holder, their numbers."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for number, status, place_kind, place, *_ in after["kits"]:
        found[status, place_kind, place].append(number)
    for (status, place_kind, place), numbers in sorted(found.items()):
        yield check_transition(numbers[0], KitStatus(status), Place(place_kind), act), place, numbers


def act_on_kits(connection: Connection, study_id: str, act: Act, after: dict[str, Any]) -> None:
    """Kits are done something to where they are; what leaves an open order or a subject that it was assigned to forgets it."""
    for row, place, numbers in by_state(after, act):
        target = place if row.to_place == row.from_place else ""
        move_kits(connection, study_id, numbers, row, place, target, **FORGOTTEN.get(row.from_status, {}))
    if "lot_status" in after:
        statement = update(lot).where(lot.c.study_id == study_id, lot.c.lot_id == after["lot_id"])
        changed = connection.execute(statement.values(status=after["lot_status"]))
        expect_rows(changed, 1, f"lot {after['lot_id']}")
    date_kits(connection, study_id, after.get("dates", ()))


def fold_of_act(act: Act) -> Fold:
    """The fold of a command that does one act of the table."""

    def fold(connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]) -> None:
        act_on_kits(connection, study_id, act, after)

    return fold


def recall_lot(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """What could still be used of a lot is in quarantine; what subjects have is asked back."""
    act_on_kits(connection, study_id, Act.RECALL, after)
    row, asked_on = transition(Act.ASK_BACK, Place.SUBJECT), day(after["recalled_on"])
    by_subject: dict[str, list[str]] = defaultdict(list)
    for number, subject_id in after["asked_back"]:
        by_subject[subject_id].append(number)
    for subject_id, numbers in sorted(by_subject.items()):
        move_kits(connection, study_id, numbers, row, subject_id, subject_id, return_asked_on=asked_on)


def number_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits to be packaged have their numbers; the running index goes on behind them. They come in when they are loaded."""
    if after["first_index"] == 0:
        row = {"study_id": study_id, "seed": after["seed"], "digits": after["digits"]}
        connection.execute(insert(kit_numbering), {**row, "numbered": after["numbered"]})
        return
    statement = update(kit_numbering).where(
        kit_numbering.c.study_id == study_id, kit_numbering.c.numbered == after["first_index"]
    )
    expect_rows(connection.execute(statement.values(numbered=after["numbered"])), 1, "numbering of kits")


def run_resupply(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A resupply run has ended; its orders are entries of their own."""
    connection.execute(
        insert(resupply_run),
        {
            "study_id": study_id,
            "run_id": after["run_id"],
            "run_date": day(after["run_date"]),
            "orders": after["orders"],
            "kits": after["kits_ordered"],
            "began_at": moment(after.get("began_at")),
            "scheduled_for": moment(after.get("scheduled_for")),
        },
    )


FOLDS: dict[str, Fold] = {
    "order_shipment": order_shipment,
    "indent_stock": order_shipment,
    "transfer_kits": order_shipment,
    "dispatch_shipment": dispatch_shipment,
    "receive_shipment": receive_shipment,
    "expire_kits": expire_kits,
    "quarantine_kits": fold_of_act(Act.QUARANTINE),
    "release_kits": fold_of_act(Act.RELEASE),
    "reject_kits": fold_of_act(Act.REJECT),
    "report_kits_damaged": fold_of_act(Act.REPORT_DAMAGED),
    "report_kits_lost": fold_of_act(Act.REPORT_LOST),
    "recall_lot": recall_lot,
    "number_kits": number_kits,
    "run_resupply": run_resupply,
}

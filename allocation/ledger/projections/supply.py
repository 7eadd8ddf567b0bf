"""Folds of entries that move kits: orders, shipments, receipts, expiry, acts on kits where they are, recalls; the end of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update

from allocation.ledger.projections.fold import Fold, day, expect_rows
from allocation.ledger.projections.kit_dates import date_kits
from allocation.ledger.projections.kit_moves import move_kits, transition
from allocation.ledger.schema import kit_numbering, lot, resupply_run, shipment, shipment_kit
from allocation.ledger.shipment_ends import ends_of_payload
from allocation.rules.kit_status import Act, KitStatus, Place, Transition, check_transition

RECEIPT: dict[str, Act] = {
    "available": Act.RECEIVE,
    "damaged": Act.RECEIVE_DAMAGED,
    "quarantined": Act.RECEIVE_QUARANTINED,
    "lost": Act.REPORT_LOST,
}
"""The disposition that a receipt gives a kit -> the act in the table of kit states."""

FORGOTTEN: dict[KitStatus | None, dict[str, None]] = {
    KitStatus.REQUESTED: {"shipment_id": None},
    KitStatus.ASSIGNED: {"subject_id": None, "visit_number": None},
}
"""The state that a kit is taken out of -> what it was set aside for, which it is no more."""


def _advance(
    connection: Connection, study_id: str, after: dict[str, Any], found: str, values: dict[str, Any]
) -> None:
    statement = update(shipment).where(
        shipment.c.study_id == study_id,
        shipment.c.shipment_id == after["shipment_id"],
        shipment.c.status == found,
    )
    expect_rows(connection.execute(statement.values(**values)), 1, f"shipment {after['shipment_id']}")


def order_shipment(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """Kits at the depot are set aside for a shipment."""
    shipment_id, ends = after["shipment_id"], ends_of_payload(after, site_id)
    connection.execute(
        insert(shipment),
        {
            "study_id": study_id,
            "shipment_id": shipment_id,
            **ends.columns(),
            "status": "requested",
            "kit_count": len(after["kits"]),
            "requested_on": day(after["requested_on"]),
            "run_id": after["run_id"],
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
    }
    _advance(connection, study_id, after, "requested", values)
    ends = ends_of_payload(after, site_id)
    row, held_at = transition(Act.DISPATCH, ends.from_kind), ends.from_place
    move_kits(connection, study_id, after["kits"], row, held_at, after["shipment_id"])
    back = transition(Act.CANCEL_REQUEST, ends.from_kind)
    move_kits(connection, study_id, after["left_behind"], back, held_at, held_at, shipment_id=None)


def receive_shipment(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """The shipment arrives; every kit gets its disposition."""
    received = {"status": "received", "received_on": day(after["received_on"])}
    _advance(connection, study_id, after, "in_transit", received)
    by_disposition: dict[str, list[str]] = defaultdict(list)
    for number, disposition in after["kits"]:
        by_disposition[disposition].append(number)
    held = set(after.get("quarantined_before", ()))
    for disposition, numbers in sorted(by_disposition.items()):
        for status in (KitStatus.IN_TRANSIT, KitStatus.QUARANTINED):
            some = [one for one in numbers if (one in held) == (status == KitStatus.QUARANTINED)]
            if some:
                row = check_transition(some[0], status, Place.TRANSIT, RECEIPT[disposition])
                target = site_id if row.to_place == Place.SITE else ""
                move_kits(connection, study_id, some, row, after["shipment_id"], target)
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


def expire_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits past their last dispensing date are turned over to expired where they are."""
    for row, place, numbers in _by_state(after, Act.EXPIRE):
        move_kits(connection, study_id, numbers, row, place, place)


def _by_state(after: dict[str, Any], act: Act) -> Iterator[tuple[Transition, str, list[str]]]:
    """The kits of a payload by the state that it says they were in: the row of the table, their holder, their numbers."""
    by_state: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for number, status, place_kind, place, *_ in after["kits"]:
        by_state[status, place_kind, place].append(number)
    for (status, place_kind, place), numbers in sorted(by_state.items()):
        yield check_transition(numbers[0], KitStatus(status), Place(place_kind), act), place, numbers


def act_on_kits(connection: Connection, study_id: str, act: Act, after: dict[str, Any]) -> None:
    """Kits are done something to where they are; what leaves an open order or a subject that it was assigned to forgets it."""
    for row, place, numbers in _by_state(after, act):
        target = place if row.to_place == row.from_place else ""
        move_kits(connection, study_id, numbers, row, place, target, **FORGOTTEN.get(row.from_status, {}))
    if "lot_status" in after:
        statement = update(lot).where(lot.c.study_id == study_id, lot.c.lot_id == after["lot_id"])
        changed = connection.execute(statement.values(status=after["lot_status"]))
        expect_rows(changed, 1, f"lot {after['lot_id']}")


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
        },
    )


FOLDS: dict[str, Fold] = {
    "order_shipment": order_shipment,
    "dispatch_shipment": dispatch_shipment,
    "receive_shipment": receive_shipment,
    "expire_kits": expire_kits,
    "quarantine_kits": fold_of_act(Act.QUARANTINE),
    "release_kits": fold_of_act(Act.RELEASE),
    "reject_kits": fold_of_act(Act.REJECT),
    "report_kits_damaged": fold_of_act(Act.REPORT_DAMAGED),
    "report_kits_lost": fold_of_act(Act.REPORT_LOST),
    "destroy_kits": fold_of_act(Act.DESTROY),
    "recall_lot": recall_lot,
    "number_kits": number_kits,
    "run_resupply": run_resupply,
}

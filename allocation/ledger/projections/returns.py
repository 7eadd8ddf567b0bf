"""Folds of what comes back: units counted from subjects, and the steps of a return."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update

from allocation.ledger.projections.fold import Fold, day, expect_rows
from allocation.ledger.projections.kit_moves import move_kits, transition
from allocation.ledger.projections.supply import act_on_kits
from allocation.ledger.schema import (
    destruction_certificate,
    kit_count,
    return_kit,
    shipment,
    shipment_kit,
    site_return,
)
from allocation.ledger.shipment_ends import ends_of_payload
from allocation.rules.kit_status import Act, KitStatus, Place, check_transition

DECLARED_BY: dict[KitStatus, Act] = {
    KitStatus.SITE_AVAILABLE: Act.RETURN_UNUSED,
    KitStatus.EXPIRED: Act.RETURN_UNUSABLE,
    KitStatus.DAMAGED: Act.RETURN_UNUSABLE,
    KitStatus.QUARANTINED: Act.RETURN_UNUSABLE,
}
"""The state of a kit at its site -> the act that declares it for return. What subjects brought back is returned already."""

RECEIVED_BY: dict[str, Act] = {
    "good": Act.RECEIVE_RETURN,
    "damaged": Act.RECEIVE_RETURN_DAMAGED,
    "missing": Act.FIND_MISSING,
}
"""What the depot finds of a kit of a return -> the act."""


def return_from_subject(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """Kits come back from a subject with units counted; containers that do not come back are lost."""
    back = [one["kit_number"] for one in after["kits"] if one["came_back"]]
    lost = [one["kit_number"] for one in after["kits"] if not one["came_back"]]
    row = transition(Act.RETURN_FROM_SUBJECT, Place.SUBJECT)
    move_kits(connection, study_id, back, row, subject_id, site_id)
    row = transition(Act.REPORT_LOST, Place.SUBJECT)
    move_kits(connection, study_id, lost, row, subject_id, "")
    counts = [_count(study_id, subject_id, site_id, after, one, "") for one in after["kits"]]
    connection.execute(insert(kit_count), counts)


def correct_kit_count(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """A count is corrected by a later one; the earlier one stays. A return that declares the kit declares the corrected count.

    Of bulk supply the entry names all units of a lot under `kits`.
    """
    for one in after.get("kits", [after]):
        corrected = _count(study_id, subject_id, site_id, one, one, after["why"])
        connection.execute(insert(kit_count), corrected)
        if one["return_id"] is not None:
            line = update(return_kit).where(
                return_kit.c.study_id == study_id,
                return_kit.c.return_id == one["return_id"],
                return_kit.c.kit_number == one["kit_number"],
            )
            expect_rows(
                connection.execute(line.values(declared_units=one["returned_units"])), 1, "kit of a return"
            )


def _count(
    study_id: str, subject_id: str, site_id: str, after: dict[str, Any], counted: dict[str, Any], why: str
) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "kit_number": counted["kit_number"],
        "use": counted.get("use", 1),
        "revision": counted.get("revision", 0),
        "subject_id": subject_id,
        "site_id": site_id,
        "returned_on": day(after["returned_on"]),
        "came_back": counted["came_back"],
        "dispensed_units": counted["dispensed_units"],
        "returned_units": counted["returned_units"],
        "lost_units": counted["lost_units"],
        "used_units": counted["used_units"],
        "reason": why,
    }


def declare_return(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """A site sets kits aside for return: none of them is used there any more."""
    connection.execute(
        insert(site_return),
        {
            "study_id": study_id,
            "return_id": after["return_id"],
            "site_id": site_id,
            "depot_id": after["depot_id"],
            "state": after["state"],
            "declared_on": day(after["on"]),
            "declared_by": after["by"],
        },
    )
    connection.execute(
        insert(return_kit),
        [
            {
                "study_id": study_id,
                "return_id": after["return_id"],
                "kit_number": number,
                "why": why,
                "declared_units": units,
            }
            for number, _, why, units in after["kits"]
        ],
    )
    by_status: dict[KitStatus, list[str]] = defaultdict(list)
    for number, status, *_ in after["kits"]:
        by_status[KitStatus(status)].append(number)
    for status, numbers in sorted(by_status.items()):
        if status in DECLARED_BY:
            row = check_transition(numbers[0], status, Place.SITE, DECLARED_BY[status])
            move_kits(connection, study_id, numbers, row, site_id, site_id)


def reconcile_return(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A monitor has counted: what differs stands beside what was declared, and what is not there is missing."""
    _advance(connection, study_id, after, reconciled_on=day(after["on"]), reconciled_by=after["by"])
    columns = return_kit.c
    connection.execute(
        update(return_kit)
        .where(
            columns.study_id == study_id,
            columns.return_id == after["return_id"],
            columns.kit_number == bindparam("number"),
        )
        .values(
            found=bindparam("seen"), counted_units=bindparam("units"), discrepancy=bindparam("difference")
        ),
        [
            {"number": number, "seen": found, "units": units, "difference": difference}
            for number, found, units, difference in after["kits"]
        ],
    )
    missing = _by_state(after["missing"])
    for (status, kind, place), numbers in missing:
        row = check_transition(numbers[0], status, kind, Act.FIND_MISSING)
        move_kits(connection, study_id, numbers, row, place, "")
        _settle(connection, study_id, after, numbers, "missing")


def approve_return(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A project manager lets the kits go."""
    _advance(connection, study_id, after, approved_on=day(after["on"]), approved_by=after["by"])


def withdraw_return(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """The return is taken back; its unused kits go into quarantine, from which alone they are used again."""
    _advance(connection, study_id, after)
    row = transition(Act.TAKE_BACK, Place.SITE)
    move_kits(connection, study_id, after["taken_back"], row, site_id, site_id)


def dispatch_return(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """The kits of a return leave the site, in a shipment of the return's name."""
    _advance(connection, study_id, after)
    shipment_id, numbers = after["shipment_id"], [number for number, *_ in after["kits"]]
    connection.execute(
        insert(shipment),
        {
            "study_id": study_id,
            "shipment_id": shipment_id,
            **ends_of_payload(after, site_id).columns(),
            "status": "in_transit",
            "kit_count": len(numbers),
            "requested_on": day(after["on"]),
            "dispatched_on": day(after["on"]),
            "expected_on": day(after["expected_on"]),
            "carrier": after["carrier"],
            "tracking_number": after["tracking_number"],
        },
    )
    connection.execute(
        insert(shipment_kit),
        [{"study_id": study_id, "shipment_id": shipment_id, "kit_number": number} for number in numbers],
    )
    for (status, kind, place), some in _by_state(after["kits"]):
        row = check_transition(some[0], status, kind, Act.SHIP_RETURN)
        move_kits(connection, study_id, some, row, place, shipment_id, shipment_id=shipment_id)


def receive_return(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """The depot has the kits of a return, each with what was found of it; what did not arrive is missing."""
    _advance(connection, study_id, after)
    arrived = update(shipment).where(
        shipment.c.study_id == study_id,
        shipment.c.shipment_id == after["shipment_id"],
        shipment.c.status == "in_transit",
    )
    values = {"status": "received", "received_on": day(after["on"])}
    expect_rows(connection.execute(arrived.values(**values)), 1, f"shipment {after['shipment_id']}")
    by_finding: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for number, status, kind, place, found in after["received"]:
        by_finding[found].append((number, status, kind, place))
    by_finding["missing"] = after["missing"]
    for found, kits in sorted(by_finding.items()):
        for (status, kind, place), numbers in _by_state(kits):
            row = check_transition(numbers[0], status, kind, RECEIVED_BY[found])
            target = "" if found == "missing" else after["depot_id"]
            move_kits(connection, study_id, numbers, row, place, target)
            _received(connection, study_id, after, numbers, found)
    _settle(connection, study_id, after, [number for number, *_ in after["missing"]], "missing")


def _received(
    connection: Connection, study_id: str, after: dict[str, Any], numbers: list[str], found: str
) -> None:
    """What was found of kits, on their lines of the return and of its shipment."""
    line, part = return_kit.c, shipment_kit.c
    of_return = update(return_kit).where(
        line.study_id == study_id,
        line.return_id == after["return_id"],
        line.kit_number == bindparam("number"),
    )
    of_shipment = update(shipment_kit).where(
        part.study_id == study_id,
        part.shipment_id == after["shipment_id"],
        part.kit_number == bindparam("number"),
    )
    for number in numbers:
        said = after["said"].get(number)
        also = {} if said is None else {"discrepancy": said}
        connection.execute(of_return.values(received_as=found, **also), {"number": number})
        connection.execute(of_shipment.values(disposition=found), {"number": number})


def reuse_returned_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Unused kits in good order are the depot's stock again."""
    _advance(connection, study_id, after)
    numbers = [number for number, *_ in after["kits"]]
    row, depot_id = transition(Act.REUSE, Place.RETURNED), after["depot_id"]
    move_kits(connection, study_id, numbers, row, depot_id, depot_id, shipment_id=None)
    _settle(connection, study_id, after, numbers, "reused")


def keep_certificate(connection: Connection, study_id: str, after: dict[str, Any]) -> None:
    """The certificate that kits were destroyed under, if it is new; entries of before certificates were asked for name none."""
    certificate = after.get("certificate")
    if certificate is not None and after["new_certificate"]:
        row = {**certificate, "destroyed_on": day(certificate["destroyed_on"])}
        connection.execute(insert(destruction_certificate), {"study_id": study_id, **row})


def destroy_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits that were never returned are destroyed where they are, under a certificate."""
    keep_certificate(connection, study_id, after)
    act_on_kits(connection, study_id, Act.DESTROY, after)


def destroy_returned_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits are destroyed under a certificate, at the depot or where the study allows it at the site."""
    _advance(connection, study_id, after)
    keep_certificate(connection, study_id, after)
    numbers = []
    for (status, kind, place), some in _by_state(after["kits"]):
        row = check_transition(some[0], status, kind, Act.DESTROY)
        move_kits(connection, study_id, some, row, place, "")
        numbers += some
    _settle(
        connection, study_id, after, numbers, "destroyed", certificate=after["certificate"]["certificate"]
    )


def _by_state(
    kits: Iterable[tuple[str, str, str, str]],
) -> list[tuple[tuple[KitStatus, Place, str], list[str]]]:
    by_state: dict[tuple[KitStatus, Place, str], list[str]] = defaultdict(list)
    for number, status, kind, place in kits:
        by_state[KitStatus(status), Place(kind), place].append(number)
    return sorted(by_state.items())


def _advance(connection: Connection, study_id: str, after: dict[str, Any], **values: Any) -> None:
    if after["state"] in ("closed", "withdrawn"):
        values["ended_on"] = day(after["on"])
    statement = update(site_return).where(
        site_return.c.study_id == study_id,
        site_return.c.return_id == after["return_id"],
        site_return.c.state == after["from_state"],
    )
    changed = connection.execute(statement.values(state=after["state"], **values))
    expect_rows(changed, 1, f"return {after['return_id']}")


def _settle(
    connection: Connection,
    study_id: str,
    after: dict[str, Any],
    numbers: list[str],
    end: str,
    **also: Any,
) -> None:
    columns = return_kit.c
    statement = (
        update(return_kit)
        .where(
            columns.study_id == study_id,
            columns.return_id == after["return_id"],
            columns.kit_number == bindparam("number"),
            columns.settled_as.is_(None),
        )
        .values(settled_as=end, settled_on=day(after["on"]), **also)
    )
    for number in numbers:
        expect_rows(connection.execute(statement, {"number": number}), 1, f"kit {number} of the return")


FOLDS: dict[str, Fold] = {
    "return_from_subject": return_from_subject,
    "correct_kit_count": correct_kit_count,
    "declare_return": declare_return,
    "reconcile_return": reconcile_return,
    "approve_return": approve_return,
    "withdraw_return": withdraw_return,
    "dispatch_return": dispatch_return,
    "receive_return": receive_return,
    "reuse_returned_kits": reuse_returned_kits,
    "destroy_kits": destroy_kits,
    "destroy_returned_kits": destroy_returned_kits,
}

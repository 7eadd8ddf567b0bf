"""Translation of entries about what comes back: kits counted from subjects, and the steps of a return."""

from decimal import Decimal
from typing import Any

from allocation.ledger.projections.returns import DECLARED_BY, RECEIVED_BY
from allocation.ledger.reader import SealedEntry
from allocation.rules.kit_status import Act, KitStatus, Place
from pipelines.events.kit_entries import kit_movement, shipment_step
from pipelines.events.rows import Row, Translation, day


def return_from_subject(entry: SealedEntry) -> list[Row]:
    """Each kit moves from the subject to the site, or is lost, and is counted."""
    after, holder = entry.after, (Place.SUBJECT, entry.subject_id or "")
    on = day(after["returned_on"])
    rows: list[Row] = []
    for one in after["kits"]:
        act = Act.RETURN_FROM_SUBJECT if one["came_back"] else Act.REPORT_LOST
        rows += [
            _count(entry, one, 0),
            kit_movement(entry, one["kit_number"], act, holder, entry.site_id, on),
        ]
    return rows


def correct_kit_count(entry: SealedEntry) -> list[Row]:
    """A count that takes the place of an earlier one; of bulk supply, of all units of a lot."""
    return [
        _count(entry, one, one["revision"], one["returned_on"])
        for one in entry.after.get("kits", [entry.after])
    ]


def _count(entry: SealedEntry, counted: dict[str, Any], revision: int, returned_on: str | None = None) -> Row:
    row = (
        entry.subject_id,
        entry.site_id,
        counted["kit_number"],
        revision,
        day(returned_on or entry.after["returned_on"]),
        counted["came_back"],
        Decimal(counted["returned_units"]),
        Decimal(counted["lost_units"]),
        entry.recorded_at,
    )
    return ("kit_counts", row)


def declare_return(entry: SealedEntry) -> list[Row]:
    """Kits of a site are set aside for return; those that subjects brought back are returned already."""
    site, on = entry.site_id or "", day(entry.after["on"])
    return [
        kit_movement(entry, number, DECLARED_BY[KitStatus(status)], (Place.SITE, site), site, on)
        for number, status, *_ in entry.after["kits"]
        if KitStatus(status) in DECLARED_BY
    ]


def reconcile_return(entry: SealedEntry) -> list[Row]:
    """What the monitor did not find is missing."""
    return _moved(entry, Act.FIND_MISSING, entry.after["missing"])


def withdraw_return(entry: SealedEntry) -> list[Row]:
    """Unused kits go into quarantine at their site."""
    site, on = entry.site_id or "", day(entry.after["on"])
    return [
        kit_movement(entry, number, Act.TAKE_BACK, (Place.SITE, site), site, on)
        for number in entry.after["taken_back"]
    ]


def dispatch_return(entry: SealedEntry) -> list[Row]:
    """The kits of a return leave the site in a shipment, which is asked for and sent in one act."""
    after, on = entry.after, day(entry.after["on"])
    rows = [shipment_step(entry, step, on, len(after["kits"])) for step in ("requested", "dispatched")]
    return rows + _moved(entry, Act.SHIP_RETURN, after["kits"], after["shipment_id"])


def receive_return(entry: SealedEntry) -> list[Row]:
    """The depot has the kits of a return, or finds that they are missing."""
    on, depot = day(entry.after["on"]), entry.after["depot_id"]
    rows = [shipment_step(entry, "received", on, len(entry.after["received"]) + len(entry.after["missing"]))]
    rows += _moved(entry, Act.FIND_MISSING, entry.after["missing"])
    for number, status, kind, place, found in entry.after["received"]:
        held, act = (Place(kind), place), RECEIVED_BY[found]
        rows.append(kit_movement(entry, number, act, held, depot, on, KitStatus(status)))
    return rows


def reuse_returned_kits(entry: SealedEntry) -> list[Row]:
    """Unused kits are the depot's stock again."""
    return _moved(entry, Act.REUSE, entry.after["kits"], entry.after["depot_id"])


def destroy_returned_kits(entry: SealedEntry) -> list[Row]:
    """Kits are destroyed under a certificate."""
    return _moved(entry, Act.DESTROY, entry.after["kits"])


def no_movement(_entry: SealedEntry) -> list[Row]:
    """An approval moves no kit."""
    return []


def _moved(entry: SealedEntry, act: Act, kits: list[list[str]], to: str | None = None) -> list[Row]:
    on = day(entry.after["on"])
    return [
        kit_movement(entry, number, act, (Place(kind), place), to, on, KitStatus(status))
        for number, status, kind, place in kits
    ]


TRANSLATIONS: dict[str, Translation] = {
    "return_from_subject": return_from_subject,
    "correct_kit_count": correct_kit_count,
    "declare_return": declare_return,
    "reconcile_return": reconcile_return,
    "approve_return": no_movement,
    "withdraw_return": withdraw_return,
    "dispatch_return": dispatch_return,
    "receive_return": receive_return,
    "reuse_returned_kits": reuse_returned_kits,
    "destroy_returned_kits": destroy_returned_kits,
}

"""Translation of parcels to subjects' homes: in the datasets they are shipments from a site to a subject, by number.

Carrier and tracking number are left out: with them a carrier tells where a subject lives. A parcel is no place, so it moves no kit.
"""

from datetime import date

from allocation.ledger.reader import SealedEntry
from allocation.rules.kit_status import Place
from pipelines.events.rows import Row, day


def send_home(entry: SealedEntry) -> list[Row]:
    """A parcel leaves on the day on which it is asked for."""
    after = entry.after
    sent, expected, kits = day(after["sent_on"]), day(after["expected_on"]), len(after["kits"])
    return [
        _step(entry, after["parcel_id"], step, sent, expected, kits) for step in ("requested", "dispatched")
    ]


def parcels_ended(entry: SealedEntry, ended_on: date | None) -> list[Row]:
    """Parcels that the entry ends: received where the subject got any of its kits, else lost, since nothing of it came there."""
    delivered = set(entry.after.get("parcels_delivered", ()))
    return [
        _step(entry, parcel_id, "received" if parcel_id in delivered else "lost", ended_on, None, None)
        for parcel_id in entry.after.get("parcels", ())
    ]


def _step(
    entry: SealedEntry, parcel_id: str, step: str, on: date | None, expected: date | None, kits: int | None
) -> Row:
    ends = (Place.SITE.value, entry.site_id, Place.SUBJECT.value, entry.subject_id)
    row = (parcel_id, step, *ends, None, on, expected, None, None, kits, entry.recorded_at)
    return ("shipments", row)

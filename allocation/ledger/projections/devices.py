"""The fold of an inspected device: fit, it is stock of its site and forgets who had it; unfit, it is as a damaged kit."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, insert

from allocation.ledger.projections.fold import Fold, day
from allocation.ledger.projections.kit_dates import date_kits
from allocation.ledger.projections.kit_moves import move_kits
from allocation.ledger.projections.supply import by_state
from allocation.ledger.schema import device_use
from allocation.rules.device_reuse import ACT_OF

_FORGOTTEN: Final = ("subject_id", "visit_number", "dispensed_on", "return_asked_on")


def reissue_device(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """The use that ended is kept; only then the kit may forget it (the trigger `kit_use_ends_by_inspection` asks for that row)."""
    ((number, *_),) = after["kits"]
    use = after["ended_use"]
    connection.execute(
        insert(device_use),
        {
            "study_id": study_id,
            "kit_number": number,
            "use": use["use"],
            "outcome": after["outcome"],
            "subject_id": use["subject_id"],
            "site_id": site_id,
            "visit_number": use["visit_number"],
            "dispensed_on": day(use["dispensed_on"]),
            "return_asked_on": day(use["return_asked_on"]),
            "inspected_on": day(after["moved_on"]),
            "inspected_by": after["by"],
        },
    )
    fit = after["outcome"] == "fit"
    also = {"uses": use["use"], **dict.fromkeys(_FORGOTTEN)} if fit else {}
    for row, place, numbers in by_state(after, ACT_OF[after["outcome"]]):
        move_kits(connection, study_id, numbers, row, place, place, **also)
    date_kits(connection, study_id, after.get("dates", ()))


FOLDS: dict[str, Fold] = {"reissue_device": reissue_device}

"""What blinded people may read of discrepancies: kits by number and look, never by type or lot."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from allocation.views.blinded.lot_lines import KitLine
from allocation.views.shape import View


class DiscrepancyKind(StrEnum):
    """What does not add up, or waits too long."""

    NOT_RECEIVED = "not_received"
    RECEIVED_DAMAGED = "received_damaged"
    LATE_SHIPMENT = "late_shipment"
    UNITS_UNEXPLAINED = "units_unexplained"
    UNITS_LOST = "units_lost"
    CONTAINER_LOST = "container_lost"
    COUNT_DIFFERS = "count_differs"
    MISSING_IN_RETURN = "missing_in_return"
    DAMAGED_IN_RETURN = "damaged_in_return"
    ASKED_BACK = "asked_back"
    NOT_RETURNED = "not_returned"
    WAITS_FOR_RETURN = "waits_for_return"
    RETURN_STANDS = "return_stands"
    IN_LIMBO = "in_limbo"
    LOST = "lost"


class Discrepancy(KitLine):
    """One thing of one kit. `place_kind` is site or depot; `since`: from when it is so, null where that is not recorded; `overdue`: for
    more days than the study allows; `said`: what was noted of it."""

    kind: DiscrepancyKind
    place_kind: str
    place: str
    kit_group: str
    subject_id: str | None = None
    shipment_id: str | None = None
    return_id: str | None = None
    units: str | None = None
    since: date | None = None
    overdue: bool = False
    said: str | None = None


class Reconciliation(View):
    """Every discrepancy of the places that were asked for, by place, kind and kit. `as_of`: the date (UTC) that days are counted to."""

    study_id: str
    as_of: date
    discrepancies: tuple[Discrepancy, ...]

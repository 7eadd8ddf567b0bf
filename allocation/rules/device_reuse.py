"""May a device that came back from a subject be given to another one, once it is cleaned and inspected?

Only kits of a type that the protocol calls `reusable` are devices. A use of a device is one dispensing with its return; uses are numbered
from 1, and a count of units is of one use. The acts are rows of `kit_status.py`: found fit, it is available at its site again; found
unfit, it is as a damaged kit. Whoever inspects says which, with a reason and signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from allocation.errors import DomainRefusal
from allocation.rules.kit_status import Act
from allocation.rules.lot_status import DISPENSABLE, NEVER_AGAIN, kit_never_used

RULE_VERSION: Final = "device-reuse/1"

ACT_OF: Final[dict[str, Act]] = {"fit": Act.REISSUE_DEVICE, "unfit": Act.RETIRE_DEVICE}
"""The outcome of an inspection -> the act of the table of kit states."""


@dataclass(frozen=True, slots=True)
class InspectedDevice:
    """What decides whether a returned device may be used again.

    `uses_ended`: the uses before the one that it came back from; `max_uses`: None where the protocol sets no limit. `return_id`: the open
    return that it is in. `units_back`: counted when it came back, None where it was not; `units`: what a kit of its type holds.
    `inspected`: whether this use of it was inspected before. Dates are the site's.
    """

    kit_number: str
    reusable: bool
    uses_ended: int
    max_uses: int | None
    return_id: str | None
    inspected: bool
    units: Decimal
    units_back: Decimal | None
    last_dispense_date: date
    lot_status: str


def check_inspectable(device: InspectedDevice) -> None:
    """Refuse to record an inspection of what is no device, is in a return, was not counted back or was inspected already.

    Raises DomainRefusal (`kit-not-reusable`, `kit-in-return`, `kit-not-counted`, `device-inspected`).
    """
    kit = f"kit {device.kit_number}"
    if not device.reusable:
        raise _refusal(f"{kit} is no reusable device", "kit-not-reusable", "return it to the depot")
    if device.return_id is not None:
        raise _refusal(
            f"{kit} is in return {device.return_id}", "kit-in-return", "take the return back first"
        )
    if device.units_back is None:
        raise _refusal(
            f"{kit} did not come back from a subject, as far as is counted",
            "kit-not-counted",
            "take it back from the subject first (rtsm returns from-subject)",
        )
    if device.inspected:
        raise _refusal(
            f"{kit} was inspected already, and found unfit", "device-inspected", "return it to the depot"
        )


def check_fit(device: InspectedDevice, today: date) -> None:
    """Refuse to use a device again that came back in part, is used up, past its last dispensing date, or of a lot that may not be used.

    Raises DomainRefusal (`kit-not-reusable`, `device-used-up`, `kit-recalled`, `kit-rejected`, `lot-not-released`, `kit-expired`).
    """
    kit = f"kit {device.kit_number}"
    if device.lot_status in NEVER_AGAIN:
        raise kit_never_used(device.kit_number, device.lot_status)
    if device.lot_status not in DISPENSABLE:
        raise _refusal(f"{kit} is not released for use now", "lot-not-released", "wait for its release")
    if device.units_back != device.units:
        raise _refusal(f"{kit} did not come back whole", "kit-not-reusable", "record it as unfit")
    if device.max_uses is not None and device.uses_ended + 1 >= device.max_uses:
        raise _refusal(
            f"{kit} was used {device.uses_ended + 1} times, as often as the protocol lets it be",
            "device-used-up",
            "record it as unfit, or return it",
        )
    if device.last_dispense_date < today:
        raise _refusal(f"{kit} is past its last dispensing date", "kit-expired", "record it as unfit")


def _refusal(message: str, code: str, fix: str) -> DomainRefusal:
    return DomainRefusal(message, code=code, field="kit_number", fix=fix)

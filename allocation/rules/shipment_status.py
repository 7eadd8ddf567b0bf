"""The one table of shipment states: which step takes a shipment from which state to which.

    proposed --approve--> confirmed --+
       |                              +--dispatch--> in transit --receive--> received
    requested ------------------------+                  |
    (all three) --cancel / refuse--> cancelled, refused  +--lose--> lost

An order that must be approved begins as proposed, any other one as requested. Its kits are set aside at the depot in either case: what is
approved is then what was decided, no other order takes them meanwhile, and the next run counts them and orders nothing
twice. Refusing or cancelling gives them back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from allocation.errors import DomainRefusal


class ShipmentStatus(StrEnum):
    """How far a shipment has come."""

    PROPOSED = "proposed"
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    LOST = "lost"


class ShipmentStep(StrEnum):
    """What is done to a shipment. `receive_part`: some of its kits are still on their way afterwards."""

    APPROVE = "approve"
    REFUSE = "refuse"
    PACK = "pack"
    CANCEL = "cancel"
    DISPATCH = "dispatch"
    CORRECT_DISPATCH = "correct_dispatch"
    RECEIVE = "receive"
    RECEIVE_PART = "receive_part"
    LOSE = "lose"


class Approval(StrEnum):
    """Which orders wait for an approval: none, those that people place, or all of them."""

    NONE = "none"
    MANUAL = "manual"
    ALL = "all"


_S, _T = ShipmentStatus, ShipmentStep

STEPS: Final[dict[tuple[ShipmentStatus, ShipmentStep], ShipmentStatus]] = {
    (_S.PROPOSED, _T.APPROVE): _S.CONFIRMED,
    (_S.PROPOSED, _T.REFUSE): _S.REFUSED,
    (_S.PROPOSED, _T.CANCEL): _S.CANCELLED,
    (_S.REQUESTED, _T.PACK): _S.REQUESTED,
    (_S.REQUESTED, _T.CANCEL): _S.CANCELLED,
    (_S.REQUESTED, _T.DISPATCH): _S.IN_TRANSIT,
    (_S.CONFIRMED, _T.PACK): _S.CONFIRMED,
    (_S.CONFIRMED, _T.CANCEL): _S.CANCELLED,
    (_S.CONFIRMED, _T.DISPATCH): _S.IN_TRANSIT,
    (_S.IN_TRANSIT, _T.CORRECT_DISPATCH): _S.IN_TRANSIT,
    (_S.IN_TRANSIT, _T.RECEIVE): _S.RECEIVED,
    (_S.IN_TRANSIT, _T.RECEIVE_PART): _S.IN_TRANSIT,
    (_S.IN_TRANSIT, _T.LOSE): _S.LOST,
    (_S.RECEIVED, _T.CORRECT_DISPATCH): _S.RECEIVED,
}

COUNTED_AS: Final[dict[ShipmentStatus, str]] = {
    _S.PROPOSED: "requested",
    _S.REQUESTED: "requested",
    _S.CONFIRMED: "confirmed",
    _S.IN_TRANSIT: "in_transit",
}
"""The statuses of the pipeline -> the word of the study's parameter `pipeline_statuses` that says whether they count."""

SENDERS_STEPS: Final = frozenset({_T.PACK, _T.DISPATCH, _T.CORRECT_DISPATCH})
"""Steps of whoever sends kits off where the shipment leaves from: its depot, or its site."""

NEVER_CAME: Final = frozenset({_S.REFUSED, _S.CANCELLED, _S.LOST})
"""What never counts as an order of the site: it is as if it had not been placed."""


def opening_status(policy: Approval, *, by_hand: bool) -> ShipmentStatus:
    """The status of a new order, automatic or placed by hand."""
    waits = policy == Approval.ALL or (policy == Approval.MANUAL and by_hand)
    return ShipmentStatus.PROPOSED if waits else ShipmentStatus.REQUESTED


def next_status(shipment: str, status: str, step: ShipmentStep) -> ShipmentStatus:
    """The status after this step. Raises DomainRefusal (`shipment-state`) where the table has no such step; names what is possible."""
    found = STEPS.get((ShipmentStatus(status), step))
    if found is not None:
        return found
    possible = [one.value for state, one in STEPS if state == status]
    raise DomainRefusal(
        f"shipment {shipment} is {status}, which does not allow '{step}'",
        code="shipment-state",
        field="shipment_id",
        fix=f"nothing was changed; possible: {', '.join(possible) or 'nothing, this state is final'}",
    )


def check_approver(ordered_by: str, approver: str) -> None:
    """Refuse the approval or refusal of one's own order. Raises DomainRefusal (`own-order`)."""
    if ordered_by == approver:
        raise DomainRefusal(
            f"{approver} placed this order",
            code="own-order",
            field="shipment_id",
            fix="somebody else approves or refuses it; you may cancel it",
        )

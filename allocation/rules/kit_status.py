"""The one table of kit states: which act moves a kit from which state and place to which.

A kit has one status and is in one place: depot, transit, site, subject, returned, destroyed, lost or other_study (DESIGN.md rule 4). Every
command that touches a kit asks `check_transition` and applies the row that it gets; the verifier asks `conservation_errors`. Who may do
it, with which reason and signature, is a column of the same table: the permission table takes its roles from here (`roles_of`), and
`commands/kit_authority.py` asks for reason and signature. docs/kit-status.md is drawn from it. The simulator counts kits by the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from allocation.errors import KitTransitionRefused
from allocation.rules import kit_authority
from allocation.rules.kit_authority import Authority


class KitStatus(StrEnum):
    """What a kit is, wherever it is. `requested` is still at the depot or site, set aside for an open order; `assigned` still at the
    site, set aside for a subject until handing out is confirmed. `returned` came back from a subject, or is unfit: it is not used again,
    unless as a device that is inspected and found fit; `returned_unused` was in good order at the site when it was declared for return,
    and may be used again from the depot."""

    DEPOT_AVAILABLE = "depot_available"
    REQUESTED = "requested"
    IN_TRANSIT = "in_transit"
    SITE_AVAILABLE = "site_available"
    ASSIGNED = "assigned"
    DISPENSED = "dispensed"
    RETURNED = "returned"
    RETURNED_UNUSED = "returned_unused"
    QUARANTINED = "quarantined"
    EXPIRED = "expired"
    DAMAGED = "damaged"
    LOST = "lost"
    DESTROYED = "destroyed"
    TRANSFERRED = "transferred"
    """In the books of another study from then on."""


class Place(StrEnum):
    """Where a kit is; `returned` is the store of returned kits at a depot, `lost` the place of kits whose whereabouts are unknown, so that
    they still add up."""

    DEPOT = "depot"
    TRANSIT = "transit"
    SITE = "site"
    SUBJECT = "subject"
    RETURNED = "returned"
    DESTROYED = "destroyed"
    LOST = "lost"
    OTHER_STUDY = "other_study"


class Act(StrEnum):
    """What is done to a kit."""

    LOAD = "load"
    REQUEST = "request"
    CANCEL_REQUEST = "cancel_request"
    DISPATCH = "dispatch"
    RECEIVE = "receive"
    RECEIVE_AT_DEPOT = "receive_at_depot"
    RECEIVE_QUARANTINED = "receive_quarantined"
    RECEIVE_DAMAGED = "receive_damaged"
    RECEIVE_UNLISTED = "receive_unlisted"
    LOSE_SHIPMENT = "lose_shipment"
    RECEIVE_QUARANTINED_AT_DEPOT = "receive_quarantined_at_depot"
    RECEIVE_DAMAGED_AT_DEPOT = "receive_damaged_at_depot"
    DISPENSE = "dispense"
    ASSIGN = "assign"
    CONFIRM_DISPENSING = "confirm_dispensing"
    PUT_BACK = "put_back"
    SET_ASIDE = "set_aside"
    LOSE_ASSIGNED = "lose_assigned"
    REPORT_DAMAGED_BY_SUBJECT = "report_damaged_by_subject"
    RETURN_FROM_SUBJECT = "return_from_subject"
    REISSUE_DEVICE = "reissue_device"
    RETIRE_DEVICE = "retire_device"
    RETURN_UNUSED = "return_unused"
    RETURN_UNUSABLE = "return_unusable"
    TAKE_BACK = "take_back"
    SHIP_RETURN = "ship_return"
    RECEIVE_RETURN = "receive_return"
    RECEIVE_RETURN_DAMAGED = "receive_return_damaged"
    FIND_MISSING = "find_missing"
    REUSE = "reuse"
    QUARANTINE = "quarantine"
    RELEASE = "release"
    REJECT = "reject"
    RECALL = "recall"
    ASK_BACK = "ask_back"
    EXPIRE = "expire"
    EXTEND = "extend"
    RELABEL = "relabel"
    REPORT_DAMAGED = "report_damaged"
    REPORT_LOST = "report_lost"
    DESTROY = "destroy"
    LEND = "lend"
    TAKE_OVER = "take_over"
    TAKE_OVER_AT_SITE = "take_over_at_site"


@dataclass(frozen=True, slots=True)
class Transition:
    """A row of the table. `from_status` and `from_place` are None for a kit that does not exist yet (load); `by`: what the act takes."""

    from_status: KitStatus | None
    from_place: Place | None
    act: Act
    to_status: KitStatus
    to_place: Place
    by: Authority


_S, _P, _A, _W = KitStatus, Place, Act, kit_authority

TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition(None, None, _A.LOAD, _S.DEPOT_AVAILABLE, _P.DEPOT, _W.BY_TYPE),
    # From a depot to a site or to another depot.
    Transition(_S.DEPOT_AVAILABLE, _P.DEPOT, _A.REQUEST, _S.REQUESTED, _P.DEPOT, _W.BY_ORDER),
    Transition(_S.REQUESTED, _P.DEPOT, _A.CANCEL_REQUEST, _S.DEPOT_AVAILABLE, _P.DEPOT, _W.BY_DEPOT),
    Transition(_S.REQUESTED, _P.DEPOT, _A.DISPATCH, _S.IN_TRANSIT, _P.TRANSIT, _W.BY_DEPOT),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.RECEIVE, _S.SITE_AVAILABLE, _P.SITE, _W.BY_SITE),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.RECEIVE_AT_DEPOT, _S.DEPOT_AVAILABLE, _P.DEPOT, _W.BY_DEPOT),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.RECEIVE_QUARANTINED, _S.QUARANTINED, _P.SITE, _W.BY_SITE),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.RECEIVE_DAMAGED, _S.DAMAGED, _P.SITE, _W.BY_SITE),
    Transition(
        _S.IN_TRANSIT, _P.TRANSIT, _A.RECEIVE_QUARANTINED_AT_DEPOT, _S.QUARANTINED, _P.DEPOT, _W.BY_DEPOT
    ),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.RECEIVE_DAMAGED_AT_DEPOT, _S.DAMAGED, _P.DEPOT, _W.BY_DEPOT),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.BY_RECEIVER),
    # From a site to another one: set aside there, and sent off by it.
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.REQUEST, _S.REQUESTED, _P.SITE, _W.BY_SUPPLY),
    Transition(_S.REQUESTED, _P.SITE, _A.CANCEL_REQUEST, _S.SITE_AVAILABLE, _P.SITE, _W.BY_SENDING_SITE),
    Transition(_S.REQUESTED, _P.SITE, _A.DISPATCH, _S.IN_TRANSIT, _P.TRANSIT, _W.BY_SENDING_SITE),
    Transition(_S.REQUESTED, _P.SITE, _A.QUARANTINE, _S.QUARANTINED, _P.SITE, _W.AT_SITE_WITH_REASON),
    Transition(_S.REQUESTED, _P.SITE, _A.RECALL, _S.QUARANTINED, _P.SITE, _W.BY_TYPE),
    Transition(_S.REQUESTED, _P.SITE, _A.EXPIRE, _S.EXPIRED, _P.SITE, _W.BY_SUPPLY),
    Transition(_S.REQUESTED, _P.SITE, _A.REPORT_DAMAGED, _S.DAMAGED, _P.SITE, _W.AT_SITE_WITH_REASON),
    Transition(_S.REQUESTED, _P.SITE, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_SITE_WITH_REASON),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.LOSE_SHIPMENT, _S.LOST, _P.LOST, _W.ON_THE_WAY_WITH_REASON),
    Transition(_S.QUARANTINED, _P.TRANSIT, _A.LOSE_SHIPMENT, _S.LOST, _P.LOST, _W.ON_THE_WAY_WITH_REASON),
    # In a box that does not list them: wherever they should have been, they are in quarantine where they are.
    Transition(_S.DEPOT_AVAILABLE, _P.DEPOT, _A.RECEIVE_UNLISTED, _S.QUARANTINED, _P.SITE, _W.BY_SITE),
    Transition(_S.REQUESTED, _P.DEPOT, _A.RECEIVE_UNLISTED, _S.QUARANTINED, _P.SITE, _W.BY_SITE),
    Transition(_S.QUARANTINED, _P.DEPOT, _A.RECEIVE_UNLISTED, _S.QUARANTINED, _P.SITE, _W.BY_SITE),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.RECEIVE_UNLISTED, _S.QUARANTINED, _P.SITE, _W.BY_SITE),
    Transition(_S.QUARANTINED, _P.TRANSIT, _A.RECEIVE_UNLISTED, _S.QUARANTINED, _P.SITE, _W.BY_SITE),
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.RECEIVE_UNLISTED, _S.QUARANTINED, _P.SITE, _W.BY_SITE),
    # One that was given up as lost may have been anywhere: it is accounted for, and never used again.
    Transition(_S.LOST, _P.LOST, _A.RECEIVE_UNLISTED, _S.DAMAGED, _P.SITE, _W.BY_SITE),
    # To the subject and back. What comes back is never available again, except a device that is cleaned and found fit (device_reuse.py).
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.DISPENSE, _S.DISPENSED, _P.SUBJECT, _W.BY_SITE),
    Transition(
        _S.DISPENSED, _P.SUBJECT, _A.REPORT_DAMAGED_BY_SUBJECT, _S.DAMAGED, _P.SITE, _W.BY_SITE_WITH_REASON
    ),
    Transition(_S.DISPENSED, _P.SUBJECT, _A.RETURN_FROM_SUBJECT, _S.RETURNED, _P.SITE, _W.BY_SITE),
    Transition(_S.DISPENSED, _P.SUBJECT, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.BY_SITE_WITH_REASON),
    Transition(_S.RETURNED, _P.SITE, _A.REISSUE_DEVICE, _S.SITE_AVAILABLE, _P.SITE, _W.INSPECTION_SIGNED),
    Transition(_S.RETURNED, _P.SITE, _A.RETIRE_DEVICE, _S.DAMAGED, _P.SITE, _W.INSPECTION_SIGNED),
    # Returned to the depot (rules/return_process.py has the steps). Only what the site had in good order may be used again.
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.RETURN_UNUSED, _S.RETURNED_UNUSED, _P.SITE, _W.BY_SITE),
    Transition(_S.EXPIRED, _P.SITE, _A.RETURN_UNUSABLE, _S.RETURNED, _P.SITE, _W.BY_SITE),
    Transition(_S.DAMAGED, _P.SITE, _A.RETURN_UNUSABLE, _S.RETURNED, _P.SITE, _W.BY_SITE),
    Transition(_S.QUARANTINED, _P.SITE, _A.RETURN_UNUSABLE, _S.RETURNED, _P.SITE, _W.BY_SITE),
    Transition(_S.RETURNED_UNUSED, _P.SITE, _A.TAKE_BACK, _S.QUARANTINED, _P.SITE, _W.WITHDRAW),
    Transition(_S.RETURNED, _P.SITE, _A.SHIP_RETURN, _S.RETURNED, _P.TRANSIT, _W.BY_SITE),
    Transition(_S.RETURNED_UNUSED, _P.SITE, _A.SHIP_RETURN, _S.RETURNED_UNUSED, _P.TRANSIT, _W.BY_SITE),
    Transition(_S.RETURNED, _P.TRANSIT, _A.RECEIVE_RETURN, _S.RETURNED, _P.RETURNED, _W.BY_DEPOT),
    Transition(
        _S.RETURNED_UNUSED, _P.TRANSIT, _A.RECEIVE_RETURN, _S.RETURNED_UNUSED, _P.RETURNED, _W.BY_DEPOT
    ),
    Transition(_S.RETURNED, _P.TRANSIT, _A.RECEIVE_RETURN_DAMAGED, _S.RETURNED, _P.RETURNED, _W.BY_DEPOT),
    Transition(
        _S.RETURNED_UNUSED, _P.TRANSIT, _A.RECEIVE_RETURN_DAMAGED, _S.RETURNED, _P.RETURNED, _W.BY_DEPOT
    ),
    Transition(_S.RETURNED, _P.SITE, _A.FIND_MISSING, _S.LOST, _P.LOST, _W.MISSING_AT_SITE),
    Transition(_S.RETURNED_UNUSED, _P.SITE, _A.FIND_MISSING, _S.LOST, _P.LOST, _W.MISSING_AT_SITE),
    Transition(_S.RETURNED, _P.TRANSIT, _A.FIND_MISSING, _S.LOST, _P.LOST, _W.MISSING_AT_DEPOT),
    Transition(_S.RETURNED_UNUSED, _P.TRANSIT, _A.FIND_MISSING, _S.LOST, _P.LOST, _W.MISSING_AT_DEPOT),
    Transition(_S.RETURNED_UNUSED, _P.RETURNED, _A.REUSE, _S.DEPOT_AVAILABLE, _P.DEPOT, _W.REUSE_SIGNED),
    # Assigned to a subject, and handed out only when that is confirmed. Until then the kit has not left the site.
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.ASSIGN, _S.ASSIGNED, _P.SITE, _W.BY_SITE),
    Transition(_S.ASSIGNED, _P.SITE, _A.CONFIRM_DISPENSING, _S.DISPENSED, _P.SUBJECT, _W.BY_SITE),
    Transition(_S.ASSIGNED, _P.SITE, _A.PUT_BACK, _S.SITE_AVAILABLE, _P.SITE, _W.BY_SITE_WITH_REASON),
    Transition(_S.ASSIGNED, _P.SITE, _A.SET_ASIDE, _S.QUARANTINED, _P.SITE, _W.BY_SITE_WITH_REASON),
    Transition(_S.ASSIGNED, _P.SITE, _A.LOSE_ASSIGNED, _S.LOST, _P.LOST, _W.BY_SITE_WITH_REASON),
    # Quarantine. A kit of an open order leaves the order, an assigned one the subject that it was set aside for.
    Transition(
        _S.DEPOT_AVAILABLE, _P.DEPOT, _A.QUARANTINE, _S.QUARANTINED, _P.DEPOT, _W.AT_DEPOT_WITH_REASON
    ),
    Transition(_S.REQUESTED, _P.DEPOT, _A.QUARANTINE, _S.QUARANTINED, _P.DEPOT, _W.AT_DEPOT_WITH_REASON),
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.QUARANTINE, _S.QUARANTINED, _P.SITE, _W.AT_SITE_WITH_REASON),
    Transition(_S.ASSIGNED, _P.SITE, _A.QUARANTINE, _S.QUARANTINED, _P.SITE, _W.AT_SITE_WITH_REASON),
    Transition(_S.QUARANTINED, _P.DEPOT, _A.RELEASE, _S.DEPOT_AVAILABLE, _P.DEPOT, _W.RELEASE_SIGNED),
    Transition(_S.QUARANTINED, _P.SITE, _A.RELEASE, _S.SITE_AVAILABLE, _P.SITE, _W.RELEASE_SIGNED),
    Transition(_S.QUARANTINED, _P.DEPOT, _A.REJECT, _S.DAMAGED, _P.DEPOT, _W.REJECT_SIGNED),
    Transition(_S.QUARANTINED, _P.SITE, _A.REJECT, _S.DAMAGED, _P.SITE, _W.REJECT_SIGNED),
    # A kit that is quarantined on its way is received into quarantine, whatever it looks like.
    Transition(
        _S.IN_TRANSIT, _P.TRANSIT, _A.QUARANTINE, _S.QUARANTINED, _P.TRANSIT, _W.ON_THE_WAY_WITH_REASON
    ),
    Transition(_S.QUARANTINED, _P.TRANSIT, _A.RELEASE, _S.IN_TRANSIT, _P.TRANSIT, _W.RELEASE_SIGNED),
    Transition(_S.QUARANTINED, _P.TRANSIT, _A.RECEIVE_QUARANTINED, _S.QUARANTINED, _P.SITE, _W.BY_SITE),
    Transition(_S.QUARANTINED, _P.TRANSIT, _A.RECEIVE_DAMAGED, _S.DAMAGED, _P.SITE, _W.BY_SITE),
    Transition(
        _S.QUARANTINED, _P.TRANSIT, _A.RECEIVE_QUARANTINED_AT_DEPOT, _S.QUARANTINED, _P.DEPOT, _W.BY_DEPOT
    ),
    Transition(_S.QUARANTINED, _P.TRANSIT, _A.RECEIVE_DAMAGED_AT_DEPOT, _S.DAMAGED, _P.DEPOT, _W.BY_DEPOT),
    Transition(_S.QUARANTINED, _P.TRANSIT, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.BY_RECEIVER),
    # A recall: all that could still be used is quarantined, wherever it is, and what subjects have is asked back.
    Transition(_S.DEPOT_AVAILABLE, _P.DEPOT, _A.RECALL, _S.QUARANTINED, _P.DEPOT, _W.BY_TYPE),
    Transition(_S.REQUESTED, _P.DEPOT, _A.RECALL, _S.QUARANTINED, _P.DEPOT, _W.BY_TYPE),
    Transition(_S.IN_TRANSIT, _P.TRANSIT, _A.RECALL, _S.QUARANTINED, _P.TRANSIT, _W.BY_TYPE),
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.RECALL, _S.QUARANTINED, _P.SITE, _W.BY_TYPE),
    Transition(_S.ASSIGNED, _P.SITE, _A.RECALL, _S.QUARANTINED, _P.SITE, _W.BY_TYPE),
    Transition(_S.DISPENSED, _P.SUBJECT, _A.ASK_BACK, _S.DISPENSED, _P.SUBJECT, _W.BY_TYPE),
    # Expiry: the kit stays where it is. One that expires in transit is received first.
    Transition(_S.DEPOT_AVAILABLE, _P.DEPOT, _A.EXPIRE, _S.EXPIRED, _P.DEPOT, _W.BY_SUPPLY),
    Transition(_S.REQUESTED, _P.DEPOT, _A.EXPIRE, _S.EXPIRED, _P.DEPOT, _W.BY_SUPPLY),
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.EXPIRE, _S.EXPIRED, _P.SITE, _W.BY_SUPPLY),
    Transition(_S.QUARANTINED, _P.DEPOT, _A.EXPIRE, _S.EXPIRED, _P.DEPOT, _W.BY_SUPPLY),
    Transition(_S.QUARANTINED, _P.SITE, _A.EXPIRE, _S.EXPIRED, _P.SITE, _W.BY_SUPPLY),
    # Expiry put off: a kit that had expired goes into quarantine, and back into use only from there; a new label is put on in quarantine.
    Transition(_S.EXPIRED, _P.DEPOT, _A.EXTEND, _S.QUARANTINED, _P.DEPOT, _W.EXTEND_SIGNED),
    Transition(_S.EXPIRED, _P.SITE, _A.EXTEND, _S.QUARANTINED, _P.SITE, _W.EXTEND_SIGNED),
    Transition(_S.QUARANTINED, _P.DEPOT, _A.RELABEL, _S.QUARANTINED, _P.DEPOT, _W.RELABEL_SIGNED),
    Transition(_S.QUARANTINED, _P.SITE, _A.RELABEL, _S.QUARANTINED, _P.SITE, _W.RELABEL_SIGNED),
    Transition(_S.EXPIRED, _P.DEPOT, _A.RELABEL, _S.QUARANTINED, _P.DEPOT, _W.RELABEL_SIGNED),
    Transition(_S.EXPIRED, _P.SITE, _A.RELABEL, _S.QUARANTINED, _P.SITE, _W.RELABEL_SIGNED),
    # Damage and loss.
    Transition(
        _S.DEPOT_AVAILABLE, _P.DEPOT, _A.REPORT_DAMAGED, _S.DAMAGED, _P.DEPOT, _W.AT_DEPOT_WITH_REASON
    ),
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.REPORT_DAMAGED, _S.DAMAGED, _P.SITE, _W.AT_SITE_WITH_REASON),
    Transition(_S.DEPOT_AVAILABLE, _P.DEPOT, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_DEPOT_WITH_REASON),
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_SITE_WITH_REASON),
    Transition(_S.REQUESTED, _P.DEPOT, _A.REPORT_DAMAGED, _S.DAMAGED, _P.DEPOT, _W.AT_DEPOT_WITH_REASON),
    Transition(_S.REQUESTED, _P.DEPOT, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_DEPOT_WITH_REASON),
    Transition(_S.QUARANTINED, _P.DEPOT, _A.REPORT_DAMAGED, _S.DAMAGED, _P.DEPOT, _W.AT_DEPOT_WITH_REASON),
    Transition(_S.QUARANTINED, _P.SITE, _A.REPORT_DAMAGED, _S.DAMAGED, _P.SITE, _W.AT_SITE_WITH_REASON),
    Transition(_S.QUARANTINED, _P.DEPOT, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_DEPOT_WITH_REASON),
    Transition(_S.QUARANTINED, _P.SITE, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_SITE_WITH_REASON),
    Transition(_S.EXPIRED, _P.DEPOT, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_DEPOT_WITH_REASON),
    Transition(_S.EXPIRED, _P.SITE, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_SITE_WITH_REASON),
    Transition(_S.DAMAGED, _P.DEPOT, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_DEPOT_WITH_REASON),
    Transition(_S.DAMAGED, _P.SITE, _A.REPORT_LOST, _S.LOST, _P.LOST, _W.AT_SITE_WITH_REASON),
    # Pooled stock stays where it is and changes its study: it leaves the one's books for good, and comes into the other's.
    Transition(_S.DEPOT_AVAILABLE, _P.DEPOT, _A.LEND, _S.TRANSFERRED, _P.OTHER_STUDY, _W.POOL_WITH_REASON),
    Transition(_S.SITE_AVAILABLE, _P.SITE, _A.LEND, _S.TRANSFERRED, _P.OTHER_STUDY, _W.POOL_WITH_REASON),
    Transition(None, None, _A.TAKE_OVER, _S.DEPOT_AVAILABLE, _P.DEPOT, _W.POOL_WITH_REASON),
    Transition(None, None, _A.TAKE_OVER_AT_SITE, _S.SITE_AVAILABLE, _P.SITE, _W.POOL_WITH_REASON),
    # The end.
    Transition(_S.RETURNED, _P.RETURNED, _A.DESTROY, _S.DESTROYED, _P.DESTROYED, _W.DESTROY_AT_DEPOT),
    Transition(_S.RETURNED_UNUSED, _P.RETURNED, _A.DESTROY, _S.DESTROYED, _P.DESTROYED, _W.DESTROY_AT_DEPOT),
    Transition(_S.RETURNED, _P.SITE, _A.DESTROY, _S.DESTROYED, _P.DESTROYED, _W.DESTROY_AT_SITE),
    Transition(_S.RETURNED_UNUSED, _P.SITE, _A.DESTROY, _S.DESTROYED, _P.DESTROYED, _W.DESTROY_AT_SITE),
    Transition(_S.EXPIRED, _P.DEPOT, _A.DESTROY, _S.DESTROYED, _P.DESTROYED, _W.DESTROY_AT_DEPOT),
    Transition(_S.EXPIRED, _P.SITE, _A.DESTROY, _S.DESTROYED, _P.DESTROYED, _W.DESTROY_AT_SITE),
    Transition(_S.DAMAGED, _P.DEPOT, _A.DESTROY, _S.DESTROYED, _P.DESTROYED, _W.DESTROY_AT_DEPOT),
    Transition(_S.DAMAGED, _P.SITE, _A.DESTROY, _S.DESTROYED, _P.DESTROYED, _W.DESTROY_AT_SITE),
)

_BY_START: Final = {(row.from_status, row.from_place, row.act): row for row in TRANSITIONS}

POSSIBLE: Final[frozenset[tuple[KitStatus, Place]]] = frozenset(
    (row.to_status, row.to_place) for row in TRANSITIONS
)
"""Every pair of status and place that a kit can be in."""

PLACES_WITH_KEY: Final = frozenset(
    {Place.DEPOT, Place.TRANSIT, Place.SITE, Place.SUBJECT, Place.RETURNED, Place.OTHER_STUDY}
)
"""Places of which there are several, so that a kit there names which depot, shipment, site, subject or study holds it."""


def check_transition(kit: str, status: KitStatus | None, place: Place | None, act: Act) -> Transition:
    """Return the row for this act on a kit in this state, which says the new status and place.

    `kit` only labels the message. Raises KitTransitionRefused, with the acts that are possible, where there is no row.
    """
    row = _BY_START.get((status, place, act))
    if row is not None:
        return row
    if status is None:
        raise KitTransitionRefused(f"kit {kit} is not known, so it cannot take '{act}'", field="kit")
    possible = ", ".join(
        one.act for one in TRANSITIONS if (one.from_status, one.from_place) == (status, place)
    )
    raise KitTransitionRefused(
        f"kit {kit} is {status} (place: {place}), which does not allow '{act}'",
        field="kit",
        fix=f"possible: {possible or 'nothing, this state is final'}",
    )


def rows_of(*acts: Act) -> tuple[Transition, ...]:
    """The rows of these acts."""
    return tuple(row for row in TRANSITIONS if row.act in acts)


def roles_of(*acts: Act) -> frozenset[str]:
    """The roles that may do these acts somewhere."""
    return frozenset().union(*(row.by.roles for row in rows_of(*acts)))


@dataclass(frozen=True, slots=True)
class KitPosition:
    """Where the records say that a kit is. `place_key` is the depot, shipment, site or subject that holds it, else None."""

    kit: str
    status: KitStatus
    place: Place
    place_key: str | None


def conservation_errors(loaded: Iterable[str], positions: Iterable[KitPosition]) -> tuple[str, ...]:
    """Return what is wrong with the whereabouts of kits, one sentence each, sorted; empty when all are conserved.

    Every loaded kit has exactly one position, no position is of a kit that was never loaded, status and place go together
    by the table, and a kit in a depot, shipment, site or subject names which one.
    """
    errors: list[str] = []
    known = set(loaded)
    seen: set[str] = set()
    for position in positions:
        if position.kit in seen:
            errors.append(f"kit {position.kit} is in two places")
        seen.add(position.kit)
        if position.kit not in known:
            errors.append(f"kit {position.kit} was never loaded")
        if (position.status, position.place) not in POSSIBLE:
            errors.append(f"kit {position.kit} cannot be {position.status} in place {position.place}")
        if position.place in PLACES_WITH_KEY and not position.place_key:
            errors.append(f"kit {position.kit} is in place {position.place} without a holder")
    errors += [f"kit {kit} is nowhere" for kit in known - seen]
    return tuple(sorted(errors))

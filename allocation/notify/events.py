"""The one table of notifications: which event is told to whom, and what is said of it in blinded and in unblinded words.

A new act is told of by a row here: its command, the roles, the permission of the view in which a blinded reader finds the same, and a
builder of notices out of its entry (acts.py). Rows without a command are found by the check (allocation/commands/notify_check.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from allocation.access.permissions import PERMISSIONS, UNBLINDED_ROLES
from allocation.notify.acts import (
    Blinded,
    Unblinded,
    kits_by_place,
    of_caps,
    of_kits,
    of_shipment,
    recall_at_sites,
    recall_in_numbers,
    recalled_by_place,
    with_contents,
)
from allocation.notify.code_breaks import of_code_break, with_arm
from allocation.notify.happening import Happening
from allocation.notify.parcels import parcel_sent, parcels_ended
from allocation.notify.proposals import proposal_decided, proposal_filed
from allocation.rules.kit_authority import DEPOT_ROLES, SITE_ROLES, SUPPLY_ROLES

UNBLINDED: Final = "view.stock.unblinded"
"""The permission of whoever is told kit types and lots."""


@dataclass(frozen=True, slots=True)
class Event:
    """A row. `permission`: which roles may read the blinded variant; `unblinded`: None where there is nothing more to say.

    `if_said`: the part of the payload without which an act is not told of. `at_once`: nobody can put it off or switch it off.
    """

    code: str
    title: str
    roles: frozenset[str]
    permission: str
    commands: tuple[str, ...] = ()
    blinded: Callable[[Happening], list[Blinded]] | None = None
    unblinded: Callable[[Happening], list[Unblinded]] | None = None
    if_said: str | None = None
    at_once: bool = False
    by_type: bool = True

    def variant_for(self, role: str) -> str | None:
        """In which variant this role is told: unblinded, blinded, or not at all. Decided by the permission table."""
        if role not in self.roles:
            return None
        if self.by_type and role in PERMISSIONS[UNBLINDED]:
            return "unblinded"
        return "blinded" if role in PERMISSIONS[self.permission] else None


_WATCHERS: Final = frozenset({"monitor", "project_manager"})

_ORDERED = of_shipment("Shipment ordered")
_DISPATCHED = of_shipment("Shipment dispatched")
_RECEIVED = of_shipment("Shipment received")
_LOST = of_kits("Kits lost on their way", "They are ordered again by the next resupply run.")
_EXCURSION = of_kits("Temperature excursion", "They stay in quarantine until somebody has decided on them.")
_QUARANTINED = of_kits("Kits in quarantine", "They can be neither shipped, assigned nor dispensed.")

_BROKEN = of_code_break("Treatment code broken")
_RESPONSIBLE: Final = frozenset({"project_manager", "medical_monitor"})

EVENTS: Final[tuple[Event, ...]] = (
    Event(
        "order",
        "Shipment ordered",
        SITE_ROLES | DEPOT_ROLES,
        "view.shipments",
        ("order_shipment", "indent_stock", "transfer_kits"),
        _ORDERED,
        with_contents(_ORDERED),
    ),
    Event(
        "dispatch",
        "Shipment dispatched",
        SITE_ROLES | SUPPLY_ROLES,
        "view.shipments",
        ("dispatch_shipment",),
        _DISPATCHED,
        with_contents(_DISPATCHED),
    ),
    Event(
        "receipt",
        "Shipment received",
        DEPOT_ROLES | {"monitor"},
        "view.shipments",
        ("receive_shipment",),
        _RECEIVED,
        with_contents(_RECEIVED),
    ),
    Event(
        "lost",
        "Shipment lost",
        SITE_ROLES | DEPOT_ROLES | _WATCHERS,
        "view.shipments",
        ("lose_shipment",),
        _LOST,
        with_contents(_LOST, kits_by_place),
    ),
    Event(
        "excursion",
        "Temperature excursion",
        SITE_ROLES | DEPOT_ROLES | _WATCHERS,
        "view.stock.blinded",
        ("record_excursion",),
        _EXCURSION,
        with_contents(_EXCURSION, kits_by_place),
    ),
    Event(
        "quarantine",
        "Kits in quarantine",
        SITE_ROLES | DEPOT_ROLES | _WATCHERS,
        "view.stock.blinded",
        ("quarantine_kits",),
        _QUARANTINED,
        with_contents(_QUARANTINED, kits_by_place),
    ),
    Event(
        "recall",
        "Kits recalled, by number at each site",
        SITE_ROLES,
        "view.recalls",
        ("recall_lot",),
        recall_at_sites,
        with_contents(recall_at_sites, recalled_by_place),
        at_once=True,
    ),
    Event(
        "recall_numbers",
        "Kits recalled, how many and where",
        DEPOT_ROLES | _WATCHERS,
        "view.stock.blinded",
        ("recall_lot",),
        recall_in_numbers,
        with_contents(recall_in_numbers, recalled_by_place),
        at_once=True,
    ),
    Event(
        "cap_reached",
        "Cap reached",
        frozenset(
            {"site_coordinator", "investigator", "project_manager", "data_manager", "unblinded_statistician"}
        ),
        "view.overview",
        ("screen", "randomize"),
        of_caps,
        if_said="caps_reached",
        by_type=False,
    ),
    Event(
        "code_break",
        "Treatment code of a subject broken",
        SITE_ROLES
        | _RESPONSIBLE
        | {"monitor", "data_manager", "sponsor_blinded", "unblinded_statistician", "auditor"},
        "view.code_breaks",
        ("break_code",),
        _BROKEN,
        with_arm(_BROKEN),
        at_once=True,
    ),
    Event(
        "code_break_request",
        "Approval of a code break asked for",
        _RESPONSIBLE,
        "view.code_breaks",
        ("request_code_break",),
        of_code_break("Approval of a code break asked for", "Decide on it: `rtsm code-break list` names it."),
        at_once=True,
    ),
    Event(
        "code_break_decision",
        "Code break approved or refused",
        frozenset({"investigator", "medical_monitor"}),
        "view.code_breaks",
        ("approve_code_break", "refuse_code_break"),
        of_code_break("A request for a code break was decided on", "`rtsm code-break list` says how."),
        at_once=True,
    ),
    Event(
        "proposal",
        "Proposed supply parameters wait for a signature",
        PERMISSIONS["proposal.decide"] & UNBLINDED_ROLES,
        "view.proposals.blinded",
        ("file_supply_proposal",),
        proposal_filed,
        by_type=False,
    ),
    Event(
        "proposal_decision",
        "Proposed supply parameters signed or rejected",
        PERMISSIONS["proposal.file"] & UNBLINDED_ROLES,
        "view.proposals.blinded",
        ("sign_supply_proposal", "reject_supply_proposal"),
        proposal_decided,
        by_type=False,
    ),
    Event(
        "parcel_sent",
        "Parcel sent to a subject",
        SITE_ROLES,
        "view.home_parcels",
        ("send_home",),
        parcel_sent,
        by_type=False,
    ),
    Event(
        "parcel_ended",
        "Parcel to a subject delivered or not",
        SITE_ROLES | {"monitor"},
        "view.home_parcels",
        ("confirm_dispensing", "replace_kit"),
        parcels_ended,
        if_said="parcels",
        by_type=False,
    ),
    Event("parcel_late", "Parcel late", SITE_ROLES | {"monitor"}, "view.home_parcels", by_type=False),
    Event("late", "Shipment late", SITE_ROLES | DEPOT_ROLES | {"monitor"}, "view.shipments"),
    Event("low_stock", "Stock is low", SUPPLY_ROLES, "view.stock.blinded"),
    Event("run_out", "Stock is projected to run out", SUPPLY_ROLES | _WATCHERS, "view.stock.blinded"),
    Event(
        "expiry",
        "Kits expire soon",
        SITE_ROLES | DEPOT_ROLES | {"monitor"},
        "view.stock.blinded",
    ),
)

EVENT: Final[dict[str, Event]] = {event.code: event for event in EVENTS}
"""Code -> row."""

EVENTS_OF_COMMAND: Final[dict[str, tuple[Event, ...]]] = {
    command: tuple(event for event in EVENTS if command in event.commands)
    for command in sorted({command for event in EVENTS for command in event.commands})
}
"""The ledger's name of a command -> its rows."""

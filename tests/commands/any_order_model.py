"""The plain model beside the real service: where each kit is, which list entries are used, how subjects stand.

It learns from answers; the tables are read only to be compared with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from allocation.access.actors import SYSTEM_ACTOR, Actor
from tests.commands.any_order_trial import LOTS, PLACES, WINDOWS

CODES = ("V2", "V3", "V4", "V5", "V6", "RX")
DISPENSING = ("V2", "V3", "V4", "V5", "RX")
DEPOT_ZONE = "Europe/Berlin"
WHICH = st.integers(0, 11)
"""Which of those that there are, counted round and round."""

LOT = {lot["lot_id"]: lot for lot in LOTS}


@dataclass
class Kit:
    """A kit of the model."""

    kit_type: str
    lot_id: str
    expiry: date
    status: str = "depot_available"
    place_kind: str = "depot"
    place: str = "D1"
    shipment: str | None = None
    lot_status: str = "released"

    @property
    def last_dispense_date(self) -> date:
        return self.expiry - timedelta(days=WINDOWS["dnd_days"] + 1)

    def usable_at(self, site_id: str, today: date, until: date | None = None) -> bool:
        """Whether it may be handed out there on that day, and (if so asked) used until then."""
        return (until is None or until < self.expiry) and (
            (self.status, self.place_kind, self.place) == ("site_available", "site", site_id)
            and self.lot_status == "released"
            and bool({"*", PLACES[site_id][0]} & set(LOT[self.lot_id]["released_for"]))
            and today <= self.last_dispense_date
        )

    @property
    def last_ship_date(self) -> date:
        return self.expiry - timedelta(days=WINDOWS["dns_days"] + 1)


@dataclass
class Person:
    """A subject of the model."""

    site_id: str
    severity: str
    screened_on: date
    status: str = "screening"
    arm: str | None = None
    on_hold: bool = False
    assigned: set[str] = field(default_factory=set)
    taken_back: bool = False


@dataclass
class Done:
    """An act that was answered: what a retry must be given again, whether or not it wrote anything."""

    command: Callable[..., dict[str, Any]]
    request: Any
    key: str
    answer: dict[str, Any]
    wrote: bool
    reason: str = ""
    actor: Actor = SYSTEM_ACTOR


@dataclass
class Model:
    """What must be so."""

    kits: dict[str, Kit] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    shipments: dict[str, tuple[str, str]] = field(default_factory=dict)
    used: dict[str, list[str]] = field(default_factory=lambda: {"MILD": [], "SEVERE": []})
    done: list[Done] = field(default_factory=list)
    handed_out: set[str] = field(default_factory=set)
    returns: dict[str, dict[str, Any]] = field(default_factory=dict)

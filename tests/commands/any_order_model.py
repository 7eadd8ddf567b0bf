"""The plain model beside the real service: where each kit is, which list entries are used, how subjects stand.

It learns from answers; the tables are read only to be compared with it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from allocation.access.actors import SYSTEM_ACTOR, Actor
from allocation.access.signing import Signature
from tests.api.trial import STUDY
from tests.commands.any_order_trial import PLACES, WINDOWS

CODES = ("V2", "V3", "V4", "V5", "V6", "RX")
DISPENSING = ("V2", "V3", "V4", "V5", "RX")
REPEATING = ("V6", "RX")
HARD_WINDOW = "V3"
PLANNED = ("V1", *CODES)
WHICH = st.integers(0, 11)
"""Which of those that there are, counted round and round."""


@dataclass
class Lot:
    """A lot of the model: its quality, the countries where it may be used, its date, and those of countries that have another."""

    lot_id: str
    kit_type: str
    expiry: date
    released_for: set[str]
    status: str
    printed: bool
    by_country: dict[str, date] = field(default_factory=dict)

    def may_be_used_in(self, *countries: str, shipping: bool = False) -> bool:
        """By the model's own word: a restricted lot is still used where it is, and shipped nowhere."""
        good = self.status == "released" or (self.status == "restricted" and not shipping)
        return good and bool({"*", *countries} & self.released_for)


@dataclass
class Kit:
    """A kit of the model. `going_to`: the place that it is set aside for, or on its way to."""

    kit_type: str
    lot: Lot
    printed: date | None = None
    status: str = "depot_available"
    place_kind: str = "depot"
    place: str = "D1"
    shipment: str | None = None
    going_to: str | None = None
    given_until: date | None = None

    @property
    def lot_id(self) -> str:
        return self.lot.lot_id

    def expires_in(self, country: str | None) -> date:
        """The date that binds there; None is a depot, which may send it to wherever it lasts longest."""
        dates = self.lot.by_country
        own = self.lot.expiry
        found = max(own, *dates.values(), own) if country is None else dates.get(country, own)
        return found if self.printed is None else min(found, self.printed)

    @property
    def country(self) -> str | None:
        """Where it is used: at its site, or at the site that it is to go to."""
        waits = self.status == "requested" or self.place_kind == "transit"
        place = self.going_to if waits else self.place
        return PLACES[place][0] if place in PLACES else None

    @property
    def expiry(self) -> date:
        return self.expires_in(self.country)

    @property
    def last_dispense_date(self) -> date:
        return self.expiry - timedelta(days=WINDOWS["dnd_days"] + 1)

    def usable_at(self, site_id: str, today: date, until: date | None = None) -> bool:
        """Whether it may be handed out there on that day, and (if so asked) used until then."""
        return (until is None or until < self.expiry) and (
            (self.status, self.place_kind, self.place) == ("site_available", "site", site_id)
            and self.lot.may_be_used_in(PLACES[site_id][0])
            and today <= self.last_dispense_date
        )

    def may_leave_for(self, country: str | None, today: date) -> bool:
        """Whether it may be sent there on that day; None is a depot."""
        return today <= self.expires_in(country) - timedelta(days=WINDOWS["dns_days"] + 1)

    def set_aside(self, shipment: str, going_to: str) -> None:
        self.status, self.shipment, self.going_to = "requested", shipment, going_to

    def stays_behind(self) -> None:
        self.status = "depot_available" if self.place_kind == "depot" else "site_available"
        self.shipment = self.going_to = None


@dataclass
class Shipment:
    """A shipment of the model: where from, where to, and how far it is."""

    from_place: str
    to_place: str
    status: str

    @property
    def to_site(self) -> bool:
        return self.to_place in PLACES

    @property
    def country(self) -> str | None:
        return PLACES[self.to_place][0] if self.to_site else None


@dataclass
class Person:
    """A subject of the model."""

    site_id: str
    severity: str
    screened_on: date
    status: str = "screening"
    arm: str | None = None
    randomized_on: date | None = None
    held_on: date | None = None
    visits: dict[str, list[str]] = field(default_factory=dict)
    """Planned visit -> `done` or `missed`, for each time that it is on record."""
    was_given_kits: bool = False
    awaited_since: date | None = None
    """The date of the dispensing that waits for its confirmation."""
    assigned: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    has_address: bool = False

    def has_on_record(self, code: str, *, missed: bool = False) -> bool:
        """Whether a planned visit is on record in a way that bars it from being recorded (or, `missed`, from being marked missed) now."""
        before = self.visits.get(code, [])
        again = code in REPEATING and not missed and "missed" not in before
        return bool(before) and not again

    def outside_hard_window(self, code: str, on: date) -> bool:
        """Whether that is outside of the one hard window, V3's: day 15 of treatment, three days before to three after."""
        if code != HARD_WINDOW or self.randomized_on is None:
            return False
        return abs((on - self.randomized_on).days - 14) > 3


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
    study: str = STUDY
    signature: Signature | None = None


@dataclass
class Stay:
    """A kit at a place or in a shipment, from a moment to another; None: it is still there."""

    kit_number: str
    place: str
    since: datetime
    until: datetime | None = None


@dataclass
class Model:
    """What must be so."""

    lots: dict[str, Lot] = field(default_factory=dict)
    kits: dict[str, Kit] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    shipments: dict[str, Shipment] = field(default_factory=dict)
    used: dict[str, list[str]] = field(default_factory=lambda: {"MILD": [], "SEVERE": []})
    done: list[Done] = field(default_factory=list)
    handed_out: set[str] = field(default_factory=set)
    returns: dict[str, dict[str, Any]] = field(default_factory=dict)
    excursions: dict[str, dict[str, int]] = field(default_factory=dict)
    """Excursion -> minutes above the range of each kit that left it and is not settled."""
    stays: list[Stay] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)
    uses: Counter[str] = field(default_factory=Counter)
    counted_back: dict[str, str] = field(default_factory=dict)
    packed: set[tuple[str, str]] = field(default_factory=set)
    """Shipment and kit that was scanned into its box."""
    inspected: set[str] = field(default_factory=set)

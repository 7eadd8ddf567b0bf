"""The trial as a simulation acts on it: the acts of sites, depots and the supply desk, whoever carries them out.

`simulation.driver` carries them out in the real service, by its commands. Each act happens at the moment that the clock shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol as Port

from allocation.rules.dosing import DoseMove
from simulation.scenario import LotPlan


@dataclass(frozen=True, slots=True)
class Person:
    """Who is screened. `age` in whole years."""

    sex: str
    age: int
    race: str
    ethnic: str
    factors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Order:
    """An order that a resupply run made; `kits` is their number."""

    shipment_id: str
    site_id: str
    kits: int


class CapReached(Exception):
    """The trial takes no more subjects here."""


class NoKit(Exception):
    """The visit took place but the site had no usable kit: a missed dispensing."""


class Trial(Port):
    """What a twin needs of a trial. Every identifier is the protocol's or was given by the trial."""

    def open_site(self, site_id: str) -> None:
        """Open a site of the protocol."""

    def load_lot(self, lot: LotPlan, depot_id: str, kits: int, first: bool) -> None:
        """Kits of a lot arrive at a depot; `first` on the lot's first arrival anywhere."""

    def screen(self, site_id: str, person: Person) -> str:
        """Screen a person; gives the subject's number. Raises CapReached."""

    def eligibility(self, subject_id: str, failed: str | None) -> None:
        """Record that the subject is eligible, or which criterion failed."""

    def randomize(self, subject_id: str) -> str:
        """Randomize; gives the arm, which the twin needs for its assumptions by arm. Raises CapReached."""

    def dispense(self, subject_id: str, visit: str, move: DoseMove | None, reason: str) -> None:
        """A dispensing visit today. Raises NoKit; then nothing is recorded."""

    def visit(self, subject_id: str, visit: str, reason: str) -> None:
        """A visit without dispensing today."""

    def miss(self, subject_id: str, visit: str) -> None:
        """A planned visit did not take place."""

    def bring_back(self, subject_id: str, missed: float) -> None:
        """The subject brings back all kits today; `missed` is the share of doses that were not taken."""

    def discontinue(self, subject_id: str, reason: str, last_dose_on: date | None, visit: str | None) -> None:
        """The subject leaves today."""

    def complete(self, subject_id: str, last_dose_on: date | None, visit: str) -> None:
        """The subject completes today."""

    def run_resupply(self) -> list[Order]:
        """Run resupply for all open sites."""

    def dispatch(self, shipment_id: str, expected_on: date) -> list[str]:
        """A shipment leaves its depot; gives its kit numbers."""

    def receive(self, shipment_id: str, dispositions: Mapping[str, str]) -> None:
        """A shipment arrives; kits that are not named arrived in good order."""


@dataclass
class Tally:
    """What happened so far, for progress and summaries. `missed_dispensings` are visits at which the site had no kit."""

    sites: int = 0
    screened: int = 0
    screen_failures: int = 0
    randomized: int = 0
    dispensings: int = 0
    missed_dispensings: int = 0
    visits: int = 0
    missed_visits: int = 0
    discontinued: int = 0
    completed: int = 0
    shipments: int = 0
    kits_shipped: int = 0
    refused_screenings: int = 0
    stopped_sites: set[str] = field(default_factory=set)

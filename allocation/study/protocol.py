"""A whole protocol as data: the one document that the service, the simulator and the exports are driven by."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, Literal

from pydantic import Field, model_validator

from allocation.study.consistency import inconsistencies
from allocation.study.design import (
    Arm,
    Cap,
    Cell,
    Cohort,
    Criterion,
    Element,
    Epoch,
    StratificationFactor,
    TrialParameter,
)
from allocation.study.dosing_design import Dosing
from allocation.study.edc import Edc
from allocation.study.inconsistency import InconsistentProtocolError
from allocation.study.model import LARGEST, LONGEST, Code, ProtocolPart, Text
from allocation.study.randomization_design import RandomizationEvent
from allocation.study.schedule import Dispensing, DoseLevel, Exposure, Titration, Visit
from allocation.study.supply import BlindingGroup, Country, Depot, KitType, Lane, Site, Supply

MOVES_SUBJECTS: Final = "next_visit"
"""The amendment rule by which the subjects on study follow a version from their next visit."""


class Identity(ProtocolPart):
    """Which study and which version of its protocol this is. `version` counts up from 1; `amendment` is for people."""

    id: Code
    title: Text
    version: int = Field(ge=1, le=LARGEST)
    amendment: str = ""
    phase: str = ""
    sponsor: str = ""
    indication: str = ""
    mode: Literal["test", "training", "production"] = "test"
    blinding: Literal["double_blind", "single_blind", "open_label"] = "double_blind"
    planned_subjects: int = Field(default=0, ge=0, le=LARGEST)
    planned_start: date | None = None
    planned_enrolment_end: date | None = None
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")


class UsubjidRule(ProtocolPart):
    """How the unique subject identifier (SDTM USUBJID) is put together: Python format fields study, site, subject."""

    template: str = "{study}-{site}-{subject}"


class Unblinding(ProtocolPart):
    """Who may break a code, and what follows. An emergency never waits: the investigator breaks the code at once under every protocol.

    `discontinue_after_code_break`: a subject on study is discontinued with the first break of its code. Off unless a protocol says so:
    a running study does not end anybody's participation by a rule that it never agreed to.
    """

    emergency_by: tuple[str, ...] = Field(
        default=("investigator",), description="roles for emergencies: investigator, medical_monitor"
    )
    approval_by: str | None = Field(
        default=None,
        description="medical_monitor or project_manager approves planned breaks; none: each is made at once, by investigator or "
        "medical monitor",
    )
    site_notified: bool = Field(
        default=True, description="whether the people of the site are told of a break"
    )
    discontinue_after_code_break: bool = False


class Screening(ProtocolPart):
    """What is asked at screening. `require_eligibility`: randomization needs an eligibility record first."""

    visit: Code
    require_eligibility: bool = True
    age_min: int | None = Field(default=None, ge=0, le=130)
    age_max: int | None = Field(default=None, ge=0, le=130)
    max_days_to_randomization: int | None = Field(default=None, ge=0, le=LONGEST)
    replacement: Literal["none", "next_entry", "same_arm"] = Field(
        default="none",
        description="whether a subject who left may be replaced, and how the replacement is allocated",
    )

    def admits_age(self, age: int) -> bool:
        """Whether a subject of that age, in years, may be screened."""
        return (self.age_min is None or age >= self.age_min) and (self.age_max is None or age <= self.age_max)

    def last_day(self, screened_on: date) -> date | None:
        """The last day on which whoever was screened then may be randomized without a reason; None: there is none."""
        longest = self.max_days_to_randomization
        return None if longest is None else screened_on + timedelta(days=longest)


class Protocol(ProtocolPart):
    """A whole protocol, versioned. References between its parts are checked on construction."""

    schema_version: Literal[1] = 1
    study: Identity
    amendment_rule: Literal["next_visit", "from_visit", "at_randomization_version"] = Field(
        default="next_visit",
        description="how subjects on study follow this version: from their next visit, from `amendment_visit` on, or not at all: they "
        "stay on the version that they were randomized under or moved to. Randomization and site-wide acts follow the version in force "
        "either way",
    )
    amendment_visit: Code | None = Field(
        default=None,
        description="with amendment_rule from_visit: the visit from which on subjects on study follow this version; whoever has passed "
        "it follows with the next visit",
    )
    subject_identifier: UsubjidRule = UsubjidRule()
    arms: tuple[Arm, ...] = Field(min_length=1)
    stratification: tuple[StratificationFactor, ...] = ()
    cohorts: tuple[Cohort, ...] = ()
    randomization: tuple[RandomizationEvent, ...] = Field(min_length=1)
    caps: tuple[Cap, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    screening: Screening
    epochs: tuple[Epoch, ...] = Field(min_length=1)
    elements: tuple[Element, ...] = ()
    cells: tuple[Cell, ...] = ()
    visits: tuple[Visit, ...] = Field(min_length=1)
    dose_levels: tuple[DoseLevel, ...] = ()
    dispensing: tuple[Dispensing, ...] = ()
    titration: tuple[Titration, ...] = ()
    dosing: Dosing = Dosing()
    exposure: Exposure = Exposure()
    blinding_groups: tuple[BlindingGroup, ...] = ()
    kit_types: tuple[KitType, ...] = ()
    depots: tuple[Depot, ...] = ()
    countries: tuple[Country, ...] = ()
    lanes: tuple[Lane, ...] = ()
    sites: tuple[Site, ...] = ()
    supply: Supply = Supply()
    unblinding: Unblinding = Unblinding()
    edc: Edc = Edc()
    trial_parameters: tuple[TrialParameter, ...] = ()

    @model_validator(mode="after")
    def _references_hold(self) -> Protocol:
        found = inconsistencies(self)
        if found:
            raise InconsistentProtocolError(found)
        return self

    @property
    def moves_from(self) -> Visit | None:
        """The visit from which on subjects on study follow this version; None where no visit decides it."""
        if self.amendment_visit is None:
            return None
        return self.visit(self.amendment_visit)

    def visit(self, code: str) -> Visit | None:
        """The planned visit of that code, or None."""
        return next((visit for visit in self.visits if visit.code == code), None)

    def arm(self, code: str) -> Arm | None:
        """The arm of that code, or None."""
        return next((arm for arm in self.arms if arm.code == code), None)

    def kit_type(self, code: str) -> KitType | None:
        """The kit type of that code, or None."""
        return next((kit_type for kit_type in self.kit_types if kit_type.code == code), None)

    def country(self, code: str) -> Country | None:
        """The country of that ISO code, or None."""
        return next((country for country in self.countries if country.code == code), None)

    def event(self, code: str) -> RandomizationEvent | None:
        """The randomization event of that code, or None."""
        return next((event for event in self.randomization if event.code == code), None)

"""What happens to a subject and when: visits with windows, what is dispensed, doses and titration, exposure for SDTM EX."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from allocation.study.dosing_design import DoseToMakeUp, MeasureBand
from allocation.study.model import LARGEST, LONGEST, Code, ProtocolPart, Text


class Visit(ProtocolPart):
    """A planned visit.

    `target_day` is a study day in the CDISC sense: the anchor's date is day 1 and there is no day 0; day -7 is a week before.
    For `anchor: previous_visit` it counts days after the actual date of that visit (after its target while it has not taken place, or where
    it was missed). Windows are days allowed before and after the target. A hard
    window refuses a date outside it; a soft one asks for a reason. `anchor: none` has no target (a visit "when needed", such as
    early termination) and is never projected.
    """

    code: Code
    number: Decimal = Field(ge=0, max_digits=6, decimal_places=2, description="SDTM VISITNUM")
    name: Text = Field(max_length=40, description="SDTM VISIT")
    epoch: Code
    anchor: Literal["screening", "randomization", "first_dose", "previous_visit", "none"] = "randomization"
    anchor_event: Code | None = Field(
        default=None, description="with anchor randomization: which event; none: the first"
    )
    target_day: int | None = Field(default=None, ge=-LONGEST, le=LONGEST)
    window_before: int = Field(default=0, ge=0, le=LONGEST)
    window_after: int = Field(default=0, ge=0, le=LONGEST)
    window: Literal["hard", "soft"] = "soft"
    contact: Literal["clinic", "phone", "home"] = "clinic"
    dispensing: bool = False
    optional: bool = Field(
        default=False, description="not part of every subject's path; never projected nor missed"
    )
    repeats: bool = Field(default=False, description="may be recorded more than once for a subject")
    cohorts: tuple[Code, ...] = Field(default=(), description="empty: every cohort")
    strata: tuple[str, ...] = Field(default=(), description="empty: every stratum")
    start_rule: str = Field(default="", description="SDTM TVSTRL")
    end_rule: str = Field(default="", description="SDTM TVENRL")


class DispensedKit(ProtocolPart):
    """How many kits of a type are handed out, and how many units a day the subject takes from them together."""

    kit_type: Code
    quantity: int = Field(ge=1, le=100)
    units_per_day: Decimal | None = Field(
        default=None, gt=0, description="for compliance by unit count; none: it is not known"
    )


class Dispensing(ProtocolPart):
    """What a subject receives at the named visits. `arm` / `dose_level` None: whatever the arm or level; the first match wins.

    `treatment` stands for every arm that is given it in the epoch of the visit (`Arm.treatments`, a crossover). `bands`: only for subjects
    who are in all of them. What is handed out is `kits`, and further kits that make up `dose`.
    """

    visits: tuple[Code, ...] = Field(min_length=1)
    arm: Code | None = None
    treatment: Code | None = None
    dose_level: Code | None = None
    bands: tuple[MeasureBand, ...] = ()
    kits: tuple[DispensedKit, ...] = ()
    dose: DoseToMakeUp | None = None

    @property
    def kit_types(self) -> tuple[str, ...]:
        """Every kit type that the entry may hand out, also those that a dose may be made up of."""
        of_dose = () if self.dose is None else self.dose.strengths
        return (*(kit.kit_type for kit in self.kits), *(one.kit_type for one in of_dose))


class DoseLevel(ProtocolPart):
    """A dose level. `label` is what blinded people read: it is the same word in every arm and never a strength."""

    code: Code
    label: Text
    order: int = Field(ge=0, le=LARGEST)


class Titration(ProtocolPart):
    """How the dose level moves.

    `kind: scheduled` moves every subject of `arms` to `to_level` at visit `visit` (plus `offset_days` for the exposure record);
    `kind: investigator` lets the site ask for up, down or maintain at `visits`, between `min_level` and `max_level`, at most
    `max_steps` a visit. To keep the blind, investigator titration applies to every arm; `arms` says in which the kits truly change.
    `forced_first`: the move (of one level) that is prescribed the first time a subject is titrated; it is made without being asked for.
    """

    code: Code
    kind: Literal["scheduled", "investigator"]
    arms: tuple[Code, ...] = Field(min_length=1)
    visits: tuple[Code, ...] = Field(min_length=1)
    to_level: Code | None = None
    min_level: Code | None = None
    max_level: Code | None = None
    max_steps: int = Field(default=1, ge=1, le=LARGEST)
    forced_first: Literal["up", "down", "maintain"] | None = None


class ExposurePeriod(ProtocolPart):
    """A period of constant intended dosing (an SDTM EX record): it starts `offset_days` after the actual date of `visit`.

    `treated: false` is a period in which nothing is taken, such as a washout: it ends the one before it and has no record of its own.
    """

    visit: Code
    offset_days: int = Field(default=0, ge=0, le=LONGEST)
    treated: bool = True


class Regimen(ProtocolPart):
    """What a subject of `arm` takes in the exposure periods that start at `visits` (SDTM EX). `dose` 0 for placebo.

    The first regimen that matches arm, dose level and visit wins; `dose_level` None and empty `visits` match all.
    """

    arm: Code
    dose_level: Code | None = None
    visits: tuple[Code, ...] = ()
    treatment: Text = Field(max_length=200, description="SDTM EXTRT")
    dose: Decimal = Field(ge=0)
    unit: Text
    form: Text
    frequency: Text
    route: Text


class Exposure(ProtocolPart):
    """How SDTM EX is derived. `masked_treatment` is EXTRT in a blinded export."""

    periods: tuple[ExposurePeriod, ...] = ()
    regimens: tuple[Regimen, ...] = ()
    masked_treatment: str = "BLINDED STUDY TREATMENT"

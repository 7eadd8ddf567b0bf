"""What is compared, and with whom: arms, strata, cohorts, epochs, elements and cells, caps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from allocation.study.model import LARGEST, LONGEST, Code, ProtocolPart, Text


class AsTreated(ProtocolPart):
    """When a subject of this arm counts as treated by another one (SDTM ACTARM).

    A subject who never received `unless_dose_level` is reported as treated by `then_arm`.
    """

    unless_dose_level: Code
    then_arm: Code


class PeriodTreatment(ProtocolPart):
    """What an arm is given in an epoch of a crossover: the sequence AB has treatment A in its first period and B in its second."""

    epoch: Code
    treatment: Code


class Arm(ProtocolPart):
    """A treatment arm, or a sequence of treatments. `ratio` is its share of the allocation (integer, relative to the other arms).

    A closed arm (`open: false`) is allocated to nobody any more; subjects who are in it go on. `treatments` names what a sequence is
    given in each period; dispensing may then be stated by treatment.
    """

    code: Code = Field(max_length=20, description="SDTM ARMCD: at most 20 characters")
    name: Text = Field(max_length=200)
    ratio: int = Field(ge=1, le=100)
    description: str = ""
    start_dose_level: Code | None = None
    open: bool = True
    treatments: tuple[PeriodTreatment, ...] = ()
    as_treated: AsTreated | None = None


class Level(ProtocolPart):
    """One level of a stratification factor."""

    code: Code
    label: Text


class StratificationFactor(ProtocolPart):
    """A factor that randomization is stratified by. `source` says who states its value."""

    code: Code
    name: Text
    levels: tuple[Level, ...] = Field(min_length=2)
    source: Literal["entered", "edc", "site", "country", "region"] = "entered"
    weight: float = Field(default=1.0, ge=0, description="weight in minimization (unused by blocks)")


class Cohort(ProtocolPart):
    """A group of subjects enrolled together.

    `after` names the cohort that must close first (sequential); cohorts without it are parallel. `open` is how it begins: it is opened
    and closed by command, and closes by itself when `cap` subjects are randomized. `dose_level`: the one that it studies.
    """

    code: Code
    name: Text
    arms: tuple[Code, ...] = Field(default=(), description="empty: all arms of the event")
    dose_level: Code | None = None
    cap: int | None = Field(default=None, ge=1, le=LARGEST)
    after: Code | None = None
    open: bool = True


class Epoch(ProtocolPart):
    """A planned period of the study; `term` is its SDTM EPOCH controlled term (codelist C99079)."""

    code: Code
    name: Text
    term: Text


class Element(ProtocolPart):
    """A building block of an arm (SDTM TE). Its start is a visit (plus days) so that SE can be derived.

    `starts_at_visit` None: the element starts at the subject's screening. `start_offset_days` counts from that visit's date.
    """

    code: Code = Field(max_length=8, description="SDTM ETCD: at most 8 characters")
    name: Text = Field(max_length=40)
    start_rule: Text
    end_rule: str = ""
    duration: str = Field(default="", pattern=r"^(P.+)?$", description="ISO 8601 duration")
    starts_at_visit: Code | None = None
    start_offset_days: int = Field(default=0, ge=-LONGEST, le=LONGEST)
    starts_after_treatment: bool = Field(
        default=False, description="True: starts when the treatment epoch has ended (follow-up)"
    )


class Cell(ProtocolPart):
    """What an arm goes through in an epoch (SDTM TA): elements in order, with the branch and transition texts."""

    arm: Code
    epoch: Code
    elements: tuple[Code, ...] = Field(min_length=1)
    branch: str = ""
    transition: str = ""


class Cap(ProtocolPart):
    """An upper limit on screening or randomization. `key` is empty for the study, else the place, cohort, stratum or dose level.

    At the cap a randomization is refused, or (`finish_screening`) those in screening may still be randomized, and nobody new screened.
    """

    kind: Literal["screening", "randomization", "forced_randomization"]
    scope: Literal["study", "region", "country", "site", "cohort", "stratum", "dose_level"] = "study"
    key: str = ""
    limit: int = Field(ge=0, le=LARGEST)
    at_cap: Literal["refuse", "finish_screening"] = "finish_screening"


class Criterion(ProtocolPart):
    """An inclusion or exclusion criterion (SDTM TI)."""

    code: Code = Field(max_length=8, description="SDTM IETESTCD")
    category: Literal["INCLUSION", "EXCLUSION"]
    text: Text


class TrialParameter(ProtocolPart):
    """A row of SDTM TS that the protocol states itself; the service adds those that it knows (RANDOM, NARMS, STRATFCT, ...)."""

    code: Code = Field(max_length=8, description="SDTM TSPARMCD")
    name: Text
    values: tuple[str, ...] = Field(min_length=1)
    null_flavor: str = ""
    codes: tuple[str, ...] = Field(default=(), description="SDTM TSVALCD: one for each value, or none at all")
    code_reference: str = Field(default="", description="SDTM TSVCDREF: the dictionary of `codes`")
    code_version: str = Field(default="", description="SDTM TSVCDVER")

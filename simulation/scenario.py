"""The assumptions that a trial is played under: recruitment, activation, screening, visits, drop-out, lanes, lots, costs.

A scenario is a YAML document beside a protocol. Days are whole calendar days; a month is 365.25 / 12 days; probabilities are
per event; shares of one group sum to 1. What the protocol decides (windows, kits, lead times, caps) is not repeated here.
"""

from __future__ import annotations

from datetime import date
from math import prod
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from allocation.study.errors import DocumentError
from allocation.study.inconsistency import Inconsistency
from allocation.study.model import Code, ProtocolPart, Text
from allocation.study.protocol import Protocol
from allocation.study.supply import CountryCode
from allocation.study.yaml_files import load_document, load_protocol
from simulation.day_law import DayLaw, Probability, Shares, sums_to_one
from simulation.disruptions import ArmClosing, DepotOutage
from simulation.production import Campaign, LotArrival, LotPlan
from simulation.scenario_checks import scenario_inconsistencies
from simulation.streams import LARGEST_SEED

__all__ = [
    "DAYS_PER_MONTH",
    "Activation",
    "ArmClosing",
    "Campaign",
    "Costs",
    "DayLaw",
    "DepotOutage",
    "DoseMoves",
    "DropOut",
    "DropOutPeriod",
    "Excursions",
    "Factor",
    "LaneDelay",
    "LotArrival",
    "LotPlan",
    "Pause",
    "Population",
    "Probability",
    "RandomizationList",
    "RateChange",
    "Recruitment",
    "Scenario",
    "ScenarioError",
    "Screening",
    "Shares",
    "Shipping",
    "VisitBehaviour",
    "load_scenario",
    "load_scenario_and_protocol",
]

DAYS_PER_MONTH: Final = 365.25 / 12

Factor = Annotated[float, Field(ge=0, le=100)]
"""A multiplier of a rate; 1 leaves it as it is."""


class ScenarioError(DocumentError):
    """A scenario cannot be played; `problems` has every reason."""

    default_code = "scenario-invalid"


class Pause(ProtocolPart):
    """No screening from `first_day` to `last_day`, both included, at one country or site, or everywhere (neither given)."""

    country: CountryCode | None = None
    site: Code | None = None
    first_day: date
    last_day: date

    @model_validator(mode="after")
    def _ordered(self) -> Pause:
        if self.last_day < self.first_day:
            raise ValueError(f"ends {self.last_day}, before it begins {self.first_day}; swap the two days")
        return self


class RateChange(ProtocolPart):
    """Screenings times `factor`, at one country or site or everywhere (neither given), from `first_day` to `last_day` (else always)."""

    factor: Factor
    country: CountryCode | None = None
    site: Code | None = None
    first_day: date | None = None
    last_day: date | None = None

    @model_validator(mode="after")
    def _possible(self) -> RateChange:
        if self.country is not None and self.site is not None:
            raise ValueError("has both a country and a site; give the site, or the country")
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError(f"ends {self.last_day}, before it begins {self.first_day}; swap the two days")
        return self


class Recruitment(ProtocolPart):
    """Screenings at each open site: a Poisson process whose rate is drawn once for the site (Anisimov & Fedorov 2007).

    rate = Gamma(mean `screened_per_site_month`, shape `gamma_shape`) x country x profile x calendar month x `rate_changes`
    x (1 - `monthly_decay`) to the power of the months since activation. `gamma_shape` None: no spread beyond Poisson.
    """

    screened_per_site_month: float = Field(gt=0, le=1000)
    gamma_shape: float | None = Field(default=None, gt=0, le=1e6)
    country_factors: dict[CountryCode, Factor] = Field(default_factory=dict, description="others: 1")
    profile_factors: dict[Code, Factor] = Field(default_factory=dict, description="others: 1")
    month_factors: tuple[Factor, ...] = Field(default=(), description="January to December; empty: all 1")
    monthly_decay: float = Field(default=0.0, ge=0, lt=1)
    weekdays_only: bool = Field(
        default=True, description="what falls on a weekend is screened on the Monday after it"
    )
    pauses: tuple[Pause, ...] = ()
    rate_changes: tuple[RateChange, ...] = Field(
        default=(), description="those that hold together are multiplied"
    )

    def left_on(self, site: str, country: str, day: date) -> float:
        """What pauses (0) and changes leave of the rate of a site on a day; 1: all of it."""
        if not self.pauses and not self.rate_changes:
            return 1.0
        if any(
            pause.site in (None, site)
            and pause.country in (None, country)
            and pause.first_day <= day <= pause.last_day
            for pause in self.pauses
        ):
            return 0.0
        return prod(
            one.factor
            for one in self.rate_changes
            if one.site in (None, site)
            and one.country in (None, country)
            and (one.first_day is None or one.first_day <= day)
            and (one.last_day is None or day <= one.last_day)
        )

    @model_validator(mode="after")
    def _twelve_months(self) -> Recruitment:
        if len(self.month_factors) not in (0, 12):
            raise ValueError(
                f"has {len(self.month_factors)} month_factors; give 12, January to December, or none"
            )
        return self


class Activation(ProtocolPart):
    """When a site opens: `delay_days` after its planned activation (the start of the scenario where none is planned)."""

    delay_days: DayLaw = DayLaw()
    never_probability: Probability = 0.0


class Screening(ProtocolPart):
    """From screening to randomization, or to screening failure; `failed_criteria`: which criterion was not met."""

    duration_days: DayLaw
    failure_probability: Probability
    failed_criteria: Shares
    supply_wait_days: int = Field(
        default=0,
        ge=0,
        le=730,
        description="how long a subject waits at most, and is asked for again each day, where a site cannot supply (0: it leaves); "
        "only in the simulator's engines",
    )


class Population(ProtocolPart):
    """Who is screened. Age is normal, cut at the limits of the protocol; race by country where given there."""

    age_mean_years: float = Field(gt=0, le=120)
    age_sd_years: float = Field(ge=0, le=50)
    sex: Shares
    race: Shares
    race_by_country: dict[CountryCode, Shares] = Field(default_factory=dict)
    ethnicity: Shares
    strata: dict[Code, Shares] = Field(default_factory=dict, description="factor -> level -> share")


class VisitBehaviour(ProtocolPart):
    """How subjects keep to the schedule. Inside its window a visit falls on each day with a probability that peaks at the target.

    `day_law` uniform: on each day of the window with equal probability.
    `late_probability`: after the window instead, by `late_days` (with a reason for the override). Randomization is never missed.
    `most_doses_missed`: subjects take all doses but a share of up to so many; it shows in what those who complete bring back.
    """

    day_law: Literal["triangular", "uniform"] = "triangular"
    missed_probability: Probability
    late_probability: Probability
    late_days: DayLaw
    weekdays_only: bool = Field(default=True, description="moved to the nearest weekday inside the window")
    most_doses_missed: Probability = 0.1
    kit_replaced_probability: Probability = Field(
        default=0.0,
        description="per kit handed out: lost or damaged by the subject, and replaced on that day if the site has another; only in the "
        "simulator's engines",
    )


class DropOutPeriod(ProtocolPart):
    """Up to `until_day` (study day) the drop-out probability is multiplied by `factor`."""

    until_day: int = Field(ge=1)
    factor: Factor


class DropOut(ProtocolPart):
    """Leaving early: a constant monthly probability by arm, changed in the given periods; `reasons` are SDTM DSDECOD terms.

    `per_visit_probability` comes on top of it: after each visit from randomization on, but not after the last.
    `after_missed_dispensing_probability`: at each visit but the last that lacks a kit, for whatever reason, on the same day.
    """

    monthly_probability: dict[Code, Probability] = Field(min_length=1, description="arm -> probability")
    per_visit_probability: Probability = 0.0
    after_missed_dispensing_probability: Probability = 0.0
    periods: tuple[DropOutPeriod, ...] = ()
    reasons: Shares
    visit: Code | None = Field(default=None, description="the early termination visit that is recorded")
    visit_probability: Probability = 1.0


class Replacement(ProtocolPart):
    """Taking the place of a subject who left after randomization, where the protocol lets it (`screening.replacement`).

    With `probability` somebody is sought, until `most` have been (None: no limit), and is screened at the same site `days` later, at the
    earliest on the next day. Whoever fails screening is not sought for again. Only in the simulator's engines.
    """

    probability: Probability = 0.0
    most: int | None = Field(default=None, ge=0)
    days: DayLaw = DayLaw(min_days=7)


class DoseMoves(ProtocolPart):
    """What the site asks for at a titration visit; the first entry that matches dose level and arm wins.

    A move that the limits forbid becomes maintain.
    """

    dose_level: Code | None = None
    arm: Code | None = None
    up: Probability
    maintain: Probability
    down: Probability

    @model_validator(mode="after")
    def _whole(self) -> DoseMoves:
        sums_to_one({"up": self.up, "maintain": self.maintain, "down": self.down})
        return self


class LaneDelay(ProtocolPart):
    """Days that a shipment to a country takes beyond the protocol's lead time (below 0: earlier)."""

    country: CountryCode | None = Field(default=None, description="None: every country that has no own entry")
    days: DayLaw
    customs_hold_probability: Probability = 0.0
    customs_hold_days: DayLaw = DayLaw()


class Shipping(ProtocolPart):
    """From an order to stock on the shelf. Lost and damaged kits are found at receipt."""

    dispatch_days: DayLaw = Field(description="order to dispatch; part of the protocol's lead time")
    approval_days: DayLaw = Field(
        default=DayLaw(),
        description="order to approval, where the protocol has all orders approved; dispatch_days count from it; only in the simulator's "
        "engines",
    )
    lane_delays: tuple[LaneDelay, ...] = Field(min_length=1)
    weekday_receipt: bool = Field(
        default=True, description="what arrives on a weekend is received on the Monday"
    )
    lost_probability: Probability = Field(default=0.0, description="per shipment")
    damaged_probability: Probability = Field(default=0.0, description="per kit")
    co2_kg_per_shipment: dict[Code, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="by depot that ships"
    )
    outages: tuple[DepotOutage, ...] = ()

    def delay_to(self, country: str) -> LaneDelay:
        """The delay of a country's lanes: its own entry, else the one for every other country, else none."""
        own = [delay for delay in self.lane_delays if delay.country == country]
        others = [delay for delay in self.lane_delays if delay.country is None]
        return (own or others or [LaneDelay(days=DayLaw())])[0]


class Excursions(ProtocolPart):
    """Temperature excursions: what was exposed is in quarantine at its site, from the next day on to be released or rejected as a whole.

    It is neither dispensed nor counted by resupply meanwhile. Only in the simulator's engines.
    """

    shipment_probability: Probability = Field(
        default=0.0, description="per shipment that arrives: its logger shows one"
    )
    per_site_month: float = Field(
        default=0.0, ge=0, le=30, description="in storage, at each open site; of all in stock"
    )
    kit_types: tuple[Code, ...] = Field(default=(), description="which they concern; empty: all")
    review_days: DayLaw = Field(
        default=DayLaw(min_days=1), description="from quarantine to the decision; 1 or more"
    )
    released_probability: Probability = Field(default=0.0, description="per excursion; else all is rejected")


class RandomizationList(ProtocolPart):
    """The list that is generated for each randomization event: its seed, and how many entries a stratum has at least.

    An event that draws at randomization has its method activated with that seed, and needs no entries.
    """

    seed: int = Field(ge=0)
    entries_per_stratum: int = Field(ge=1, le=100_000)


class Costs(ProtocolPart):
    """Costs that the protocol does not state, in the study's currency. Kits and shipments have theirs in the protocol."""

    storage_per_kit_month: float = Field(default=0.0, ge=0)
    destruction_per_kit: float = Field(default=0.0, ge=0)
    lost_subject: float = Field(default=0.0, ge=0, description="for a subject lost to a missed dispensing")


class Scenario(ProtocolPart):
    """All the assumptions. `protocol` is the protocol's file, relative to the scenario's; `seed` starts every random stream."""

    schema_version: Literal[1] = 1
    name: Text
    description: str = ""
    protocol: Text
    seed: int = Field(ge=0, le=LARGEST_SEED)
    starts_on: date
    duration_days: int = Field(ge=1, le=7305)
    recruitment: Recruitment
    activation: Activation = Activation()
    screening: Screening
    population: Population
    visits: VisitBehaviour
    drop_out: DropOut
    replacement: Replacement = Replacement()
    titration: tuple[DoseMoves, ...] = ()
    shipping: Shipping
    excursions: Excursions = Excursions()
    site_stock_at_start: Literal["none", "seed_quantity", "up_to_level"] = Field(
        default="none",
        description="kits of each type that every site has on the first day, from its depot: by that parameter of the site; only in the "
        "simulator's engines",
    )
    randomization_list: RandomizationList
    arm_closings: tuple[ArmClosing, ...] = ()
    lots: tuple[LotPlan, ...] = Field(min_length=1)
    campaigns: tuple[Campaign, ...] = ()
    costs: Costs = Costs()


def load_scenario(path: Path | str, protocol: Protocol | None = None) -> Scenario:
    """Read the scenario in the YAML file `path` and check it against `protocol` (None: the protocol file that it names).

    Raises ScenarioError with every problem of the scenario, and ProtocolError where its protocol cannot be used.
    """
    return load_scenario_and_protocol(path, protocol)[0]


def load_scenario_and_protocol(
    path: Path | str, protocol: Protocol | None = None
) -> tuple[Scenario, Protocol]:
    """As `load_scenario`, and the protocol that the scenario was checked against with it."""
    against: list[Protocol] = [] if protocol is None else [protocol]

    def check(scenario: Scenario) -> list[Inconsistency]:
        if not against:
            against.append(load_protocol(Path(path).parent / scenario.protocol))
        return scenario_inconsistencies(scenario, against[0])

    scenario = load_document(Scenario, path, ScenarioError, check)
    return scenario, against[0]

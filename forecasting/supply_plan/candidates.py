"""What may be made: the campaigns that a plan chooses from, of a scenario or of a YAML file of their own, and their runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from allocation.study.inconsistency import Findings, Inconsistency
from allocation.study.model import Code, ProtocolPart, Text
from allocation.study.protocol import Protocol
from allocation.study.refilled_depots import refilled_depots
from allocation.study.yaml_files import load_document
from forecasting.supply_plan.errors import CampaignsError, SupplyPlanError
from simulation.production import Campaign
from simulation.production_checks import check_production
from simulation.scenario import Scenario

MOST_KITS = 1_000_000
"""Of a run, and what is put at a depot that must not run out."""


class Candidate(Campaign):
    """A campaign of which each run may be made, in a number of kits that the plan chooses: none, or `least_kits` to `most_kits` in
    multiples of `multiple_of`, counted before the yield. `cost_per_run`: in the study's currency, beside the cost of kits."""

    depots: tuple[Code, ...] = Field(min_length=1, description="which may get kits of it")
    least_kits: int = Field(default=1, ge=1, le=MOST_KITS, description="the smallest batch")
    multiple_of: int = Field(
        default=1, ge=1, le=MOST_KITS, description="a batch is so many kits, or twice, ..."
    )
    most_kits: int = Field(default=MOST_KITS, ge=1, le=MOST_KITS, description="the largest batch")
    cost_per_run: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _chooses(self) -> Candidate:
        if self.kits is not None or self.shares or self.kits_by_depot:
            raise ValueError(
                "says how many kits are made; the plan does: leave kits, shares and kits_by_depot out"
            )
        if self.largest < self.least_kits:
            raise ValueError(
                f"has no batch from least_kits {self.least_kits} to most_kits {self.most_kits} that is a multiple of {self.multiple_of}; "
                "raise most_kits, or lower the other two"
            )
        return self

    @property
    def largest(self) -> int:
        """The largest batch that can be made."""
        return self.most_kits // self.multiple_of * self.multiple_of

    def batch(self, kits: int) -> int:
        """The smallest batch of so many kits or more, and the largest one where there is none; 0 for 0."""
        if kits <= 0:
            return 0
        whole = -(-max(kits, self.least_kits) // self.multiple_of) * self.multiple_of
        return min(whole, self.largest)

    def good(self, kits: int) -> int:
        """The kits that can be used, of so many that are made for a depot."""
        return self._good(kits)

    def to_make(self, good: int) -> int:
        """The fewest kits to make so that so many can be used."""
        made = max(int(good / self.yield_share) - 1, 0)
        while self.good(made) < good:
            made += 1
        return made


class Calendar(ProtocolPart):
    """The file: what may be made, and which campaigns of the scenario are made as they stand there (the others are not)."""

    schema_version: Literal[1] = 1
    campaigns: tuple[Candidate, ...] = Field(min_length=1)
    name: Text
    keeps: tuple[Code, ...] = Field(default=(), description="campaigns of the scenario")


@dataclass(frozen=True)
class Run:
    """A run that may be made: its campaign, its number there (from 1), and the day on which it begins by plan."""

    campaign: Candidate
    number: int
    begins: date

    @property
    def code(self) -> str:
        """The code of its lot."""
        return self.campaign.lot_code(self.number)

    @property
    def expires(self) -> date:
        """When its lot expires."""
        return self.campaign.expires(self.begins)

    def made(self, kits_by_depot: dict[str, int]) -> Campaign:
        """The run as a campaign of a scenario, with so many kits for each depot (before the yield)."""
        of = self.campaign
        return Campaign(
            code=self.code,
            kit_type=of.kit_type,
            starts_on=self.begins,
            lead_days=of.lead_days,
            label_days=of.label_days,
            release_days=of.release_days,
            kits_by_depot=kits_by_depot,
            yield_share=of.yield_share,
            shelf_life_days=of.shelf_life_days,
            shelf_life_months=of.shelf_life_months,
            released_for=of.released_for,
        )


@dataclass(frozen=True)
class Choices:
    """The runs that may be made, by day; the scenario with the campaigns that are made in any case; what is to be known about it."""

    runs: tuple[Run, ...]
    scenario: Scenario
    notes: tuple[str, ...]


def read_choices(file: Path | None, scenario: Scenario, protocol: Protocol, after: date | None) -> Choices:
    """What may be made: by `file`, else the campaigns of the scenario, of which only the kits are chosen anew.

    `after`: the day that a running study has come to; runs that begin on it or before are left out. Raises CampaignsError with every
    problem of the file, and SupplyPlanError where nothing may be made.
    """
    candidates, kept = (
        _of_file(file, scenario, protocol) if file is not None else (_of_scenario(scenario), ())
    )
    if not candidates:
        raise SupplyPlanError(
            f"{scenario.name} has no campaigns, so there is nothing to plan",
            field="--campaigns",
            fix="name a file of what may be made (forecasting/supply_plan/README.md), or give the scenario campaigns",
        )
    _check_depots(candidates, protocol)
    runs = [
        Run(one, number, begins) for one in candidates for number, begins in enumerate(one.begins(), start=1)
    ]
    ahead = [run for run in runs if after is None or run.begins > after]
    if not ahead:
        raise SupplyPlanError(
            f"no run begins after {after}, the day that the study has come to",
            field="--campaigns",
            fix="name a file with runs that are still to begin",
        )
    past = [run.code for run in runs if run not in ahead]
    notes = (
        [
            f"Runs that begin by {after} are past: {', '.join(past)}. What they make counts if the study has the lot, or the scenario "
            "has it among its lots with the day of its arrival."
        ]
        if past
        else []
    )
    return Choices(
        tuple(sorted(ahead, key=lambda run: (run.begins, run.code))),
        scenario.model_copy(update={"campaigns": kept}),
        tuple(notes),
    )


def _of_scenario(scenario: Scenario) -> tuple[Candidate, ...]:
    chosen = {"kits", "shares", "kits_by_depot"}
    return tuple(
        Candidate(**one.model_dump(exclude=chosen), depots=tuple(one.kits_at())) for one in scenario.campaigns
    )


def _of_file(
    file: Path, scenario: Scenario, protocol: Protocol
) -> tuple[tuple[Candidate, ...], tuple[Campaign, ...]]:
    def check(read: Calendar) -> list[Inconsistency]:
        return inconsistencies(read, scenario, protocol)

    read = load_document(Calendar, file, CampaignsError, check)
    return read.campaigns, tuple(one for one in scenario.campaigns if one.code in read.keeps)


def inconsistencies(read: Calendar, scenario: Scenario, protocol: Protocol) -> list[Inconsistency]:
    """What is wrong with the file beside its shape: names, days, shelf lives that are too short to reach a site (as of a scenario)."""
    findings = Findings()
    findings.names(("keeps",), read.keeps, [one.code for one in scenario.campaigns], "campaign")
    codes = [depot.code for depot in protocol.depots]
    for index, one in enumerate(read.campaigns):
        findings.names(("campaigns", index, "depots"), one.depots, codes, "depot")
    # As campaigns of the scenario, whose checks they have to pass with any number of kits.
    kept = [lot for one in scenario.campaigns if one.code in read.keeps for lot in one.lots()]
    full = [
        one.model_copy(update={"kits_by_depot": dict.fromkeys(set(one.depots) & set(codes), MOST_KITS)})
        for one in read.campaigns
    ]
    as_scenario = scenario.model_copy(update={"lots": (*scenario.lots, *kept), "campaigns": tuple(full)})
    if not findings.found:
        check_production(as_scenario, protocol, findings)
    return findings.found


def _check_depots(candidates: tuple[Candidate, ...], protocol: Protocol) -> None:
    refilled = refilled_depots(protocol)
    for index, one in enumerate(candidates):
        for depot in set(one.depots) & set(refilled):
            raise SupplyPlanError(
                f"depot {depot} is refilled by another depot, and {one.code} would send kits to it past that depot",
                field=f"campaigns[{index}].depots",
                fix="let the campaign supply the depot that refills it",
            )

"""A trial of three sites and up to thirty subjects, played by the readable engine with changes to its scenario."""

from __future__ import annotations

from typing import Any

from allocation.study.protocol import Protocol
from simulation.engines import simpy_twin
from simulation.engines.outcomes import OUTCOMES, Replicate
from simulation.engines.plan_of_study import plan_of
from simulation.scenario import Scenario
from tests.simulation.engines.small_trials import PROTOCOL, SCENARIO


def documents() -> tuple[dict[str, Any], dict[str, Any]]:
    """The protocol and the scenario as documents, to be changed."""
    protocol: dict[str, Any] = PROTOCOL.model_dump(mode="json")
    scenario: dict[str, Any] = SCENARIO.model_dump(mode="json")
    protocol["sites"] = protocol["sites"][:3]
    protocol["caps"][0]["limit"] = 30
    scenario["recruitment"]["screened_per_site_month"] = 5.0
    scenario["duration_days"] = 700
    return protocol, scenario


def trial_of(protocol: dict[str, Any], scenario: dict[str, Any]) -> tuple[Protocol, Scenario]:
    """The two documents as they are played."""
    return Protocol.model_validate(protocol), Scenario.model_validate(scenario)


def played(protocol: dict[str, Any], scenario: dict[str, Any], replicate: int = 0) -> Replicate:
    """One replicate, with its trace."""
    return simpy_twin.play(plan_of(*trial_of(protocol, scenario)), 5, replicate, trace=True)


def outcomes_of(replicate: Replicate) -> dict[str, float]:
    """The outcomes by name."""
    return {column.name: value for column, value in zip(OUTCOMES, replicate.outcomes, strict=True)}

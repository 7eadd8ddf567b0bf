"""The benchmark trial with few sites, changed by hand, to show what one feature of supply does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from allocation.study.protocol import Protocol
from simulation.engines import simpy_twin
from simulation.engines.outcomes import OUTCOMES
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from simulation.engines.trace import as_frame
from simulation.scenario import Scenario

Documents = tuple[dict[str, Any], dict[str, Any]]


def small_plan(trial: tuple[Scenario, Protocol], change: Callable[[dict, dict], None]) -> TrialPlan:
    """Five sites that open at once, 40 subjects, four months; `change` is given protocol and scenario as documents."""
    scenario, protocol = (one.model_dump(mode="json") for one in trial)
    protocol["sites"] = protocol["sites"][:5]
    protocol["caps"][0]["limit"] = 40
    scenario["duration_days"] = 130
    scenario["recruitment"] |= {"screened_per_site_month": 3.0, "gamma_shape": None}
    scenario["activation"]["delay_days"] = {"law": "fixed", "min_days": 3}
    scenario["shipping"]["lane_delays"] = [{"days": {"law": "fixed", "min_days": 0}}]
    scenario["site_stock_at_start"] = "none"
    parameters = {"min_buffer": 3, "max_buffer": 6, "trigger": "at", "seed_quantity": 4}
    protocol["supply"]["parameters"] = [{"level": "study", "parameters": parameters}]
    protocol["supply"]["run_weekdays"] = [0, 1, 2, 3, 4, 5, 6]
    change(protocol, scenario)
    return plan_of(Protocol.model_validate(protocol), Scenario.model_validate(scenario))


def played(plan: TrialPlan, seed: int = 1) -> tuple[pl.DataFrame, dict[str, float]]:
    """The events of a replicate, and its outcomes by name. The readable engine plays it: the other one gives the same events."""
    replicate = simpy_twin.play(plan, seed, 0, trace=True)
    names = [column.name for column in OUTCOMES]
    return as_frame(replicate.trace), dict(zip(names, replicate.outcomes.tolist(), strict=True))


def of_kind(events: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The events of one kind."""
    return events.filter(pl.col("kind") == kind)

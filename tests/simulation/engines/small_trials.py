"""Small trials for Hypothesis: the benchmark protocol with a few sites and subjects, and every feature drawn at random."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from allocation.study.protocol import Protocol
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from simulation.scenario import Scenario, load_scenario_and_protocol
from tests.conftest import REPOSITORY

SCENARIO, PROTOCOL = load_scenario_and_protocol(REPOSITORY / "studies" / "rtsm-bench-100-scenario.yaml")


@st.composite
def day_laws(draw: st.DrawFn, most: int) -> dict[str, Any]:
    """A law of 0 to `most` days."""
    low = draw(st.integers(0, most))
    kind = draw(st.sampled_from(["fixed", "uniform", "gamma"]))
    if kind == "fixed":
        return {"law": "fixed", "min_days": low}
    high = draw(st.integers(low, most))
    if kind == "uniform":
        return {"law": "uniform", "min_days": low, "max_days": high}
    return {"law": "gamma", "min_days": low, "max_days": high, "mean_days": low + 1, "shape": 1.5}


@st.composite
def trials(draw: st.DrawFn) -> tuple[Protocol, Scenario]:
    """A protocol and a scenario that can be played."""
    protocol: dict[str, Any] = PROTOCOL.model_dump(mode="json")
    scenario: dict[str, Any] = SCENARIO.model_dump(mode="json")
    protocol["sites"] = protocol["sites"][: draw(st.integers(1, 4))]
    visits = draw(st.integers(1, 4))
    protocol["visits"] = protocol["visits"][: visits + 1]
    codes = [visit["code"] for visit in protocol["visits"]][1:]
    for entry in protocol["dispensing"]:
        entry["visits"] = codes
        entry["kits"][0]["quantity"] = draw(st.integers(1, 2))
    protocol["caps"][0]["limit"] = draw(st.integers(1, 30))
    protocol["randomization"][0]["block_sizes"] = [draw(st.sampled_from([2, 4]))]
    low = draw(st.integers(0, 3))
    protocol["supply"]["parameters"][0]["parameters"] |= {
        "min_buffer": low,
        "max_buffer": low + draw(st.integers(1, 4)),
        "trigger": draw(st.sampled_from(["at", "below"])),
    }
    protocol["supply"]["consolidation"] = draw(st.sampled_from(["all_types", "triggered_types_only"]))
    protocol["lanes"][0]["lead_time_days"] = draw(st.integers(0, 20))
    scenario["duration_days"] = draw(st.integers(1, 200))
    scenario["recruitment"]["screened_per_site_month"] = draw(st.sampled_from([0.5, 3.0, 30.0]))
    scenario["recruitment"]["gamma_shape"] = draw(st.sampled_from([None, 0.5, 2.0]))
    scenario["activation"]["delay_days"] = draw(day_laws(60))
    scenario["drop_out"]["per_visit_probability"] = draw(st.sampled_from([0.0, 0.3, 1.0]))
    scenario["visits"]["day_law"] = draw(st.sampled_from(["triangular", "uniform"]))
    scenario["shipping"]["lane_delays"] = [{"days": draw(day_laws(9))}]
    scenario["site_stock_at_start"] = draw(st.sampled_from(["none", "up_to_level", "seed_quantity"]))
    for lot in scenario["lots"]:
        lot["arrivals"][0]["kits"] = draw(st.sampled_from([3, 40, 1000]))
        lot["arrivals"].append({"depot": "DEP", "on": "2025-02-01", "kits": draw(st.integers(1, 50))})
    return Protocol.model_validate(protocol), Scenario.model_validate(scenario)


def plans() -> st.SearchStrategy[TrialPlan]:
    """The plans of such trials."""
    return trials().map(lambda trial: plan_of(*trial))

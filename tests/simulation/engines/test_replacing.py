"""People who take the place of those who left, and kits that subjects lose: what the engines make of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from allocation.study.protocol import Protocol
from simulation.engines import compiled, events
from simulation.engines.outcomes import OUTCOMES
from simulation.engines.plan_of_study import names_of, plan_of
from simulation.errors import NotSimulated
from simulation.replicates.trace_file import named_events
from simulation.scenario import Scenario
from simulation.scenario_checks import scenario_inconsistencies
from simulation.twin import Twin


def trial(
    bench_trial: Any, policy: str, limit: int = 30, kits: float = 0.0, **replacement: Any
) -> tuple[Protocol, Scenario]:
    """Six sites, `limit` subjects, of whom half leave after each visit."""
    scenario, protocol = bench_trial
    study, played = protocol.model_dump(mode="json"), scenario.model_dump(mode="json")
    study["sites"], study["visits"] = study["sites"][:6], study["visits"][:4]
    for entry in study["dispensing"]:
        entry["visits"] = ["V1", "V2", "V3"]
    study["screening"]["replacement"] = policy
    study["caps"][0] |= {"limit": limit, "at_cap": "refuse"}
    played["duration_days"] = 240
    played["recruitment"] |= {"screened_per_site_month": 10, "gamma_shape": None}
    played["drop_out"]["per_visit_probability"] = 0.5
    played["replacement"] |= replacement
    played["visits"]["kit_replaced_probability"] = kits
    return Protocol.model_validate(study), Scenario.model_validate(played)


def played(trial: tuple[Protocol, Scenario]) -> tuple[dict[str, float], np.ndarray]:
    one = compiled.play(plan_of(*trial), 5, 0)
    assert one.trace is not None
    return {column.name: value for column, value in zip(OUTCOMES, one.outcomes, strict=True)}, one.trace


def test_a_place_that_is_taken_again_counts_once_toward_the_cap(bench_trial) -> None:
    nobody, _ = played(trial(bench_trial, "none"))
    outcomes, _ = played(trial(bench_trial, "next_entry", probability=1.0))
    assert nobody["randomized"] == 30
    assert nobody["replaced"] == 0
    assert outcomes["replaced"] > 10
    assert outcomes["randomized"] == 30 + outcomes["replaced"]
    assert outcomes["completed"] > nobody["completed"]


def test_no_more_are_sought_than_the_scenario_says(bench_trial) -> None:
    outcomes, _ = played(trial(bench_trial, "next_entry", probability=1.0, most=4))
    assert outcomes["replaced"] == 4


def arms_of_pairs(trace: np.ndarray) -> list[tuple[int, int]]:
    arms = {int(row[4]): int(row[7]) for row in trace if row[2] == events.RANDOMIZED}
    return [(arms[int(row[4])], arms[int(row[7])]) for row in trace if row[2] == events.REPLACED]


def test_by_same_arm_a_replacement_takes_the_arm_of_whom_it_replaces(bench_trial) -> None:
    same = arms_of_pairs(played(trial(bench_trial, "same_arm", probability=1.0))[1])
    assert len(same) > 10
    assert all(own == replaced for own, replaced in same)
    drawn = arms_of_pairs(played(trial(bench_trial, "next_entry", probability=1.0))[1])
    assert any(own != replaced for own, replaced in drawn)


def test_a_replacement_is_screened_as_many_days_later_as_the_law_says(bench_trial) -> None:
    days = {"law": "fixed", "min_days": 11}
    _, trace = played(trial(bench_trial, "next_entry", probability=1.0, days=days))
    left = {int(row[4]): int(row[0]) for row in trace if row[2] == events.DISCONTINUED}
    came = {int(row[4]): int(row[0]) for row in trace if row[2] == events.SCREENED}
    pairs = [(int(row[4]), int(row[7])) for row in trace if row[2] == events.REPLACED]
    assert {came[new] - left[old] for new, old in pairs} == {11}


def test_kits_that_subjects_lose_are_dispensed_on_top(bench_trial) -> None:
    whole, _ = played(trial(bench_trial, "none"))
    outcomes, trace = played(trial(bench_trial, "none", kits=0.25))
    assert whole["kits_replaced"] == 0
    share = outcomes["kits_replaced"] / (outcomes["kits_dispensed"] - outcomes["kits_replaced"])
    assert share == pytest.approx(0.25, abs=0.15)
    assert outcomes["kits_replaced"] > 5
    assert sum(trace[trace[:, 2] == events.KIT_REPLACED, 7]) == outcomes["kits_replaced"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"replacement": {"probability": 0.5}}, ("replacement", "probability")),
        (
            {"replacement": {"days": {"law": "fixed", "min_days": -2}}},
            ("replacement", "days", "min_days"),
        ),
        ({"visits": {"kit_replaced_probability": 0.1}}, ("visits", "kit_replaced_probability")),
    ],
)
def test_what_the_protocol_does_not_replace_is_refused_by_name(
    change: dict[str, Any], path: tuple[str, ...], bench_trial
) -> None:
    scenario, protocol = bench_trial
    study, assumed = protocol.model_dump(mode="json"), scenario.model_dump(mode="json")
    study["dosing"]["replacement"] = False
    for topic, values in change.items():
        assumed[topic] |= values
    [problem] = scenario_inconsistencies(Scenario.model_validate(assumed), Protocol.model_validate(study))
    assert problem.path == path
    assert problem.fix


@pytest.mark.parametrize("field", ["replacement.probability", "visits.kit_replaced_probability"])
def test_the_twin_of_the_service_refuses_to_play_it(field: str, bench_trial) -> None:
    scenario, protocol = bench_trial
    assumed = scenario.model_dump(mode="json")
    assumed["drop_out"]["per_visit_probability"] = 0
    topic, name = field.split(".")
    assumed[topic][name] = 0.5
    with pytest.raises(NotSimulated) as refused:
        Twin(protocol, Scenario.model_validate(assumed))
    assert refused.value.field == field


def test_a_trace_for_people_names_the_arm_and_whom_a_subject_replaces(bench_trial) -> None:
    protocol, scenario = trial(bench_trial, "same_arm", probability=1.0)
    _, trace = played((protocol, scenario))
    frame = named_events(trace, SimpleNamespace(names=names_of(protocol, scenario), scenario=scenario))
    arms = dict(frame.filter(pl.col("event") == "randomized").select("subject", "arm").iter_rows())
    pairs = list(frame.filter(pl.col("event") == "replaced").select("subject", "quantity").iter_rows())
    assert len(pairs) > 10
    assert all(arms[own] == arms[replaced] for own, replaced in pairs)

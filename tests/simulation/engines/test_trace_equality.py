"""Both engines play one plan: event for event, outcome for outcome, week for week."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulation.engines import compiled, simpy_twin
from simulation.engines.outcomes import OUTCOMES, Replicate
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from simulation.scenario import load_scenario_and_protocol
from tests.conftest import REPOSITORY
from tests.simulation.engines.small_allocation import scarce_trials
from tests.simulation.engines.small_trials import plans


def check_equal(one: Replicate, other: Replicate) -> None:
    differing = {
        column.name: values
        for column, *values in zip(OUTCOMES, one.outcomes, other.outcomes, strict=True)
        if values[0] != values[1]
    }
    assert differing == {}
    assert one.trace is not None
    assert other.trace is not None
    np.testing.assert_array_equal(one.trace, other.trace)
    np.testing.assert_array_equal(one.weekly, other.weekly)


def check_conserved(replicate: Replicate) -> None:
    of = {column.name: value for column, value in zip(OUTCOMES, replicate.outcomes, strict=True)}
    gone = (
        "dispensed",
        "lost",
        "damaged",
        "expired_site",
        "expired_depot",
        "returned_unused",
        "excursion_rejected",
    )
    left = ("left", "left_sites", "left_transit")
    assert of["kits_produced"] == sum(of[f"kits_{name}"] for name in (*gone, *left))
    assert of["screened"] >= of["randomized"] >= of["completed"] + of["discontinued"]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(plans(), st.integers(0, 2**64 - 1), st.integers(0, 2**20))
def test_both_engines_give_the_same_events_outcomes_and_weeks(
    plan: TrialPlan, seed: int, replicate: int
) -> None:
    compiled_one = compiled.play(plan, seed, replicate)
    check_equal(compiled_one, simpy_twin.play(plan, seed, replicate, trace=True))
    check_conserved(compiled_one)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 2**64 - 1))
def test_both_engines_randomize_to_the_same_events_by_every_method_and_as_supply_allows(
    data: st.DataObject, seed: int, bench_trial
) -> None:
    scenario, protocol = bench_trial
    plan = plan_of(*data.draw(scarce_trials(protocol, scenario)))
    compiled_one = compiled.play(plan, seed, 0)
    check_equal(compiled_one, simpy_twin.play(plan, seed, 0, trace=True))
    check_conserved(compiled_one)


def test_both_engines_agree_on_the_benchmark_trial(bench_trial) -> None:
    scenario, protocol = bench_trial
    plan = plan_of(protocol, scenario)
    check_equal(compiled.play(plan, 7, 3), simpy_twin.play(plan, 7, 3, trace=True))


def test_a_batch_has_the_replicates_that_are_played_alone_whatever_the_threads(bench_trial) -> None:
    scenario, protocol = bench_trial
    plan = plan_of(protocol, scenario)
    batch = compiled.play_batch(plan, 11, 5, 7)
    threaded = compiled.play_batch(plan, 11, 5, 7, threads=3)
    np.testing.assert_array_equal(batch.outcomes, threaded.outcomes)
    np.testing.assert_array_equal(batch.weekly, threaded.weekly)
    alone = compiled.play(plan, 11, 8, trace=False)
    np.testing.assert_array_equal(batch.outcomes[3], alone.outcomes)
    np.testing.assert_array_equal(batch.weekly[3], alone.weekly)


def test_memory_that_is_too_small_is_made_larger_and_changes_nothing(bench_trial) -> None:
    scenario, protocol = bench_trial
    plan = plan_of(protocol, scenario)
    small = compiled.play_batch(plan._replace(subjects_expected=64), 11, 5, 3)
    np.testing.assert_array_equal(small.outcomes, compiled.play_batch(plan, 11, 5, 3).outcomes)


def test_both_engines_agree_on_the_demo() -> None:
    scenario, protocol = load_scenario_and_protocol(REPOSITORY / "studies" / "demo-scenario.yaml")
    plan = plan_of(protocol, scenario)
    compiled_one = compiled.play(plan, scenario.seed, 0)
    check_equal(compiled_one, simpy_twin.play(plan, scenario.seed, 0, trace=True))
    check_conserved(compiled_one)


def test_stock_outs_fall_as_the_trigger_rises_under_common_random_numbers(bench_trial) -> None:
    scenario, protocol = bench_trial
    plan = plan_of(protocol, scenario)
    missed = []
    for low in (1, 3, 5):
        thresholds = {"min_buffer": plan.resupply.min_buffer * 0 + low}
        batch = compiled.play_batch(plan._replace(resupply=plan.resupply._replace(**thresholds)), 3, 0, 60)
        frame = batch.frame()
        missed.append((frame["missed_dispensings"] + frame["out_of_stock"]).sum())
        assert frame["randomized"].sum() == 60 * 600
    assert missed[0] > missed[1] > missed[2]

"""Buffers that are computed from the enrolment, or go by the active subjects of a site."""

from __future__ import annotations

import polars as pl

from allocation.rules.computed_buffer import NewcomerDispensing, compute_buffer
from simulation.engines.plan import TrialPlan
from tests.simulation.engines.small_study import of_kind, played, small_plan


def computed_plan(trial, confidence: str, **more: str) -> TrialPlan:
    """The small study by rule D, a window of 30 and one of 60 days."""

    def change(protocol, _) -> None:
        protocol["lanes"][0]["lead_time_days"] = 21
        protocol["supply"]["parameters"][0]["parameters"] |= {
            "buffer_from": "computed",
            "confidence": confidence,
            "short_window": 30,
            "long_window": 60,
            "trigger": "below",
            **more,
        }

    return small_plan(trial, change)


def test_computed_buffers_are_those_of_the_rule_for_the_newcomers_of_the_protocol(bench_trial) -> None:
    plan = computed_plan(bench_trial, "0.95", enrolment_per_month="3")
    _, protocol = bench_trial
    windows = [
        (visit.target_day - 1 - visit.window_before, visit.code)
        for visit in protocol.visits
        if visit.dispensing
    ]
    for kit_type, arm in enumerate(("A", "B")):
        row = next(entry for entry in protocol.dispensing if entry.arm == arm)
        dispensings = [
            NewcomerDispensing(kit_type, offset, row.kits[0].quantity)
            for offset, code in windows
            if code in row.visits
        ]
        expected = compute_buffer(3.0, 0.95, (1, 1), dispensings, 30, 60)
        assert set(plan.resupply.min_buffer[..., kit_type].ravel()) == {expected.min_buffer}
        assert set(plan.resupply.max_buffer[..., kit_type].ravel()) == {expected.max_buffer}


def test_a_higher_confidence_leaves_fewer_visits_without_a_kit(bench_trial) -> None:
    missing = []
    for confidence in ("0.5", "0.99"):
        _, outcomes = played(computed_plan(bench_trial, confidence, enrolment_per_month="3"))
        missing.append(outcomes["missed_dispensings"] + outcomes["out_of_stock"])
    assert missing[0] > missing[1]


def test_a_band_orders_by_the_active_subjects_of_the_site(bench_trial) -> None:
    def bands(protocol, scenario) -> None:
        scenario["drop_out"]["per_visit_probability"] = 0
        protocol["supply"]["parameters"][0]["parameters"] |= {
            "buffer_from": "bands",
            "trigger": "below",
            "bands": [
                {"from_subjects": 0, "min_buffer": 1, "max_buffer": 2},
                {"from_subjects": 3, "min_buffer": 20, "max_buffer": 30},
            ],
        }

    events, _ = played(small_plan(bench_trial, bands))
    third = (
        of_kind(events, "randomized")
        .sort("day", "subject")
        .with_columns(pl.col("subject").cum_count().over("site").alias("nth"))
        .filter(pl.col("nth") == 3)
        .select("site", pl.col("day").alias("third"))
    )
    assert third.height == 5
    ordered = of_kind(events, "ordered").join(third, on="site")
    before = ordered.filter(pl.col("day") < pl.col("third"))["quantity"]
    on_the_day = ordered.filter(pl.col("day") == pl.col("third"))
    assert before.max() <= 2
    assert on_the_day["quantity"].min() >= 28
    assert set(on_the_day["site"]) == set(third["site"])

"""Changes of a trial under common random numbers: what each kind moves, and what none of them touches."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from forecasting.what_if.documents import Trial
from tests.forecasting.what_if.small_trial import changed, compared, run_of, small_trial, trace_of


@pytest.fixture(scope="module")
def base() -> Trial:
    return small_trial()


def test_an_empty_change_makes_no_difference_in_any_replicate(base: Trial) -> None:
    found = compared(base, replicates=3)
    assert found.same
    for gap in found.differences:
        assert (gap.base, gap.difference, gap.standard_error) == (gap.changed, 0, 0)
        assert (gap.low, gap.high, set(gap.quantiles)) == (0, 0, {0})
        assert gap.share_higher == gap.share_lower == 0
    assert {share.difference for share in (*found.risks, *found.ratios)} == {0}
    assert {(share.low, share.high) for share in (*found.risks, *found.ratios)} == {(0, 0)}
    assert found.variance_ratio is None


@pytest.mark.parametrize("replicate", [0, 1])
def test_added_sites_change_nothing_at_the_sites_that_are_there(base: Trial, replicate: int) -> None:
    more = changed(base, sites=[{"country": "DEU", "count": 3, "opens": "2025-02-01", "every_days": 10}])
    new = [site.code for site in more.protocol.sites[4:]]
    assert new == ["DEU-NEW1", "DEU-NEW2", "DEU-NEW3"]
    usual, trace = trace_of(base, replicate), trace_of(more, replicate)
    shown = [name for name in trace.columns if name != "subject"]  # subjects are counted over all sites
    for code in run_of(base).names.sites:
        assert trace.filter(site=code).select(shown).equals(usual.filter(site=code).select(shown))
    opened = trace.filter(pl.col("kind") == "opened", pl.col("site").is_in(new))
    assert sorted(opened["site"]) == new
    assert opened["day"].min() >= 31  # type: ignore[operator]


def test_a_new_country_gets_its_lane_from_the_depot_that_is_named(base: Trial) -> None:
    brazil = {"country": "BRA", "count": 2, "depot": "DEP", "lead_time_days": 11, "shipment_cost": 480}
    more = changed(base, sites=[brazil])
    run = run_of(more)
    assert run.plan.lanes.lead_days.tolist() == [6, 6, 6, 6, 11, 11]
    assert run.plan.lanes.cost.tolist()[-1] == 480
    country = more.protocol.country("BRA")
    assert country is not None
    assert country.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("change", "measure", "direction"),
    [
        ({"recruitment": [{"factor": 0.5}]}, "randomized", -1),
        ({"recruitment": [{"factor": 2, "site": "S001", "first_day": "2025-03-01"}]}, "randomized", 1),
        ({"sites": [{"country": "DEU", "count": 2}]}, "randomized", 1),
        ({"ratio": {"arms": {"A": 3}}}, "cost_kits", 1),
        (
            {"depots_lost": [{"depot": "DEP", "first_day": "2025-02-01", "days": 40}]},
            "missed_dispensings",
            1,
        ),
        ({"shelf_life": [{"days": 260}]}, "kits_expired_depot", 1),
        ({"shelf_life": [{"factor": 0.3, "kit_type": "KA"}]}, "kits_expired_depot", 1),
        ({"drop_arm": {"arm": "A", "on": "2025-02-01"}}, "cost_kits", -1),
        ({"drop_arm": {"arm": "A"}}, "cost_kits", -1),
        (
            {"thresholds": [{"level": "study", "parameters": {"min_buffer": 3, "max_buffer": 12}}]},
            "missed_all",
            -1,
        ),
        ({"lead_times": [{"factor": 4}]}, "missed_all", 1),
        (
            {"set": [{"path": "scenario.drop_out.per_visit_probability", "value": 0.5}]},
            "completed",
            -1,
        ),
    ],
)
def test_each_kind_of_change_moves_what_it_must(
    base: Trial, change: dict[str, Any], measure: str, direction: int
) -> None:
    found = compared(base, **change)
    gap = found.difference(measure)
    assert not found.same
    assert min(direction * gap.low, direction * gap.high) > 0, gap
    assert direction * gap.difference > 0
    assert gap.share_worse == (gap.share_higher if gap.worse == "higher" else gap.share_lower)


def test_a_threshold_that_holds_everywhere_leaves_no_lower_level_in_its_way(base: Trial) -> None:
    own = {"level": "site", "key": "S002", "parameters": {"max_buffer": 9, "seed_quantity": 5}}
    site = changed(base, thresholds=[own])
    study = {"level": "study", "parameters": {"max_buffer": 6}}
    above = run_of(changed(site, thresholds=[study])).plan.resupply
    assert above.max_buffer[0, :, 0].tolist() == [6, 9, 6, 6]
    everywhere = run_of(changed(site, thresholds=[study | {"everywhere": True}])).plan.resupply
    assert everywhere.max_buffer[0, :, 0].tolist() == [6, 6, 6, 6]
    assert everywhere.seed_quantity[0, :, 0].tolist() == above.seed_quantity[0, :, 0].tolist()


def test_blocks_keep_their_rounds_under_another_ratio(base: Trial) -> None:
    assert base.protocol.randomization[0].block_sizes == (4,)
    assert changed(base, ratio={"arms": {"A": 2}}).protocol.randomization[0].block_sizes == (6,)
    given = {"arms": {"A": 2}, "block_sizes": [3, 9]}
    assert changed(base, ratio=given).protocol.randomization[0].block_sizes == (3, 9)


def test_common_random_numbers_narrow_the_comparison_of_thresholds(base: Trial) -> None:
    higher = [{"level": "study", "parameters": {"min_buffer": 2, "max_buffer": 6}}]
    found = compared(base, replicates=14, thresholds=higher)
    shipments, dispensed = found.difference("shipments"), found.difference("kits_dispensed")
    assert shipments.variance_ratio is not None
    assert dispensed.variance_ratio is not None
    assert shipments.variance_ratio > 3
    assert dispensed.variance_ratio > 3
    assert found.difference("randomized").variance_ratio is None  # every pair has the same subjects

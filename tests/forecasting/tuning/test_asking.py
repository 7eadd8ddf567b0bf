"""What is asked for in words: grids, groups, baselines and trials; what contradicts itself is refused by field and fix."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from forecasting.tuning.baseline import baseline_of
from forecasting.tuning.candidates import Setting, candidate_of, own_candidate
from forecasting.tuning.errors import BadTuning
from forecasting.tuning.families import family_of
from forecasting.tuning.figures import from_day_0
from forecasting.tuning.grid import parse_grid
from forecasting.tuning.objective import ObjectiveName
from forecasting.tuning.risk import parse_risk
from forecasting.tuning.run import Request, run_tuning
from forecasting.tuning.screening import Screening
from forecasting.tuning.site_groups import groups_by, parse_by
from forecasting.tuning.trial import Trial, trial_of_documents
from simulation.engines.outcomes import DAY_LAST_VISIT, N_OUTCOMES, VISITS
from tests.conftest import REPOSITORY
from tests.forecasting.tuning.small_tuning import small_trial

DEMO = REPOSITORY / "studies" / "demo-scenario.yaml"
RISK = parse_risk("any_missed<=0.1")


@pytest.fixture(scope="module")
def demo() -> Trial:
    return trial_of_documents(DEMO, 1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return small_trial(tmp_path_factory.mktemp("asking"))


def expected(trial: Trial) -> Screening:
    shape = len(trial.run.names.sites), len(trial.run.names.kit_types)
    return Screening(trial, np.full(shape, 7.0), np.full(shape, 0.1), 300.0)


def test_a_grid_is_read() -> None:
    assert parse_grid(["min_buffer=0:3", "max_above_min=2:10:4"]) == {
        "min_buffer": (0, 1, 2, 3),
        "max_above_min": (2, 6, 10),
    }
    assert parse_grid(["confidence=0.95,0.8 short_window=14"]) == {
        "confidence": (0.8, 0.95),
        "short_window": (14,),
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("buffer=1:3", "names none of"),
        ("min_buffer=3:1 max_above_min=1", "is no range"),
        ("min_buffer=a max_above_min=1", "no list of numbers"),
        ("min_buffer=1.5 max_above_min=1", "cannot be 1.5"),
        ("min_buffer=-1:3 max_above_min=1", "cannot be -1"),
        ("max_above_min=0:3 min_buffer=1", "cannot be 0"),
        ("confidence=0.999", "cannot be 0.999"),
        ("min_buffer=1:2 max_above_min=1 min_buffer=1", "given twice"),
        ("min_buffer=1:2", "go together"),
        ("min_buffer=1:2 max_above_min=3 confidence=0.9", "contradict each other"),
        ("short_window=20 long_window=10", "no long_window is as long"),
    ],
)
def test_what_is_no_grid_is_refused_with_the_fix(words: str, told: str) -> None:
    with pytest.raises(BadTuning, match=told) as refused:
        parse_grid([words])
    assert refused.value.field == "--grid"
    assert refused.value.fix


def test_groups_part_the_sites_and_kit_types(demo: Trial) -> None:
    for words in ([], ["tier"], ["country,kit-type"], ["tier", "kit type"]):
        groups = groups_by(demo.run, parse_by(words))
        assert (np.sum([group.cells for group in groups], axis=0) == 1).all()
    names = [group.name for group in groups]
    assert len(names) == 12
    assert names[:5] == ["K10", "K20", "K40", "KPB", "HIGH K10"]


class Both(NamedTuple):
    """The demo, and a trial without tiers and windows."""

    demo: Trial
    small: Trial


REFUSED: dict[str, tuple[Callable[[Both], object], str]] = {
    "unknown key": (lambda _: parse_by(["planet"]), "--by"),
    "no tiers": (lambda of: groups_by(of.small.run, ("tier",)), "--by"),
    "no baseline": (lambda of: baseline_of(of.small, "as last time"), "--baseline"),
    "range that falls": (lambda of: baseline_of(of.small, "enough for 5 to 2 subjects"), "--baseline"),
    "rule D without windows": (
        lambda of: family_of(of.small, expected(of.small), RISK, parse_grid(["confidence=0.9"]), ()),
        "--grid",
    ),
    "groups and a grid": (
        lambda of: family_of(
            of.demo, expected(of.demo), RISK, parse_grid(["min_buffer=1:3 max_above_min=2"]), ("tier",)
        ),
        "--grid",
    ),
    "windows beyond the protocol's long ones": (
        lambda of: family_of(of.demo, expected(of.demo), RISK, parse_grid(["short_window=60:90"]), ()),
        "--grid",
    ),
    "no trial": (lambda _: run_tuning(Request("any_missed<=0.1")), "SCENARIO"),
    "days of a scenario": (
        lambda _: run_tuning(Request("any_missed<=0.1", scenario=DEMO, days=9)),
        "--at, --days, --as",
    ),
    "a study without an end": (lambda _: run_tuning(Request("any_missed<=0.1", study="S")), "--days"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_contradicts_the_study_is_refused_with_the_fix(what: str, demo: Trial, small: Trial) -> None:
    ask, field = REFUSED[what]
    with pytest.raises(BadTuning) as refused:
        ask(Both(demo, small))
    assert refused.value.field == field
    assert refused.value.fix


def test_enough_for_so_many_subjects_is_so_many_times_the_most_of_a_visit_without_windows(
    demo: Trial,
) -> None:
    found = baseline_of(demo, "Enough for 2 to 5 subjects")
    plan = demo.plan_under(found.thresholds)
    most = {
        code: max(
            kit.quantity for row in demo.run.protocol.dispensing for kit in row.kits if kit.kit_type == code
        )
        for code in demo.run.names.kit_types
    }
    for column, (code, kits) in enumerate(most.items()):
        assert (plan.resupply.min_buffer[:, :, column] == 2 * kits).all(), code
        assert (plan.resupply.max_buffer[:, :, column] == 5 * kits).all(), code
    assert not plan.resupply.windows
    assert baseline_of(demo, "enough for 3 subjects") == baseline_of(demo, "enough for 3 to 6 subjects")
    assert baseline_of(demo, "protocol") == own_candidate(demo)


def test_rule_d_is_the_one_variable_and_its_row_names_the_rate_it_goes_by(demo: Trial) -> None:
    family = family_of(demo, expected(demo), RISK, parse_grid(["confidence=0.6,0.9,0.99"]), ())
    (line,) = family.lines
    assert len(line.candidates) == 3
    low, _, high = (demo.plan_under(one.thresholds).resupply for one in line.candidates)
    assert (low.min_buffer <= high.min_buffer).all()
    assert low.min_buffer.sum() < high.min_buffer.sum()
    rates = demo.enrolment_per_month()
    for row in line.candidates[0].parameters:
        assert row["buffer_from"] == "computed"
        sites = [
            at
            for at, site in enumerate(demo.run.protocol.sites)
            if site.country == row["country"] and site.profile == row["profile"]
        ]
        assert {rates[at] for at in sites} == {row["enrolment_per_month"]}


def test_each_groups_min_rises_along_a_line_and_its_first_supply_is_between_min_and_max(demo: Trial) -> None:
    family = family_of(demo, expected(demo), RISK, {}, ("tier",))
    line = family.lines[3]
    tables = [demo.plan_under(one.thresholds).resupply for one in line.candidates]
    for lower, higher in pairwise(tables):
        assert (lower.min_buffer <= higher.min_buffer).all()
    for row in line.candidates[-1].parameters:
        assert row["min_buffer"] < row["seed_quantity"] < row["max_buffer"]


def test_the_same_thresholds_are_one_candidate_whatever_they_are_called(small: Trial) -> None:
    one = candidate_of(small, groups_by(small.run, ()), (Setting(2, 5),))
    by_type = groups_by(small.run, ("kit_type",))
    assert one == candidate_of(small, by_type, (Setting(2, 5), Setting(2, 5)), label="other words")
    assert one != candidate_of(small, by_type, (Setting(2, 5), Setting(2, 6)))


def test_of_a_trial_that_goes_on_only_what_comes_counts(small: Trial) -> None:
    before = np.arange(N_OUTCOMES, dtype=np.float64)
    plan = small.plan._replace(present=small.plan.present._replace(there=1, so_far=before))
    outcomes = np.tile(before + 5, (2, 1))
    found = from_day_0(outcomes, plan)
    assert (found[:, VISITS] == 5).all()
    assert (found[:, DAY_LAST_VISIT] == outcomes[:, DAY_LAST_VISIT]).all()
    assert from_day_0(outcomes, small.plan) is outcomes


def test_an_objective_is_one_of_three() -> None:
    assert [one.value for one in ObjectiveName] == ["cost", "waste", "shipments"]

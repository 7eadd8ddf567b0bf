"""A file of changes: every slip is told with its line, the field, the value and the fix, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecasting.what_if.applying import load_changes
from forecasting.what_if.documents import Trial
from forecasting.what_if.errors import ChangeFileError
from simulation.scenario import load_scenario_and_protocol
from tests.conftest import REPOSITORY
from tests.forecasting.what_if.small_trial import small_trial


@pytest.fixture(scope="module")
def base() -> Trial:
    return small_trial()


def problems_of(folder: Path, base: Trial, *lines: str) -> list[str]:
    file = folder / "changes.yaml"
    file.write_text("\n".join(["schema_version: 1", "changes:", *lines]) + "\n", encoding="utf-8")
    with pytest.raises(ChangeFileError) as refused:
        load_changes([file], base)
    return [str(one) for one in refused.value.problems]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("recruitment: [{factor: 0.5, country: FRA}]", "country: FRA is not a country of this protocol"),
        ("recruitment: [{factor: -1}]", "recruitment[0].factor: -1 is below 0.0; use 0.0 or more"),
        ("recruitment: [{factor: 1, site: S009}]", "S009 is not a site of this protocol; did you mean S00"),
        ("recruitment: [{factor: 1, country: DEU, site: S001}]", "both a country and a site"),
        ("recrutment: [{factor: 1}]", "recrutment is not a key here; did you mean recruitment"),
        ("sites: [{country: BRA, count: 2}]", "depot is missing; name a country that it has, or give depot"),
        ("sites: [{country: DEU, count: 0}]", "sites[0].count: 0 is below 1"),
        ("sites: [{country: DEU, count: 1, lead_time_days: 3}]", "is for a new country"),
        ("ratio: {arms: {C: 2}}", "ratio.arms.C: C is not an arm of this protocol; use one of A, B"),
        ("ratio: {arms: {A: 2}, block_sizes: [4]}", "block_sizes"),
        ("drop_arm: {arm: C}", "drop_arm.arm: C is not an arm that subjects are randomized to"),
        ("depots_lost: [{depot: DEPOT, first_day: 2025-03-01, days: 21}]", "did you mean DEP?"),
        ("depots_lost: [{depot: DEP, first_day: 2024-03-01, days: 21}]", "is over before day 0, 2025-01-01"),
        ("shelf_life: [{}]", "give one of days and factor"),
        ("shelf_life: [{days: 600}]", "scenario.lots[0].expires_on: 2024-05-10"),
        ("thresholds: [{level: study, parameters: {}}]", "changes no parameter; give one"),
        ("thresholds: [{level: study, parameters: {max_buffer: 0}}]", "protocol.supply.parameters"),
        ("lead_times: [{add_days: 3, factor: 2}]", "give one of add_days, factor and days"),
        ("lead_times: [{country: FRA, days: 3}]", "country FRA has no lane in this protocol"),
        ("set: [{path: study.seed, value: 1}]", "begins with neither scenario nor protocol"),
        (
            "set: [{path: scenario.costs.lost_subjects, value: 1}]",
            "names lost_subjects, which is not a key there; did you mean lost_subject?",
        ),
        (
            "set: [{path: 'protocol.kit_types[KC].cost', value: 1}]",
            "names KC, which that list does not have; ",
        ),
        (
            "set: [{path: scenario.drop_out.per_visit_probability, value: 3}]",
            "scenario.drop_out.per_visit_probability: 3 is above 1.0; use 1.0 or less",
        ),
        (
            "set: [{path: scenario.duration_days, value: '9'}]",
            "scenario.duration_days: 9 is not a whole number",
        ),
    ],
)
def test_a_slip_is_told_with_line_field_value_and_fix(
    base: Trial, tmp_path: Path, line: str, told: str
) -> None:
    found = problems_of(tmp_path, base, "  - name: It", f"    {line}")
    assert any(told in one and one.startswith(("3:", "4:")) and "; " in one for one in found), found


def test_all_problems_are_told_at_once_and_names_may_not_repeat(base: Trial, tmp_path: Path) -> None:
    found = problems_of(
        tmp_path,
        base,
        "  - {name: Faster, recruitment: [{factor: 2, country: FRA}]}",
        "  - {name: faster!, lead_times: [{country: FRA, days: 1}]}",
    )
    assert [one.split(":")[0] for one in found] == ["3", "4", "4"]
    assert any("is the name of another change, too" in one for one in found)


def test_another_document_in_place_of_changes_is_told_as_such(base: Trial) -> None:
    with pytest.raises(ChangeFileError):
        load_changes([REPOSITORY / "studies" / "demo.yaml"], base)


@pytest.mark.parametrize("study", ["rtsm-bench-100", "demo"])
def test_the_changes_among_the_example_studies_are_read_and_change_something(study: str) -> None:
    folder = REPOSITORY / "studies"
    base = Trial(*load_scenario_and_protocol(folder / f"{study}-scenario.yaml"))
    made = load_changes([folder / f"{study}-what-if.yaml"], base)
    assert len(made) >= 7
    assert all(one.trial != base for one in made)

"""What a scenario assumes of supply is checked against its protocol, and refused with the field and the fix when it is impossible."""

from __future__ import annotations

from typing import Any

import pytest

from allocation.study.inconsistency import path_text
from simulation.scenario import Scenario, load_scenario_and_protocol
from simulation.scenario_checks import scenario_inconsistencies
from tests.conftest import REPOSITORY


def refused(change: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Path, message and fix of what is wrong with the demo's scenario after a change."""
    scenario, protocol = load_scenario_and_protocol(REPOSITORY / "studies" / "demo-scenario.yaml")
    changed = Scenario.model_validate(scenario.model_dump(mode="json") | change)
    found = scenario_inconsistencies(changed, protocol)
    return [(path_text(one.path), f"{one.value} {one.message}", one.fix) for one in found]


@pytest.mark.parametrize(
    ("excursions", "path", "message"),
    [
        ({"kit_types": ["K10", "K11"]}, "excursions.kit_types[1]", "K11"),
        ({"kit_types": ["K10", "K10"]}, "excursions.kit_types[1]", "K10"),
        ({"review_days": {"min_days": 0}}, "excursions.review_days.min_days", "on the day on which"),
        (
            {"review_days": {"law": "uniform", "min_days": -2, "max_days": 3}},
            "excursions.review_days.min_days",
            "before",
        ),
    ],
)
def test_impossible_excursions_are_refused_with_their_field(
    excursions: dict[str, Any], path: str, message: str
) -> None:
    problems = refused({"excursions": excursions})
    assert [where for where, _, _ in problems] == [path]
    assert message in problems[0][1]
    assert problems[0][2]


@pytest.mark.parametrize(
    "excursions",
    [{"shipment_probability": 1.1}, {"per_site_month": -1}, {"released_probability": -0.1}],
)
def test_negative_rates_and_improbable_probabilities_of_excursions_are_refused(
    excursions: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match=next(iter(excursions))):
        refused({"excursions": excursions})

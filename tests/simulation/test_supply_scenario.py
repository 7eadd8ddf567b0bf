"""What a scenario assumes of supply is checked against its protocol, and refused with the field and the fix when it is impossible."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from allocation.study.inconsistency import path_text
from allocation.study.protocol import Protocol
from simulation.scenario import Scenario, load_scenario_and_protocol
from simulation.scenario_checks import scenario_inconsistencies
from tests.conftest import REPOSITORY


@cache
def demo() -> tuple[Scenario, Protocol]:
    """The demo's scenario and protocol, read once."""
    return load_scenario_and_protocol(REPOSITORY / "studies" / "demo-scenario.yaml")


def refused(change: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Path, message and fix of what is wrong with the demo's scenario after a change."""
    scenario, protocol = demo()
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


CAMPAIGN: dict[str, Any] = {
    "code": "LD10",
    "kit_type": "K10",
    "starts_on": "2025-09-01",
    "lead_days": {"law": "uniform", "min_days": 40, "max_days": 60},
    "label_days": {"min_days": 14},
    "release_days": {"law": "gamma", "mean_days": 10, "shape": 4, "min_days": 3},
    "kits": 300,
    "shares": {"EUD": 0.6, "USD": 0.3, "APD": 0.1},
    "yield_share": 0.95,
    "shelf_life_months": 18,
}


def test_a_campaign_that_is_possible_is_not_refused() -> None:
    assert refused({"campaigns": [CAMPAIGN]}) == []
    repeated = {
        "every_days": 91,
        "until": "2026-06-01",
        "kits": None,
        "shares": {},
        "kits_by_depot": {"EUD": 90},
    }
    assert refused({"campaigns": [CAMPAIGN | repeated]}) == []


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"kit_type": "K11"}, "kit_type", "K11"),
        ({"code": "LA10"}, "code", "LA10 is the code of another lot"),
        ({"released_for": ["XXX"]}, "released_for[0]", "XXX"),
        ({"shares": {}}, "shares", "has no depot"),
        ({"shares": {"EUD": 0.5, "USX": 0.5}}, "shares.USX", "USX"),
        ({"shares": {"EUD": 0.5, "USD": 0.4}}, "shares", "0.9 is the sum"),
        ({"kits": None}, "kits", "has shares of no kits"),
        ({"kits_by_depot": {"EUD": 9}}, "kits_by_depot", "twice"),
        ({"kits": 1, "shares": {"EUD": 1.0}}, "shares.EUD", "0 is how many kits"),
        ({"kits": None, "shares": {}, "kits_by_depot": {"EUD": -5}}, "kits_by_depot.EUD", "how many kits"),
        ({"lead_days": {"min_days": -1}}, "lead_days.min_days", "-1 would end before it begins"),
        ({"release_days": {"min_days": -1}}, "release_days.min_days", "-1 would end before it begins"),
        ({"starts_on": "2030-01-01"}, "starts_on", "after the scenario's last day"),
        ({"every_days": 30, "until": "2025-08-01"}, "until", "before starts_on"),
        ({"every_days": 1, "until": "2026-06-01"}, "every_days", "274 runs"),
        (
            {"code": "L" * 39, "every_days": 30, "until": "2025-11-01"},
            "code",
            "L-3",
        ),
        ({"shelf_life_months": 2}, "shelf_life_months", "2 is too short"),
        ({"shelf_life_months": None, "shelf_life_days": 60}, "shelf_life_days", "60 is too short"),
    ],
)
def test_an_impossible_campaign_is_refused_with_its_field_and_the_fix(
    change: dict[str, Any], path: str, message: str
) -> None:
    problems = refused({"campaigns": [CAMPAIGN | change]})
    assert [where for where, _, _ in problems] == [f"campaigns[0].{path}"]
    assert message in problems[0][1]
    assert problems[0][2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shelf_life_months": None}, "no shelf life"),
        ({"shelf_life_days": 400}, "or two"),
        ({"every_days": 30}, "both every_days and until"),
        ({"yield_share": 0}, "yield_share"),
        ({"yield_share": 1.2}, "yield_share"),
        ({"kits": -4}, "kits"),
        ({"kits": None, "shares": {}, "kits_by_depot": {"EUD": 2_000_000}}, "kits_by_depot.EUD"),
    ],
)
def test_a_campaign_that_is_not_complete_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refused({"campaigns": [CAMPAIGN | change]})


def test_two_campaigns_of_one_code_are_refused() -> None:
    assert [where for where, _, _ in refused({"campaigns": [CAMPAIGN, CAMPAIGN]})] == ["campaigns[1].code"]


def test_a_wait_for_release_is_refused_below_0_and_when_nothing_could_be_shipped_after_it() -> None:
    scenario, _ = demo()
    lots = [lot.model_dump(mode="json") for lot in scenario.lots]
    lots[0]["release_delay_days"] = {"min_days": -1}
    assert [where for where, _, _ in refused({"lots": lots})] == ["lots[0].release_delay_days.min_days"]
    lots[0]["release_delay_days"] = {"min_days": 600}
    late = {f"lots[0].arrivals[{at}].on" for at in range(3)}
    assert {where for where, _, _ in refused({"lots": lots})} == {"lots", *late}
    lots[0]["release_delay_days"] = {"min_days": 200}
    assert {where for where, _, _ in refused({"lots": lots})} == {"lots"}

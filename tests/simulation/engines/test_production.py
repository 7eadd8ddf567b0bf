"""Campaigns and waits for release: when lots arrive, how many kits they have, and in which order they are used."""

from __future__ import annotations

from datetime import date
from typing import Any

from simulation.engines.plan_of_production import lots_in_order
from simulation.engines.plan_of_study import plan_of
from simulation.engines.trace import as_frame
from simulation.production import Campaign
from tests.simulation.engines.supply_trial import documents, outcomes_of, played, trial_of


def campaign(**change: Any) -> dict[str, Any]:
    return {
        "code": "C",
        "kit_type": "KA",
        "starts_on": "2025-02-01",
        "lead_days": {"law": "uniform", "min_days": 10, "max_days": 30},
        "label_days": {"min_days": 4},
        "release_days": {"law": "uniform", "min_days": 1, "max_days": 6},
        "kits": 400,
        "shares": {"DEP": 1.0},
        "shelf_life_months": 24,
    } | change


def scarce(*campaigns: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A trial with 12 kits of KA at its beginning."""
    protocol, scenario = documents()
    scenario["lots"][0]["arrivals"][0]["kits"] = 12
    scenario["campaigns"] = list(campaigns)
    return protocol, scenario


def arrivals_of(protocol: dict[str, Any], scenario: dict[str, Any], code: str, replicate: int = 0) -> Any:
    names = [lot.code for lot in lots_in_order(*trial_of(protocol, scenario))]
    replicate_played = played(protocol, scenario, replicate)
    frame = as_frame(replicate_played.trace)  # type: ignore[arg-type]
    return frame.filter((frame["kind"] == "lot_arrived") & (frame["lot"] == names.index(code)))


def test_a_campaign_arrives_when_it_is_made_labelled_and_released_and_ends_the_want() -> None:
    without = outcomes_of(played(*scarce()))
    with_it = outcomes_of(played(*scarce(campaign())))
    assert with_it["kits_produced"] == without["kits_produced"] + 400
    assert with_it["kits_dispensed"] > without["kits_dispensed"]
    assert with_it["missed_dispensings"] + with_it["out_of_stock"] < 0.5 * (
        without["missed_dispensings"] + without["out_of_stock"]
    )
    days = [arrivals_of(*scarce(campaign()), "C", replicate)["day"][0] for replicate in range(6)]
    assert len(set(days)) > 2
    assert all(31 + 10 + 4 + 1 <= day <= 31 + 30 + 4 + 6 for day in days)


def test_another_campaign_changes_no_draw_of_the_first_one() -> None:
    alone = arrivals_of(*scarce(campaign()), "C")
    both = arrivals_of(*scarce(campaign(code="B"), campaign()), "C")
    assert alone["day"].to_list() == both["day"].to_list()


def test_a_repeated_campaign_makes_a_lot_each_time_with_its_yield_and_its_own_expiry() -> None:
    repeated = campaign(every_days=60, until="2025-06-30", yield_share=0.29, kits=100)
    protocol, scenario = scarce(repeated)
    lots = [lot for lot in lots_in_order(*trial_of(protocol, scenario)) if lot.code.startswith("C-")]
    assert [(lot.code, lot.manufactured_on, lot.expires_on) for lot in lots] == [
        ("C-1", date(2025, 2, 1), date(2027, 2, 1)),
        ("C-2", date(2025, 4, 2), date(2027, 4, 2)),
        ("C-3", date(2025, 6, 1), date(2027, 6, 1)),
    ]
    assert arrivals_of(protocol, scenario, "C-3")["quantity"].to_list() == [29]


def test_kits_are_shared_between_depots_without_losing_one() -> None:
    thirds = Campaign.model_validate(campaign(shares={"A": 1 / 3, "B": 1 / 3, "C": 1 / 3}, kits=100))
    assert sum(thirds.kits_at().values()) == 100
    assert set(thirds.kits_at().values()) == {33, 34}
    counted = campaign(kits=None, shares={}, kits_by_depot={"A": 10, "B": 5}, yield_share=0.9)
    assert Campaign.model_validate(counted).kits_at() == {"A": 9, "B": 4}


def test_shelf_life_in_months_ends_with_a_shorter_month() -> None:
    one = Campaign.model_validate(campaign(shelf_life_months=1))
    assert one.expires(date(2025, 1, 31)) == date(2025, 2, 28)
    assert one.expires(date(2025, 12, 15)) == date(2026, 1, 15)


def test_a_lot_that_is_made_later_and_expires_earlier_is_used_first() -> None:
    protocol, scenario = documents()
    scenario["campaigns"] = [campaign(shelf_life_days=400, shelf_life_months=None)]
    plan = plan_of(*trial_of(protocol, scenario))
    assert [lot.code for lot in lots_in_order(*trial_of(protocol, scenario))] == ["C", "LA", "LB"]
    trace = as_frame(played(protocol, scenario).trace)  # type: ignore[arg-type]
    arrived = trace.filter(kind="lot_arrived").filter(lot=0)["day"][0]
    after = trace.filter((trace["kind"] == "ordered") & (trace["kit_type"] == 0))
    assert set(after.filter(after["day"] >= arrived)["lot"][:20]) == {0}
    assert set(after.filter(after["day"] < arrived)["lot"]) <= {1}
    assert plan.production.size == 1


def test_what_is_released_after_its_expiry_is_waste() -> None:
    late = campaign(shelf_life_days=40, shelf_life_months=None, lead_days={"min_days": 60})
    protocol, scenario = scarce(late)
    of = outcomes_of(played(protocol, scenario))
    assert of["kits_expired_depot"] == 400
    assert of["kits_produced"] == 12 + 1_000_000 + 400


def test_a_lot_waits_for_its_release() -> None:
    protocol, scenario = documents()
    scenario["lots"][0]["arrivals"][0] |= {"on": "2025-01-10"}
    scenario["lots"][0]["release_delay_days"] = {"law": "uniform", "min_days": 5, "max_days": 25}
    days = [arrivals_of(protocol, scenario, "LA", replicate)["day"][0] for replicate in range(5)]
    assert len(set(days)) > 1
    assert all(9 + 5 <= day <= 9 + 25 for day in days)

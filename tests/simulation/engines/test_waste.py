"""What is left when a trial is over, and who leaves for want of a kit."""

from __future__ import annotations

import pytest

from simulation.engines import outcomes as out
from simulation.engines.trace import as_frame
from tests.simulation.engines.supply_trial import documents, outcomes_of, played


def test_what_sites_have_when_the_trial_is_over_is_returned_and_destroyed() -> None:
    protocol, scenario = documents()
    scenario["costs"] = {"destruction_per_kit": 2.5}
    replicate = played(protocol, scenario)
    of = outcomes_of(replicate)
    assert of["randomized"] == of["completed"] + of["discontinued"] == 30
    assert of["kits_left_sites"] == 0
    assert of["kits_returned_unused"] > 0
    assert of["cost_destruction"] == 2.5 * of["kits_returned_unused"]
    assert replicate.trace is not None
    returned = as_frame(replicate.trace).filter(kind="returned")
    assert returned["quantity"].sum() == of["kits_returned_unused"]
    assert set(returned["day"]) == {max(as_frame(replicate.trace)["day"])}
    assert replicate.weekly[-1][out.WEEKLY_AT_SITES] == 0
    assert replicate.weekly[-1][out.WEEKLY_RETURNED] == of["kits_returned_unused"]


def test_a_trial_that_goes_on_after_the_scenario_returns_nothing() -> None:
    protocol, scenario = documents()
    scenario |= {"duration_days": 150, "costs": {"destruction_per_kit": 2.5}}
    of = outcomes_of(played(protocol, scenario))
    assert of["kits_returned_unused"] == of["cost_destruction"] == 0
    assert of["kits_left_sites"] > 0


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_subjects_leave_for_want_of_a_kit_as_often_as_is_assumed(chance: float) -> None:
    protocol, scenario = documents()
    protocol["supply"]["parameters"][0]["parameters"] |= {"min_buffer": 0, "max_buffer": 1}
    scenario["site_stock_at_start"] = "none"
    scenario["drop_out"] |= {"per_visit_probability": 0, "after_missed_dispensing_probability": chance}
    scenario["costs"] = {"lost_subject": 25_000}
    replicate = played(protocol, scenario)
    of = outcomes_of(replicate)
    assert of["missed_dispensings"] > 0
    assert replicate.trace is not None
    trace = as_frame(replicate.trace)
    unserved = trace.filter(kind="not_dispensed")
    if chance == 0:
        assert of["subjects_lost_to_stockout"] == of["cost_lost_subjects"] == of["discontinued"] == 0
    else:
        gone = trace.filter(kind="discontinued").select("day", "subject").rows()
        assert len(gone) == of["discontinued"] == of["subjects_lost_to_stockout"]
        assert set(gone) <= set(unserved.select("day", "subject").rows())
        assert set(unserved["subject"]) - {subject for _, subject in gone} <= set(
            trace.filter(kind="completed")["subject"]
        )
        assert of["cost_lost_subjects"] == 25_000 * of["subjects_lost_to_stockout"]


def test_stock_of_a_lot_that_had_expired_before_day_0_expires_on_day_0() -> None:
    protocol, scenario = documents()
    first = scenario["lots"][0]
    depot = first["arrivals"][0]["depot"]
    past = {"code": "PAST", "manufactured_on": "2020-01-02", "expires_on": "2024-01-02"}
    past["arrivals"] = [{"depot": depot, "on": "2023-12-01", "kits": 7}]
    scenario["lots"] = [*scenario["lots"], {**first, **past}]
    replicate = played(protocol, scenario)
    assert replicate.trace is not None
    gone = as_frame(replicate.trace).filter(kind="kits_expired", day=0)
    assert gone["quantity"].to_list() == [7]
    assert outcomes_of(replicate)["kits_expired_depot"] >= 7

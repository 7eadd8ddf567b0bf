"""Depots that are lost for a time, rates that change, arms that close: what each does, and what it leaves as it was."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from simulation.engines.plan_of_study import plan_of
from simulation.engines.trace import as_frame
from simulation.errors import NotSimulated
from simulation.scenario_checks import scenario_inconsistencies
from simulation.twin import Twin
from tests.simulation.engines.supply_trial import documents, outcomes_of, played, trial_of

LOST = {"depot": "DEP", "first_day": "2025-03-01", "last_day": "2025-03-21"}
FIRST, LAST = 59, 79
"""The same days from day 0, 1 January, on."""


def trace_of(protocol: dict[str, Any], scenario: dict[str, Any]) -> pl.DataFrame:
    return as_frame(played(protocol, scenario).trace)  # type: ignore[arg-type]


def test_nothing_leaves_or_reaches_a_lost_depot_and_what_waited_comes_when_it_is_back() -> None:
    protocol, scenario = documents()
    scenario["lots"][0]["arrivals"].append({"depot": "DEP", "on": "2025-03-05", "kits": 7})
    scenario["lots"][1]["release_delay_days"] = {"min_days": 62}
    before, usual = played(protocol, scenario), trace_of(protocol, scenario)
    scenario["shipping"]["outages"] = [LOST]
    after, trace = played(protocol, scenario), trace_of(protocol, scenario)
    late = trace.filter(kind="lot_arrived", day=LAST + 1)
    assert set(late["lot"]) == {0, 1}
    assert usual.filter(kind="lot_arrived", day=LAST + 1).is_empty()
    # A lane takes 6 to 8 days: what comes later than 8 days after the last day on which something left has waited.
    travelling = trace.filter(pl.col("kind") == "received", pl.col("day").is_between(FIRST + 9, LAST + 6))
    assert travelling.is_empty()
    assert not usual.filter(
        pl.col("kind") == "received", pl.col("day").is_between(FIRST + 9, LAST + 6)
    ).is_empty()
    assert trace.filter(pl.col("kind") == "ordered", pl.col("day").is_between(FIRST, LAST)).height > 0
    assert not trace.filter(
        pl.col("kind") == "received", pl.col("day").is_between(LAST + 7, LAST + 9)
    ).is_empty()
    missed = [outcomes_of(one)["missed_dispensings"] for one in (before, after)]
    assert missed[1] > missed[0]
    until = pl.col("day") < FIRST
    assert trace.filter(until).equals(usual.filter(until))


def test_an_outage_outside_of_the_scenario_changes_nothing() -> None:
    protocol, scenario = documents()
    usual = trace_of(protocol, scenario)
    scenario["shipping"]["outages"] = [
        {"depot": "DEP", "first_day": "2024-01-01", "last_day": "2024-12-31"},
        {"depot": "DEP", "first_day": "2030-01-01", "last_day": "2030-12-31"},
    ]
    assert trace_of(protocol, scenario).equals(usual)


def test_nobody_gets_a_closed_arm_and_those_before_keep_theirs() -> None:
    protocol, scenario = documents()
    usual = trace_of(protocol, scenario).filter(kind="randomized")
    scenario["arm_closings"] = [{"arm": "B", "on": "2025-03-01"}]
    trace = trace_of(protocol, scenario)
    randomized = trace.filter(kind="randomized")
    assert set(randomized.filter(pl.col("day") >= FIRST)["quantity"]) == {0}
    until = pl.col("day") < FIRST
    assert randomized.filter(until).equals(usual.filter(until))
    assert set(randomized.filter(until)["quantity"]) == {0, 1}
    # The list goes on: who comes gets the next entry of the open arm, so that all entries of arm A are used in turn.
    assert randomized.height == usual.height
    still = trace.filter(pl.col("kind") == "dispensed", pl.col("day") >= FIRST + 30)
    assert set(still["kit_type"]) == {0, 1}


def test_a_rate_that_changes_moves_arrivals_from_its_day_on_and_redraws_none() -> None:
    protocol, scenario = documents()
    protocol["caps"] = []
    scenario["duration_days"] = 200
    usual = trace_of(protocol, scenario).filter(kind="screened")
    code = protocol["sites"][1]["code"]
    change = {"factor": 0.25, "site": code, "first_day": "2025-03-01"}
    scenario["recruitment"]["rate_changes"] = [change]
    changed = trace_of(protocol, scenario).filter(kind="screened")
    until, there = pl.col("day") < FIRST, pl.col("site") == 1
    days = ["day", "site"]
    assert changed.filter(until).select(days).equals(usual.filter(until).select(days))
    assert changed.filter(~there).select(days).equals(usual.filter(~there).select(days))
    assert changed.filter(~until & there).height < 0.6 * usual.filter(~until & there).height
    scenario["recruitment"]["rate_changes"] = [change | {"factor": 1}]
    same = trace_of(protocol, scenario).filter(kind="screened")
    assert same.select(days).equals(usual.select(days))


@pytest.mark.parametrize(
    ("field", "value", "path", "told"),
    [
        ("outages", [LOST | {"depot": "DEPP"}], "shipping.outages[0].depot", "did you mean DEP"),
        (
            "arm_closings",
            [{"arm": "C", "on": "2025-03-01"}],
            "arm_closings[0].arm",
            "use one of A, B",
        ),
        (
            "arm_closings",
            [{"arm": arm, "on": "2025-03-01"} for arm in "AB"],
            "arm_closings",
            "nobody could be randomized",
        ),
        (
            "rate_changes",
            [{"factor": 1, "site": "S9"}],
            "recruitment.rate_changes[0].site",
            "is not a site",
        ),
    ],
)
def test_what_does_not_fit_the_protocol_is_named_with_a_fix(
    field: str, value: Any, path: str, told: str
) -> None:
    protocol, scenario = documents()
    part = {"outages": "shipping", "rate_changes": "recruitment"}.get(field)
    (scenario[part] if part else scenario)[field] = value
    study, played_under = trial_of(protocol, scenario)
    found = [str(one) for one in scenario_inconsistencies(played_under, study)]
    assert any(one.startswith(f"{path}: ") and told in one for one in found)


def test_an_arm_that_closes_is_refused_where_arms_are_drawn_at_randomization() -> None:
    protocol, scenario = documents()
    scenario["arm_closings"] = [{"arm": "B", "on": "2025-03-01"}]
    protocol["randomization"][0] |= {"method": "complete", "block_sizes": [], "drawn": "at_randomization"}
    with pytest.raises(NotSimulated, match="drawn at randomization") as refused:
        plan_of(*trial_of(protocol, scenario))
    assert refused.value.field == "arm_closings"


@pytest.mark.parametrize("field", ["arm_closings", "shipping.outages"])
def test_the_service_twin_refuses_what_it_does_not_play(field: str) -> None:
    protocol, scenario = documents()
    protocol["supply"]["on_event"] = False
    scenario |= {"site_stock_at_start": "none"}
    scenario["drop_out"]["per_visit_probability"] = 0
    if field == "arm_closings":
        scenario["arm_closings"] = [{"arm": "B", "on": date(2025, 3, 1)}]
    else:
        scenario["shipping"]["outages"] = [LOST]
    with pytest.raises(NotSimulated) as refused:
        Twin(*trial_of(protocol, scenario))
    assert refused.value.field == field

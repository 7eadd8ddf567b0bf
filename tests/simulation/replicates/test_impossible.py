"""What cannot be played is told with field and fix before any replicate: lots too old, windows that overlap, sites without a way."""

from __future__ import annotations

from typing import Any

import pytest

from allocation.study.protocol import Protocol
from simulation.replicates.run import Run
from simulation.scenario import Scenario
from simulation.scenario_checks import scenario_inconsistencies


def told(
    run: Run, protocol: dict[str, Any] | None = None, scenario: dict[str, Any] | None = None
) -> list[str]:
    """The problems of the small trial with these parts changed."""
    changed = Protocol.model_validate(run.protocol.model_dump(mode="json") | (protocol or {}))
    assumed = Scenario.model_validate(run.scenario.model_dump(mode="json") | (scenario or {}))
    return [str(one) for one in scenario_inconsistencies(assumed, changed)]


def lots(run: Run, **first: Any) -> list[dict[str, Any]]:
    found = run.scenario.model_dump(mode="json")["lots"]
    return [found[0] | first, *found[1:]]


def test_the_trial_itself_can_be_played(small_run: Run) -> None:
    assert told(small_run) == []


def test_a_lot_that_expires_before_a_site_could_get_it_is_told(small_run: Run) -> None:
    arrival = [{"depot": "DEP", "on": "2024-12-15", "kits": 10}]
    # The scenario starts on 2025-01-01, the way takes 6 days, and a kit is not used on the day it expires.
    assert (
        told(small_run, scenario={"lots": lots(small_run, arrivals=arrival, expires_on="2025-01-08")}) == []
    )
    (early,) = told(small_run, scenario={"lots": lots(small_run, arrivals=arrival, expires_on="2025-01-07")})
    assert early.startswith(
        "lots[0].expires_on: 2025-01-07 is too early for the start of the scenario, 2025-01-01"
    )
    late = told(small_run, scenario={"lots": lots(small_run, arrivals=arrival, expires_on="2024-12-20")})
    assert any(
        "lots[0].arrivals[0].on: 2024-12-15 is too late for the expiry 2024-12-20" in one for one in late
    )


def test_visits_whose_windows_overlap_are_told_by_their_place_in_the_protocol(small_run: Run) -> None:
    visits = small_run.protocol.model_dump(mode="json")["visits"]
    visits[2] |= {"window_after": 14}
    visits[3] |= {"window_before": 14}
    (problem,) = told(small_run, protocol={"visits": visits})
    assert problem.startswith(
        "protocol: small.yaml has a visit that cannot be played: visits[3].window_before, V3"
    )
    assert "overlaps that of visit V2" in problem
    assert "narrow a window" in problem


def test_a_site_that_no_depot_can_reach_is_told(small_run: Run) -> None:
    with pytest.raises(ValueError, match="lane"):
        told(small_run, protocol={"lanes": []})

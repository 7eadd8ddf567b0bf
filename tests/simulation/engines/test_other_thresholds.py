"""A plan under other thresholds is the plan of a protocol with these thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.study.protocol import Protocol
from simulation.engines.other_thresholds import Thresholds, with_thresholds
from simulation.engines.plan_arrays import ints
from simulation.engines.plan_of_study import plan_of
from simulation.scenario import Scenario
from tests.simulation.engines.small_trials import PROTOCOL, SCENARIO, trials


@settings(max_examples=12, deadline=None)
@given(
    trial=trials(),
    least=st.integers(0, 6),
    above=st.integers(1, 6),
    windows=st.sampled_from([(0, 0), (3, 9), None]),
    seed=st.sampled_from([None, 0, 5]),
)
def test_it_is_the_plan_of_the_changed_protocol(
    trial: tuple[Protocol, Scenario],
    least: int,
    above: int,
    windows: tuple[int, int] | None,
    seed: int | None,
) -> None:
    protocol, scenario = trial
    # What is changed, and how its parameters are written.
    given_values: dict[str, int] = {"min_buffer": least, "max_buffer": least + above}
    given_values |= {} if windows is None else {"short_window": windows[0], "long_window": windows[1]}
    given_values |= {} if seed is None else {"seed_quantity": seed}
    document = protocol.model_dump(mode="json")
    for entry in document["supply"]["parameters"]:
        if entry["level"] != "depot":
            computed = entry["parameters"].get("buffer_from") is not None
            entry["parameters"] |= given_values | ({"buffer_from": "min_max"} if computed else {})
    expected = plan_of(Protocol.model_validate(document), scenario)
    shape = len(protocol.sites), len(protocol.kit_types)
    tables: dict[str, Any] = {name: ints(np.full(shape, value)) for name, value in given_values.items()}
    found = with_thresholds(plan_of(protocol, scenario), Thresholds(**tables), scenario.site_stock_at_start)
    for topic in ("resupply", "bands", "ordering", "refills", "calendar"):
        for field, value in getattr(expected, topic)._asdict().items():
            np.testing.assert_array_equal(getattr(getattr(found, topic), field), value, f"{topic}.{field}")


def test_nothing_given_changes_nothing() -> None:
    plan = plan_of(PROTOCOL, SCENARIO)
    same = with_thresholds(plan, Thresholds(), SCENARIO.site_stock_at_start)
    for field, value in plan.resupply._asdict().items():
        np.testing.assert_array_equal(getattr(same.resupply, field), value)

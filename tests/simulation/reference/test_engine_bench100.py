"""The compiled engine plays RTSM-BENCH-100 to its reference means, and draws the same trial for every threshold."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.bench100 import EXPECTED_VISITS, REFERENCES, Outcome, Thresholds
from benchmarks.bench100_study import bench100_study
from simulation.engines import compiled
from simulation.engines.outcomes import (
    DAY_LAST_VISIT,
    KITS_DISPENSED,
    KITS_SHIPPED,
    MISSED_DISPENSINGS,
    OUT_OF_STOCK,
    RANDOMIZED,
    SHIPMENTS,
    VISITS,
)
from simulation.engines.plan_of_study import plan_of
from tests.simulation.reference.inventory_cases import measured

pytestmark = pytest.mark.slow

COUNT = 800


@cache
def outcomes_of(thresholds: Thresholds, count: int) -> NDArray[np.float64]:
    """The engine's outcomes, a row a replicate."""
    return compiled.play_batch(plan_of(*bench100_study(thresholds)), 11, 0, count).outcomes


@pytest.mark.parametrize("thresholds", list(REFERENCES), ids=lambda one: f"{one.trigger},{one.up_to}")
def test_the_reference_means(thresholds: Thresholds) -> None:
    outcomes = outcomes_of(thresholds, COUNT)
    assert (outcomes[:, RANDOMIZED] == 600).all()
    assert (outcomes[:, OUT_OF_STOCK] == 0).all(), "the depot never runs out"
    columns = (KITS_DISPENSED, MISSED_DISPENSINGS, SHIPMENTS, KITS_SHIPPED)
    distances = {}
    for name, column, mean, error in zip(Outcome._fields, columns, *REFERENCES[thresholds], strict=True):
        found = measured(outcomes[:, column])
        distances[name] = (found.mean - mean) / np.hypot(found.error, error)
    assert max(map(abs, distances.values())) < 4, distances
    assert abs(measured(outcomes[:, VISITS]).distance(EXPECTED_VISITS)) < 4


@pytest.mark.parametrize(
    ("thresholds", "chance", "error"), [((5, 14), 0.634, 0.002), ((8, 17), 0.0504, 0.0006)]
)
def test_the_chance_of_any_stock_out(thresholds: tuple[int, int], chance: float, error: float) -> None:
    found = measured(outcomes_of(Thresholds(*thresholds), COUNT)[:, MISSED_DISPENSINGS] > 0)
    assert abs(found.mean - chance) < 4 * np.hypot(found.error, error)


def test_stock_outs_fall_as_the_trigger_rises_on_the_same_trials() -> None:
    """Common random numbers: who comes and when does not depend on the thresholds, so that differences are of them alone."""
    levels = [outcomes_of(Thresholds(trigger, 14), 100) for trigger in range(7)]
    for other in levels[1:]:
        assert (other[:, [VISITS, DAY_LAST_VISIT]] == levels[0][:, [VISITS, DAY_LAST_VISIT]]).all()
    stock_outs = [level[:, MISSED_DISPENSINGS] for level in levels]
    for lower, higher in pairwise(stock_outs):
        assert measured(lower - higher).mean > 4 * measured(lower - higher).error
    apart = np.hypot(measured(stock_outs[0]).error, measured(stock_outs[1]).error)
    assert measured(stock_outs[0] - stock_outs[1]).error < apart, (
        "and the difference is known better than from trials apart"
    )

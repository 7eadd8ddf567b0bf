"""The peer and the floor of the simulator's benchmark play RTSM-BENCH-100: they give its reference means."""

from __future__ import annotations

from math import hypot

import numpy as np
import pytest

from benchmarks import floor_kernel, simpy_peer
from benchmarks.bench100 import EXPECTED_VISITS, REFERENCES, Outcome, Thresholds


def distances(thresholds: Thresholds, outcomes: np.ndarray) -> dict[str, float]:
    """How many standard errors each mean of `outcomes` (a row each) is from the reference; both errors count."""
    reference = REFERENCES[thresholds]
    means, errors = outcomes.mean(axis=0), outcomes.std(axis=0, ddof=1) / len(outcomes) ** 0.5
    return {
        name: (mean - expected) / hypot(error, expected_error)
        for name, mean, error, expected, expected_error in zip(
            Outcome._fields, means, errors, *reference, strict=True
        )
    }


@pytest.mark.slow
@pytest.mark.parametrize("thresholds", list(REFERENCES), ids=lambda one: f"{one.trigger},{one.up_to}")
def test_the_floor_gives_the_reference_means(thresholds: Thresholds) -> None:
    outcomes = floor_kernel.play(thresholds, seed=7, count=4000)
    found = distances(thresholds, outcomes)
    assert max(map(abs, found.values())) < 4, found
    visits = outcomes[:, 0] + outcomes[:, 1]
    error = visits.std(ddof=1) / len(visits) ** 0.5
    assert abs(visits.mean() - EXPECTED_VISITS) < 4 * error


@pytest.mark.slow
@pytest.mark.parametrize(("only_changed", "count"), [(False, 10), (True, 30)])
def test_the_simpy_peer_gives_the_reference_means(only_changed: bool, count: int) -> None:
    thresholds = Thresholds(2, 5)
    outcomes = np.array(
        [simpy_peer.play(thresholds, seed, only_changed) for seed in range(count)], dtype=float
    )
    found = distances(thresholds, outcomes)
    assert max(map(abs, found.values())) < 4, found

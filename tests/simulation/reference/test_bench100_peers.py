"""The peer and the floor of the simulator's benchmark play RTSM-BENCH-100: they give its reference means."""

from __future__ import annotations

from math import hypot

import numpy as np
import pytest

from benchmarks import floor_kernel, simpy_peer
from benchmarks.bench100 import EXPECTED_VISITS, REFERENCES, Outcome, Thresholds


def distances(thresholds: Thresholds, outcomes: np.ndarray, spread: np.ndarray) -> dict[str, float]:
    """How many standard errors each mean of `outcomes` (a row each) is from the reference; both errors count.

    `spread`: the standard deviation of a replicate's outcomes.
    """
    reference = REFERENCES[thresholds]
    means, errors = outcomes.mean(axis=0), spread / len(outcomes) ** 0.5
    return {
        name: (mean - expected) / hypot(error, expected_error)
        for name, mean, error, expected, expected_error in zip(
            Outcome._fields, means, errors, *reference, strict=True
        )
    }


@pytest.mark.slow
@pytest.mark.parametrize("thresholds", list(REFERENCES), ids=lambda one: f"{one.trigger},{one.up_to}")
def test_the_floor_gives_the_reference_means(thresholds: Thresholds) -> None:
    outcomes = floor_kernel.play(thresholds, seed=7, count=2000)
    found = distances(thresholds, outcomes, outcomes.std(axis=0, ddof=1))
    assert max(map(abs, found.values())) < 4, found
    visits = outcomes[:, 0] + outcomes[:, 1]
    error = visits.std(ddof=1) / len(visits) ** 0.5
    assert abs(visits.mean() - EXPECTED_VISITS) < 4 * error


@pytest.mark.slow
@pytest.mark.parametrize(("only_changed", "count"), [(False, 6), (True, 20)])
def test_the_simpy_peer_gives_the_reference_means(only_changed: bool, count: int) -> None:
    """So few replicates do not tell their own spread; it is the floor's."""
    thresholds = Thresholds(2, 5)
    spread = floor_kernel.play(thresholds, seed=7, count=1000).std(axis=0, ddof=1)
    outcomes = np.array(
        [simpy_peer.play(thresholds, seed, only_changed) for seed in range(count)], dtype=float
    )
    found = distances(thresholds, outcomes, spread)
    assert max(map(abs, found.values())) < 4, found

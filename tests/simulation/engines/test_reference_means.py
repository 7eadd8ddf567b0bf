"""RTSM-BENCH-100: the means of the field note (simulation.md 2.5), with |z| < 4 of both standard errors."""

from __future__ import annotations

import math

import pytest

from allocation.study.protocol import Protocol
from simulation.engines import compiled
from simulation.engines.plan_of_study import plan_of

REPLICATES = 2000
REFERENCE: dict[tuple[int, int], dict[str, tuple[float, float]]] = {
    (2, 5): {
        "kits_dispensed": (6293.70, 0.60),
        "missed": (165.28, 0.40),
        "shipments": (1502.79, 0.19),
        "kits_shipped": (7202.23, 0.60),
    },
    (3, 8): {
        "kits_dispensed": (6420.26, 0.52),
        "missed": (38.19, 0.17),
        "shipments": (857.20, 0.11),
        "kits_shipped": (7787.40, 0.53),
    },
    (5, 14): {
        "kits_dispensed": (6456.51, 0.49),
        "missed": (2.821, 0.034),
        "shipments": (449.97, 0.07),
        "kits_shipped": (8797.73, 0.56),
    },
    (8, 17): {
        "kits_dispensed": (6459.45, 0.49),
        "missed": (0.1231, 0.003),
        "shipments": (450.23, 0.07),
        "kits_shipped": (9400.7, 0.6),
    },
}


@pytest.mark.parametrize("thresholds", REFERENCE)
def test_the_benchmark_has_its_reference_means(thresholds, bench_trial) -> None:
    scenario, protocol = bench_trial
    document = protocol.model_dump(mode="json")
    low, high = thresholds
    document["supply"]["parameters"][0]["parameters"] |= {"min_buffer": low, "max_buffer": high}
    frame = compiled.play_batch(
        plan_of(Protocol.model_validate(document), scenario), 2026, 0, REPLICATES
    ).frame()
    frame = frame.with_columns(missed=frame["missed_dispensings"] + frame["out_of_stock"])
    for name, (mean, error) in REFERENCE[thresholds].items():
        own = float(frame[name].std()) / math.sqrt(REPLICATES)  # type: ignore[arg-type]
        z = (float(frame[name].mean()) - mean) / math.hypot(own, error)  # type: ignore[arg-type]
        assert abs(z) < 4, (name, frame[name].mean(), z)

"""The benchmark trial, and one home for compiled kernels for all tests of the engines."""

from __future__ import annotations

import pytest

from allocation.study.protocol import Protocol
from simulation.scenario import Scenario, load_scenario_and_protocol
from tests.conftest import REPOSITORY


@pytest.fixture(scope="session")
def bench_trial() -> tuple[Scenario, Protocol]:
    return load_scenario_and_protocol(REPOSITORY / "studies" / "rtsm-bench-100-scenario.yaml")

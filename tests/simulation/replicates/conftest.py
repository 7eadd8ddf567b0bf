"""A trial of three sites and eight subjects as files, and its run, so small that the SimPy engine plays hundreds of it in a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from allocation.study.protocol import Protocol
from allocation.study.yaml_files import dump_document
from simulation.replicates.run import Engine, Run, read_run
from simulation.scenario import Scenario, load_scenario_and_protocol
from tests.conftest import REPOSITORY


def write_small_trial(folder: Path, **resupply: int) -> Path:
    """The scenario's file; with so little stock that visits go without their kit."""
    scenario, protocol = load_scenario_and_protocol(REPOSITORY / "studies" / "rtsm-bench-100-scenario.yaml")
    parts = protocol.model_dump(mode="json")
    parts["sites"] = parts["sites"][:3]
    parts["visits"] = parts["visits"][:4]
    for entry in parts["dispensing"]:
        entry["visits"] = [visit["code"] for visit in parts["visits"][1:]]
    parts["caps"][0]["limit"] = 8
    parts["supply"]["parameters"][0]["parameters"] |= {"min_buffer": 0, "max_buffer": 2} | resupply
    assumed = scenario.model_dump(mode="json") | {"protocol": "small.yaml", "duration_days": 200}
    assumed["recruitment"]["screened_per_site_month"] = 3.0
    folder.mkdir(exist_ok=True)
    (folder / "small.yaml").write_text(dump_document(Protocol.model_validate(parts)), encoding="utf-8")
    file = folder / "small-scenario.yaml"
    file.write_text(dump_document(Scenario.model_validate(assumed)), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_trial(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def small_run(small_file: Path) -> Run:
    return read_run(small_file, Engine.SIMPY)

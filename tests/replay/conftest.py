"""The recorded studies that the replay is tested with: the small sample, and the CDISC pilot study where it is at hand."""

from pathlib import Path

import pytest

from simulation.replay.recorded_study import RecordedStudy, recorded_study
from simulation.replay.sdtm_reader import SdtmDatasets, read_sdtm
from simulation.replay.visit_plan import VisitPlan
from tests.replay.recorded_sample import PLAN, write_sample

PILOT_PLAN = VisitPlan(
    screening="1",
    randomization="3",
    dispensing=frozenset(["3", "4", "5", "7", "8", "9", "10", "11", "12"]),
    follow_up=frozenset(["101", "201", "501"]),
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SdtmDatasets:
    """The small sample's datasets."""
    return read_sdtm(write_sample(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="session")
def tiny_study(tiny: SdtmDatasets) -> RecordedStudy:
    """The small sample as facts."""
    return recorded_study(tiny, PLAN)


@pytest.fixture(scope="session")
def pilot(shared_data: Path) -> SdtmDatasets:
    """The CDISC pilot study's datasets."""
    return read_sdtm(shared_data / "cdiscpilot" / "sdtm")


@pytest.fixture(scope="session")
def pilot_study(pilot: SdtmDatasets) -> RecordedStudy:
    """The CDISC pilot study as facts."""
    return recorded_study(pilot, PILOT_PLAN)

"""Scheduled titration goes by the schedule: a visit that was missed, or had no kits, does not stop it."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from allocation.study.dose_paths import dispensing_rows
from allocation.study.protocol import Protocol
from allocation.study.subject_schedule import SubjectPath, dose_level_before, planned_dispensings
from allocation.study.yaml_files import load_protocol

STUDIES = Path(__file__).resolve().parents[2] / "studies"
DAY_1 = date(2026, 3, 2)


@pytest.fixture(scope="module")
def pilot() -> Protocol:
    """Moves every arm to STEP2 at V4 and back to STEP1 at V12."""
    return load_protocol(STUDIES / "cdisc-pilot.yaml")


def path(
    dispensed: list[str], *, done: list[str] | None = None, missed: list[str] | None = None
) -> SubjectPath:
    days = {code: DAY_1 + timedelta(days=index) for index, code in enumerate(done or dispensed)}
    level = "STEP2" if "V4" in dispensed and "V12" not in dispensed else "STEP1"
    return SubjectPath(
        "1",
        DAY_1,
        randomized_on=DAY_1,
        arm="XAN_HI",
        dose_level=level,
        done=days,
        missed=frozenset(missed or ()),
        dispensed=frozenset(dispensed),
    )


@pytest.mark.parametrize(
    ("came", "visit", "level"),
    [
        (path(["V3"]), "V4", "STEP1"),
        (path(["V3", "V4"]), "V5", "STEP2"),
        (path(["V3"], done=["V3", "V4"]), "V5", "STEP2"),
        (path(["V3"], missed=["V4"]), "V5", "STEP2"),
        (path(["V3"]), "V5", "STEP2"),
        (path(["V3"], missed=["V4", "V12"]), "V13", "STEP1"),
        (path([]), "V3", "STEP1"),
    ],
    ids=["before it", "after it", "no kits at it", "missed", "passed over", "two missed", "first visit"],
)
def test_a_subject_comes_with_the_level_of_the_schedule(
    pilot: Protocol, came: SubjectPath, visit: str, level: str
) -> None:
    assert dose_level_before(pilot, came, visit) == level


def test_what_comes_after_a_visit_without_kits_is_planned_at_the_scheduled_level(pilot: Protocol) -> None:
    """There is no STEP1 row at V5, so that the whole resupply run would fail if the level had stayed behind."""
    planned = planned_dispensings(pilot, dispensing_rows(pilot), path(["V3"], done=["V3", "V4"]))
    kits = {(one.visit, one.kit_type) for one in planned}
    assert {("V5", "A25"), ("V11", "A25"), ("V12", "P25")} <= kits
    assert ("V5", "P25") not in kits

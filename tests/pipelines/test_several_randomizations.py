"""Subjects who pass several randomization events: planned by the first, exposed and followed by the arm of the time, masked alike."""

import itertools

import pytest

from pipelines.datasets import derive
from tests.pipelines.story import Story, only


def _passed_again(first: str, second: str) -> Story:
    """Arm `first` from 10 March, arm `second` from the visit of 24 March on; completed in April, with a follow-up."""
    story = Story().screened("1001", "03-03").randomized("1001", "03-10", first)
    story.visited("1001", "V2", "03-10", "L1").randomized("1001", "03-24", second, "R2")
    story.visited("1001", "V3", "03-24", "L2" if second == "B" else "L1").visited("1001", "V4", "04-07")
    return story.ended("1001", "04-07", last_dose="04-06").visited("1001", "FU1", "04-21")


def test_the_planned_arm_is_that_of_the_first_event() -> None:
    rows = _passed_again("A", "B").dataset("sdtm/dm")
    assert only(rows, "ARMCD", "ARM", "ACTARMCD", "RFSTDTC") == [("A", "Placebo", "A", "2026-03-10")]


def test_each_event_is_a_milestone_with_its_own_number() -> None:
    rows = _passed_again("A", "B").dataset("sdtm/ds")
    milestones = [row for row in rows if "RANDOMIZED" in row["DSDECOD"]]
    assert only(milestones, "DSDECOD", "DSREFID", "DSSTDTC", "DSSTDY", "EPOCH") == [
        ("RANDOMIZED", "R1", "2026-03-10", 1, "TREATMENT"),
        ("RE-RANDOMIZED", "R2", "2026-03-24", 15, "TREATMENT"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ("A", "B", [("PLACEBO", 0.0), ("ACTIVE", 20.0)]),
        ("B", "A", [("ACTIVE", 10.0), ("PLACEBO", 0.0)]),
        ("A", "A", [("PLACEBO", 0.0), ("PLACEBO", 0.0)]),
    ],
)
def test_exposure_follows_the_arm_in_which_the_kits_were_handed_out(
    first: str, second: str, taken: list[tuple[str, float]]
) -> None:
    rows = _passed_again(first, second).dataset("sdtm/ex")
    assert only(rows, "EXTRT", "EXDOSE") == taken
    assert only(rows, "EXSTDTC", "EXENDTC") == [
        ("2026-03-10", "2026-03-24"),
        ("2026-03-25", "2026-04-06"),
    ]


def test_what_was_handed_out_before_a_randomization_is_of_the_arm_before_even_on_its_day() -> None:
    story = Story().screened("1001", "03-03").randomized("1001", "03-10", "A")
    story.visited("1001", "V2", "03-10", "L1").visited("1001", "V3", "03-24", "L1")
    story.randomized("1001", "03-24", "B", "R2")
    assert only(story.dataset("sdtm/ex"), "EXTRT") == [("PLACEBO",), ("PLACEBO",)]


@pytest.mark.parametrize(
    ("first", "second", "elements"),
    [
        ("A", "B", ["SCRN", "PBO", "HIGH", "FU"]),
        (
            "B",
            "A",
            ["SCRN", "LOW", "FU"],
        ),  # arm A begins no element after baseline: LOW is the last one entered
        ("A", "A", ["SCRN", "PBO", "FU"]),
        ("B", "B", ["SCRN", "LOW", "HIGH", "FU"]),
    ],
)
def test_elements_are_those_of_the_arm_that_the_subject_was_in_when_they_began(
    first: str, second: str, elements: list[str]
) -> None:
    rows = _passed_again(first, second).dataset("sdtm/se")
    assert [row["ETCD"] for row in rows] == elements
    assert [row["SESEQ"] for row in rows] == list(range(1, len(elements) + 1))
    assert all(before["SEENDTC"] == after["SESTDTC"] for before, after in itertools.pairwise(rows))


def test_nobody_blinded_can_tell_who_was_kept_from_who_was_moved() -> None:
    told = [
        {name: frame.write_json() for name, frame in derive(_passed_again(*arms).events(), "blinded").items()}
        for arms in (("A", "A"), ("A", "B"), ("B", "A"), ("B", "B"))
    ]
    assert all(one == told[0] for one in told)
    assert "RE-RANDOMIZED" in told[0]["sdtm/ds"]

"""DM: each case of the arm, its reason and the reference dates, on subjects told in a few lines."""

import pytest

from tests.pipelines.story import Story, only

ARMS = ("ARMCD", "ARM", "ACTARMCD", "ACTARM", "ARMNRS")


def _treated(story: Story, subject: str, arm: str = "A") -> Story:
    return (
        story.screened(subject, "03-03")
        .randomized(subject, "03-10", arm)
        .visited(subject, "V2", "03-10", "L1")
    )


def test_a_subject_in_screening_is_not_assigned_and_has_no_reference_dates() -> None:
    (row,) = Story().screened("1001", "03-03").dataset("sdtm/dm")
    assert only([row], *ARMS) == [(None, None, None, None, "NOT ASSIGNED")]
    assert only([row], "RFSTDTC", "RFENDTC", "RFXSTDTC", "RFXENDTC", "DMDY") == [(None,) * 5]
    assert only([row], "DMDTC", "RFICDTC", "RFPENDTC") == [("2026-03-03", "2026-03-03", "2026-06-30")]


def test_a_screen_failure_has_its_reason_in_place_of_an_arm_and_ends_at_the_last_contact() -> None:
    (row,) = (
        Story().screened("1001", "03-03").failed("1001", "03-05", last_contact="03-09").dataset("sdtm/dm")
    )
    assert only([row], *ARMS) == [(None, None, None, None, "SCREEN FAILURE")]
    assert only([row], "RFENDTC", "RFPENDTC") == [(None, "2026-03-09")]


def test_a_randomized_subject_without_a_dose_is_assigned_not_treated() -> None:
    story = Story().screened("1001", "03-03").randomized("1001", "03-10", "B").ended("1001", "03-12", "OTHER")
    (row,) = story.dataset("sdtm/dm")
    assert only([row], *ARMS) == [("B", "Active", None, None, "ASSIGNED, NOT TREATED")]
    assert only([row], "RFSTDTC", "RFENDTC", "RFXSTDTC", "RFPENDTC") == [
        ("2026-03-10", None, None, "2026-03-12")
    ]


def test_reference_dates_of_a_subject_who_completed() -> None:
    story = _treated(Story(), "1001").visited("1001", "V4", "04-07")
    story.ended("1001", "04-07", last_dose="04-06", at="V4").visited("1001", "FU1", "04-20")
    (row,) = story.dataset("sdtm/dm")
    assert only([row], *ARMS) == [("A", "Placebo", "A", "Placebo", None)]
    dates = only([row], "RFSTDTC", "RFXSTDTC", "RFXENDTC", "RFENDTC", "RFPENDTC", "DMDY")
    assert dates == [("2026-03-10", "2026-03-10", "2026-04-06", "2026-04-07", "2026-04-20", -7)]


def test_on_study_everything_ends_at_the_cut_off() -> None:
    (row,) = _treated(Story(cut_off="04-30"), "1001").dataset("sdtm/dm")
    assert only([row], "RFXENDTC", "RFENDTC", "RFPENDTC") == [("2026-04-30",) * 3]


@pytest.mark.parametrize(
    ("last_dose", "at", "expected"),
    [("03-20", None, "2026-03-24"), ("03-26", None, "2026-03-26"), ("03-20", "V3", "2026-03-25")],
)
def test_the_reference_end_is_the_latest_of_disposition_its_visit_and_the_last_dose(
    last_dose: str, at: str | None, expected: str
) -> None:
    story = _treated(Story(), "1001").visited("1001", "V3", "03-25")
    story.ended("1001", "03-24", "ADVERSE EVENT", last_dose=last_dose, at=at)
    assert story.column("sdtm/dm", "RFENDTC") == [expected]


def test_an_unknown_last_dose_leaves_the_start_of_the_last_period_as_the_last_exposure() -> None:
    story = _treated(Story(), "1001").visited("1001", "V3", "03-24", "L1").ended("1001", "04-01", "OTHER")
    assert only(story.dataset("sdtm/dm"), "RFXSTDTC", "RFXENDTC") == [("2026-03-10", "2026-03-25")]


def test_who_never_had_the_level_that_makes_the_arm_counts_as_treated_by_the_other_one() -> None:
    story = _treated(Story(), "1001", "B").ended("1001", "03-20", "OTHER", last_dose="03-19")
    _treated(story, "1002", "B").visited("1002", "V3", "03-24", "L2").ended(
        "1002", "04-07", last_dose="04-06"
    )
    assert only(story.dataset("sdtm/dm"), "ARMCD", "ACTARMCD", "ACTARM") == [
        ("B", "A", "Placebo"),
        ("B", "B", "Active"),
    ]


def test_while_on_study_the_planned_arm_stands_since_the_level_may_still_come() -> None:
    assert only(_treated(Story(), "1001", "B").dataset("sdtm/dm"), "ACTARMCD") == [("B",)]


def test_a_death_has_its_date_and_flag_and_ends_the_participation() -> None:
    story = _treated(Story(), "1001").ended("1001", "03-20", "ADVERSE EVENT", last_dose="03-19", died="03-28")
    assert only(story.dataset("sdtm/dm"), "DTHDTC", "DTHFL", "RFPENDTC") == [
        ("2026-03-28", "Y", "2026-03-28")
    ]


def test_the_unique_identifier_follows_the_studys_template() -> None:
    story = Story()
    story.document["subject_identifier"] = {"template": "01-{site}-{subject}"}
    story = Story(document=story.document).screened("1001", "03-03", site="S2")
    assert story.column("sdtm/dm", "USUBJID") == ["01-S2-1001"]


def test_age_without_a_value_has_no_unit_and_an_unknown_sex_is_u() -> None:
    (row,) = Story().screened("1001", "03-03", age=None, sex=None).dataset("sdtm/dm")
    assert only([row], "AGE", "AGEU", "SEX") == [(None, None, "U")]

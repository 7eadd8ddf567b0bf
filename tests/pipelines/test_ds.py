"""DS: milestones and dispositions, numbered by date, each in its epoch."""

from datetime import UTC, date, datetime

from tests.pipelines.story import Story, only

RECORD = ("DSSEQ", "DSDECOD", "DSCAT", "DSSCAT", "EPOCH", "DSSTDTC", "DSSTDY")


def _started() -> Story:
    story = (
        Story()
        .screened("1001", "03-03", consented_on="03-02")
        .randomized("1001", "03-10", "A", number="R0042")
    )
    return story.visited("1001", "V2", "03-10", "L1")


def test_consent_randomization_and_the_end_are_told_in_order() -> None:
    story = _started().ended("1001", "04-07", last_dose="04-06")
    assert only(story.dataset("sdtm/ds"), *RECORD) == [
        (1, "INFORMED CONSENT OBTAINED", "PROTOCOL MILESTONE", None, "SCREENING", "2026-03-02", -8),
        (2, "RANDOMIZED", "PROTOCOL MILESTONE", None, "TREATMENT", "2026-03-10", 1),
        (3, "COMPLETED", "DISPOSITION EVENT", "STUDY PARTICIPATION", "TREATMENT", "2026-04-07", 29),
    ]


def test_the_randomization_number_is_the_reference_and_the_reported_term_stays() -> None:
    story = _started().ended("1001", "04-07", "LOST TO FOLLOW-UP")
    assert only(story.dataset("sdtm/ds"), "DSREFID", "DSTERM")[1:] == [
        ("R0042", "RANDOMIZED"),
        (None, "Lost to follow-up"),
    ]


def test_a_screen_failure_ends_in_screening() -> None:
    story = Story().screened("1001", "03-03").failed("1001", "03-05")
    assert only(story.dataset("sdtm/ds"), *RECORD)[-1] == (
        2,
        "SCREEN FAILURE",
        "DISPOSITION EVENT",
        "STUDY PARTICIPATION",
        "SCREENING",
        "2026-03-05",
        None,
    )


def test_a_disposition_belongs_to_what_it_ended_even_where_follow_up_starts_that_day() -> None:
    story = _started().visited("1001", "V4", "04-07").ended("1001", "04-07", last_dose="04-06")
    story.visited("1001", "FU1", "04-21")
    assert only(story.dataset("sdtm/ds"), "DSDECOD", "EPOCH")[-1] == ("COMPLETED", "TREATMENT")


def test_a_participation_that_ends_on_the_day_of_randomization_ends_in_the_treatment_that_began_that_day() -> (
    None
):
    # As subject 01-705-1382 of the CDISC pilot study: randomized, dosed and gone on one day.
    story = _started().ended("1001", "03-10", "ADVERSE EVENT", last_dose="03-10")
    assert only(story.dataset("sdtm/ds"), "DSDECOD", "EPOCH", "DSSTDY")[1:] == [
        ("RANDOMIZED", "TREATMENT", 1),
        ("ADVERSE EVENT", "TREATMENT", 1),
    ]


def test_a_follow_up_that_starts_on_the_day_of_randomization_does_not_take_the_disposition() -> None:
    story = _started().visited("1001", "V4", "03-10").ended("1001", "03-10", last_dose="03-10")
    story.visited("1001", "FU1", "03-24")
    assert only(story.dataset("sdtm/se"), "EPOCH", "SESTDTC")[-2:] == [
        ("TREATMENT", "2026-03-10"),
        ("FOLLOW-UP", "2026-03-10"),
    ]
    assert only(story.dataset("sdtm/ds"), "DSDECOD", "EPOCH")[-1] == ("COMPLETED", "TREATMENT")


def test_who_left_for_another_reason_and_died_has_both_records() -> None:
    story = _started().ended("1001", "03-20", "ADVERSE EVENT", last_dose="03-19", died="03-28")
    assert only(story.dataset("sdtm/ds"), "DSDECOD", "DSSCAT", "DSSTDTC")[2:] == [
        ("ADVERSE EVENT", "STUDY TREATMENT", "2026-03-20"),
        ("DEATH", "STUDY PARTICIPATION", "2026-03-28"),
    ]


def test_a_disposition_by_death_has_the_date_of_death_and_stands_alone() -> None:
    story = _started().ended("1001", "03-29", "DEATH", died="03-28")
    assert only(story.dataset("sdtm/ds"), "DSDECOD", "DSSTDTC")[2:] == [("DEATH", "2026-03-28")]


def test_a_second_randomization_is_a_re_randomization() -> None:
    story = _started().randomized("1001", "04-01", "A", number="R0043")
    assert only(story.dataset("sdtm/ds"), "DSDECOD", "DSREFID")[1:] == [
        ("RANDOMIZED", "R0042"),
        ("RE-RANDOMIZED", "R0043"),
    ]


def test_the_end_names_its_visit_and_every_record_the_day_on_which_it_was_written_down() -> None:
    story = _started().visited("1001", "V4", "04-07").ended("1001", "04-07", last_dose="04-06", at="V4")
    rows = only(story.dataset("sdtm/ds"), "DSDECOD", "VISITNUM", "VISIT", "DSDTC", "DSDY")
    assert rows == [
        ("INFORMED CONSENT OBTAINED", None, None, "2026-06-30", 113),
        ("RANDOMIZED", None, None, "2026-06-30", 113),
        ("COMPLETED", 4.0, "WEEK 4", "2026-06-30", 113),
    ]


def test_a_visit_that_is_not_on_record_is_not_named() -> None:
    story = _started().ended("1001", "04-07", "OTHER", at="V4")
    assert only(story.dataset("sdtm/ds"), "VISITNUM", "VISIT")[-1] == (None, None)


def test_the_day_of_writing_down_is_that_of_the_site() -> None:
    story = _started()
    at = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
    story.rows["randomizations"] = [(*row[:-1], at) for row in story.rows["randomizations"]]
    story.rows["sites"].append((1, 0, "S1", "Tokyo", "JPN", "D1", "Asia/Tokyo", None, date(2026, 3, 1)))
    assert only(story.dataset("sdtm/ds"), "DSDECOD", "DSDTC")[1] == ("RANDOMIZED", "2026-03-10")


def test_a_broken_code_is_told_once_in_its_epoch_and_nobody_is_told_what_it_was() -> None:
    story = _started().code_broken("1001", "03-20").code_broken("1001", "03-25")
    story.ended("1001", "04-07", "ADVERSE EVENT", last_dose="03-20")
    rows = only(story.dataset("sdtm/ds"), *RECORD)
    assert rows[2:] == [
        (3, "TREATMENT UNBLINDED", "OTHER EVENT", None, "TREATMENT", "2026-03-20", 11),
        (4, "ADVERSE EVENT", "DISPOSITION EVENT", "STUDY PARTICIPATION", "TREATMENT", "2026-04-07", 29),
    ]
    blinded = only(story.dataset("sdtm/ds", "blinded"), "DSTERM", "DSREFID", "DSSTDTC")
    assert blinded[2] == ("TREATMENT UNBLINDED", None, "2026-03-20")

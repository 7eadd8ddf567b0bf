"""EX: which periods exist, where each ends, and what is taken in it."""

from dataclasses import replace

import pytest

from pipelines.datasets import product_inputs
from pipelines.errors import DerivationError
from pipelines.sdtm.ex import ex
from pipelines.subject_progress import frames_of, subject_progress
from tests.pipelines.small_trial import protocol_document
from tests.pipelines.story import Story, only

PERIOD = ("EXSEQ", "EXTRT", "EXDOSE", "EXSTDTC", "EXENDTC", "EXSTDY", "EXENDY")


def _started(arm: str = "B") -> Story:
    story = Story().screened("1001", "03-03").randomized("1001", "03-10", arm)
    return story.visited("1001", "V2", "03-10", "L1")


def test_a_period_ends_the_day_before_the_next_and_the_last_with_the_last_dose() -> None:
    story = _started().visited("1001", "V3", "03-24", "L2").ended("1001", "04-07", last_dose="04-06")
    assert only(story.dataset("sdtm/ex"), *PERIOD) == [
        (1, "ACTIVE", 10.0, "2026-03-10", "2026-03-24", 1, 15),
        (2, "ACTIVE", 20.0, "2026-03-25", "2026-04-06", 16, 28),
    ]


def test_records_name_their_visit_dose_form_and_epoch() -> None:
    (row,) = _started("A").dataset("sdtm/ex")
    names = ("EXDOSU", "EXDOSTXT", "EXDOSFRM", "EXDOSFRQ", "EXROUTE", "VISITNUM", "VISIT", "VISITDY", "EPOCH")
    assert only([row], *names) == [("mg", None, "SOLUTION", "QD", "ORAL", 2.0, "BASELINE", 1, "TREATMENT")]
    assert only([row], "EXTRT", "EXDOSE") == [("PLACEBO", 0.0)]


def test_an_early_termination_recorded_as_the_next_visit_starts_no_period() -> None:
    story = _started().visited("1001", "V3", "03-24").ended("1001", "03-24", "OTHER", last_dose="03-23")
    assert only(story.dataset("sdtm/ex"), "EXSTDTC", "EXENDTC") == [("2026-03-10", "2026-03-23")]


def test_a_period_that_would_start_after_the_last_dose_does_not_exist() -> None:
    story = _started().visited("1001", "V3", "03-24", "L2").ended("1001", "03-25", "OTHER", last_dose="03-24")
    assert only(story.dataset("sdtm/ex"), "EXSTDTC", "EXENDTC") == [("2026-03-10", "2026-03-24")]


def test_an_unknown_last_dose_leaves_the_last_end_empty() -> None:
    story = _started().visited("1001", "V3", "03-24", "L2").ended("1001", "04-07", "OTHER")
    assert only(story.dataset("sdtm/ex"), "EXSTDTC", "EXENDTC", "EXENDY") == [
        ("2026-03-10", "2026-03-24", 15),
        ("2026-03-25", None, None),
    ]


def test_the_last_period_of_a_subject_on_study_ends_at_the_cut_off() -> None:
    assert only(_started().dataset("sdtm/ex"), "EXSTDTC", "EXENDTC") == [("2026-03-10", "2026-06-30")]


def test_a_period_that_starts_after_the_cut_off_has_not_begun() -> None:
    story = Story(cut_off="03-24").screened("1001", "03-03").randomized("1001", "03-10", "B")
    story.visited("1001", "V2", "03-10", "L1").visited("1001", "V3", "03-24", "L2")
    assert only(story.dataset("sdtm/ex"), "EXSTDTC", "EXENDTC") == [("2026-03-10", "2026-03-24")]


def test_of_two_periods_that_start_on_one_day_the_later_one_counts() -> None:
    document = protocol_document()
    document["exposure"]["periods"] = [{"visit": "V2"}, {"visit": "V3"}]
    story = Story(document=document).screened("1001", "03-03").randomized("1001", "03-10", "B")
    story.visited("1001", "V2", "03-10", "L1").visited("1001", "V3", "03-10", "L2")
    assert only(story.dataset("sdtm/ex"), *PERIOD[:5]) == [(1, "ACTIVE", 20.0, "2026-03-10", "2026-06-30")]


def test_a_visit_without_dispensing_may_start_a_period_at_the_level_last_handed_out() -> None:
    document = protocol_document()
    document["exposure"]["periods"] = [{"visit": "V2"}, {"visit": "V4", "offset_days": 1}]
    story = Story(document=document).screened("1001", "03-03").randomized("1001", "03-10", "B")
    story.visited("1001", "V2", "03-10", "L1").visited("1001", "V3", "03-24", "L2").visited(
        "1001", "V4", "04-07"
    )
    assert only(story.dataset("sdtm/ex"), "EXDOSE", "EXSTDTC", "VISIT") == [
        (10.0, "2026-03-10", "BASELINE"),
        (20.0, "2026-04-08", "WEEK 4"),
    ]


def test_no_kits_no_exposure() -> None:
    story = Story().screened("1001", "03-03").randomized("1001", "03-10", "B").visited("1001", "V2", "03-10")
    assert story.dataset("sdtm/ex") == []


def test_an_arm_without_a_regimen_is_named() -> None:
    story = (
        Story()
        .screened("1001", "03-03")
        .randomized("1001", "03-10", "B")
        .visited("1001", "V2", "03-10", "L2")
    )
    design, events = product_inputs(story.events(), "unblinded")
    lacking = replace(design, regimens=tuple(one for one in design.regimens if one.dose_level != "L2"))
    progress = subject_progress(lacking, **frames_of(events))
    with pytest.raises(DerivationError, match="arm B, dose level L2, at visit V2"):
        ex(
            lacking,
            visits=events["visits"],
            randomizations=events["randomizations"],
            dose_holds=events["dose_holds"],
            progress=progress,
        )


HELD = ("EXSEQ", "EXDOSE", "EXADJ", "EXSTDTC", "EXENDTC", "EXSTDY")


def test_a_hold_cuts_its_days_out_and_the_record_after_it_has_its_reason() -> None:
    story = (
        _started().held("1001", "03-14", "03-15", "neutropenia \u2013 grade 3").held("1001", None, "03-18")
    )
    story.visited("1001", "V3", "03-24", "L2").ended("1001", "04-07", last_dose="04-06")
    assert only(story.dataset("sdtm/ex"), *HELD) == [
        (1, 10.0, None, "2026-03-10", "2026-03-13", 1),
        (2, 10.0, "neutropenia - grade 3", "2026-03-18", "2026-03-24", 9),
        (3, 20.0, None, "2026-03-25", "2026-04-06", 16),
    ]


def test_an_open_hold_ends_exposure_also_where_the_last_dose_is_unknown() -> None:
    story = _started().held("1001", "03-14", "03-14")
    assert only(story.dataset("sdtm/ex"), "EXSTDTC", "EXENDTC") == [("2026-03-10", "2026-03-13")]
    assert story.column("sdtm/dm", "RFXENDTC") == ["2026-03-13"]
    story.ended("1001", "04-07", "ADVERSE EVENT")
    assert only(story.dataset("sdtm/ex"), "EXSTDTC", "EXENDTC") == [("2026-03-10", "2026-03-13")]


def test_a_hold_over_a_whole_period_or_over_its_end_leaves_only_what_was_taken() -> None:
    story = _started().held("1001", "03-10", "03-10", "late kits").held("1001", None, "03-30")
    story.visited("1001", "V3", "03-24", None).ended("1001", "04-07", last_dose="04-06")
    assert only(story.dataset("sdtm/ex"), *HELD) == [(1, 10.0, "late kits", "2026-03-30", "2026-04-06", 1)]


def test_holds_one_after_another_each_cut_and_one_lifted_on_its_day_cuts_nothing() -> None:
    story = _started().held("1001", "03-12", "03-12", "one").held("1001", None, "03-12")
    story.held("1001", "03-14", "03-14", "two").held("1001", None, "03-16")
    story.held("1001", "03-20", "03-20", "three").held("1001", None, "03-21")
    story.ended("1001", "04-07", last_dose="04-06")
    assert only(story.dataset("sdtm/ex"), *HELD[2:5]) == [
        (None, "2026-03-10", "2026-03-13"),
        ("two", "2026-03-16", "2026-03-19"),
        ("three", "2026-03-21", "2026-04-06"),
    ]


def test_a_hold_is_the_same_for_blinded_people() -> None:
    story = _started().held("1001", "03-14", "03-15", "a rash").held("1001", None, "03-18")
    for product in ("blinded", "unblinded"):
        assert only(story.dataset("sdtm/ex", product), "EXADJ", "EXSTDTC", "EXENDTC") == [
            (None, "2026-03-10", "2026-03-13"),
            ("a rash", "2026-03-18", "2026-06-30"),
        ]

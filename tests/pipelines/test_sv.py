"""SV: planned and unplanned visits, missed ones, repetitions; and the visit that other datasets name."""

from tests.pipelines.story import Story, only

VISIT = ("VISITNUM", "VISIT", "SVPRESP", "SVOCCUR", "VISITDY", "SVSTDTC", "SVUPDES")


def _started() -> Story:
    return (
        Story()
        .screened("1001", "03-03")
        .randomized("1001", "03-10", "A")
        .visited("1001", "V2", "03-10", "L1")
    )


def test_planned_visits_have_name_number_and_day_of_the_protocol() -> None:
    assert only(_started().dataset("sdtm/sv"), *VISIT) == [
        (1.0, "SCREENING", "Y", "Y", -7, "2026-03-03", None),
        (2.0, "BASELINE", "Y", "Y", 1, "2026-03-10", None),
    ]


def test_an_unscheduled_visit_is_described_and_has_no_planned_day() -> None:
    story = _started().unscheduled("1001", "2.1", "03-12")
    assert only(story.dataset("sdtm/sv"), *VISIT)[-1] == (
        2.1,
        "UNSCHEDULED 2.1",
        None,
        None,
        None,
        "2026-03-12",
        "UNSCHEDULED 2.1",
    )


def test_a_missed_visit_did_not_occur_and_says_why() -> None:
    story = _started().missed("1001", "V3")
    rows = story.dataset("sdtm/sv")
    assert only(rows, *VISIT)[-1] == (3.0, "WEEK 2", "Y", "N", 15, None, None)
    assert only(rows, "SVREASOC", "SVCNTMOD", "SVENDTC", "SVSTDY")[-1] == ("not reached", None, None, None)


def test_a_visit_that_was_missed_and_held_after_all_is_the_visit_held() -> None:
    story = _started().missed("1001", "V3").visited("1001", "V3", "03-27", "L1")
    assert only(story.dataset("sdtm/sv"), "VISITNUM", "SVOCCUR", "SVSTDTC")[2:] == [(3.0, "Y", "2026-03-27")]


def test_a_visit_that_was_missed_twice_is_missed_once() -> None:
    story = _started().missed("1001", "V3").missed("1001", "V3")
    assert only(story.dataset("sdtm/sv"), "VISITNUM", "SVOCCUR")[2:] == [(3.0, "N")]


def test_a_repetition_of_a_planned_visit_gets_a_number_of_its_own_and_is_unplanned() -> None:
    story = _started().visited("1001", "V4", "04-07").visited("1001", "V4", "04-09")
    assert only(story.dataset("sdtm/sv"), *VISIT)[2:] == [
        (4.0, "WEEK 4", "Y", "Y", 29, "2026-04-07", None),
        (4.01, "WEEK 4 (REPEAT 1)", None, None, None, "2026-04-09", "WEEK 4 (REPEAT 1)"),
    ]


def test_study_days_count_from_the_first_dose() -> None:
    story = _started().unscheduled("1001", "1.1", "03-09")
    assert only(story.dataset("sdtm/sv"), "VISITNUM", "SVSTDY", "SVENDY") == [
        (1.0, -7, -7),
        (1.1, -1, -1),
        (2.0, 1, 1),
    ]


def test_the_way_of_contact_is_a_term() -> None:
    assert _started().column("sdtm/sv", "SVCNTMOD") == ["IN PERSON", "IN PERSON"]


def test_a_visit_that_an_amendment_dropped_stays_planned_for_who_has_had_it() -> None:
    story = _started().visited("1001", "V3T", "03-31")
    amended = {**story.document, "study": {**story.document["study"], "version": 2}}
    amended["visits"] = [one for one in story.document["visits"] if one["code"] != "V3T"]
    story.version(amended)
    assert only(story.dataset("sdtm/sv"), "VISIT", "SVPRESP")[-1] == ("CALL", "Y")
    assert "CALL" in story.column("sdtm/tv", "VISIT")

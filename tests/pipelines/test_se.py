"""SE: which elements a subject entered, in order and without a gap."""

from tests.pipelines.story import Story, only

ELEMENT = ("SESEQ", "ETCD", "TAETORD", "EPOCH", "SESTDTC", "SEENDTC")


def _started(arm: str, story: Story | None = None) -> Story:
    story = (story or Story()).screened("1001", "03-03").randomized("1001", "03-10", arm)
    return story.visited("1001", "V2", "03-10", "L1")


def test_a_completed_subject_goes_through_the_elements_of_the_arm() -> None:
    story = _started("B").visited("1001", "V3", "03-24", "L2").visited("1001", "V4", "04-07")
    story.ended("1001", "04-07", last_dose="04-06").visited("1001", "FU1", "04-21")
    rows = story.dataset("sdtm/se")
    assert only(rows, *ELEMENT) == [
        (1, "SCRN", 1, "SCREENING", "2026-03-03", "2026-03-10"),
        (2, "LOW", 2, "TREATMENT", "2026-03-10", "2026-03-24"),
        (3, "HIGH", 3, "TREATMENT", "2026-03-24", "2026-04-07"),
        (4, "FU", 4, "FOLLOW-UP", "2026-04-07", "2026-04-21"),
    ]
    assert only(rows, "ELEMENT", "SESTDY", "SEENDY")[:2] == [("Screening", -7, 1), ("Active low", 1, 15)]


def test_a_visit_without_kits_enters_no_element_of_treatment() -> None:
    story = _started("B").visited("1001", "V3", "03-24").ended("1001", "03-24", "OTHER", last_dose="03-23")
    assert only(story.dataset("sdtm/se"), "ETCD", "SEENDTC") == [
        ("SCRN", "2026-03-10"),
        ("LOW", "2026-03-24"),
    ]


def test_without_a_follow_up_visit_the_treatment_lasts_to_the_end_of_participation() -> None:
    story = _started("A").ended("1001", "03-20", "OTHER", last_dose="03-19", last_contact="03-25")
    assert only(story.dataset("sdtm/se"), "ETCD", "SEENDTC")[-1] == ("PBO", "2026-03-25")


def test_follow_up_starts_at_the_last_visit_that_is_not_one_of_its_own() -> None:
    story = _started("A").ended("1001", "03-20", "OTHER", last_dose="03-19")
    story.unscheduled("1001", "4.1", "03-22").visited("1001", "FU1", "04-01")
    assert only(story.dataset("sdtm/se"), "ETCD", "SESTDTC", "SEENDTC")[1:] == [
        ("PBO", "2026-03-10", "2026-03-22"),
        ("FU", "2026-03-22", "2026-04-01"),
    ]


def test_a_screen_failure_has_the_screening_element_only() -> None:
    story = Story().screened("1001", "03-03").failed("1001", "03-05", last_contact="03-09")
    assert only(story.dataset("sdtm/se"), "ETCD", "SESTDTC", "SEENDTC", "SESTDY") == [
        ("SCRN", "2026-03-03", "2026-03-09", None)
    ]


def test_the_element_of_a_subject_on_study_ends_at_the_cut_off() -> None:
    assert only(_started("A").dataset("sdtm/se"), "ETCD", "SEENDTC")[-1] == ("PBO", "2026-06-30")


def test_dates_that_contradict_the_order_of_the_arm_leave_no_gap_and_no_negative_element() -> None:
    story = (
        _started("B").visited("1001", "V3", "03-08", "L2").ended("1001", "04-01", "OTHER", last_dose="03-30")
    )
    assert only(story.dataset("sdtm/se"), "ETCD", "SESTDTC", "SEENDTC") == [
        ("SCRN", "2026-03-03", "2026-03-10"),
        ("LOW", "2026-03-10", "2026-03-10"),
        ("HIGH", "2026-03-10", "2026-04-01"),
    ]


def test_masked_the_elements_of_treatment_are_one() -> None:
    story = _started("B").visited("1001", "V3", "03-24", "L2").ended("1001", "04-07", last_dose="04-06")
    assert only(story.dataset("sdtm/se", "blinded"), "ETCD", "ELEMENT", "SESTDTC", "SEENDTC") == [
        ("SCRN", "Screening", "2026-03-03", "2026-03-10"),
        ("BLIND", "Blinded Treatment", "2026-03-10", "2026-04-07"),
    ]

"""Who counts as demand, under each parameter, and how planned visits become due visits."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from allocation.errors import InvalidParameter
from allocation.rules.demand import (
    Counted,
    DemandPolicy,
    EligibleSubjects,
    PlannedDispensing,
    SubjectDemandFacts,
    SubjectState,
    demand_status,
    due_visits,
)
from allocation.rules.resupply import DueVisit

TODAY = date(2026, 6, 10)
RANDOMIZED = SubjectDemandFacts("S1", SubjectState.RANDOMIZED)
DEFAULT = DemandPolicy()


def test_screened_subjects_count_only_when_the_study_says_so() -> None:
    screened = SubjectDemandFacts("S1", SubjectState.SCREENED)
    assert demand_status(screened, TODAY, DEFAULT) == Counted.NOT_RANDOMIZED
    from_screening = DemandPolicy(eligible_subjects=EligibleSubjects.SCREENED)
    assert demand_status(screened, TODAY, from_screening) == Counted.COUNTED
    assert demand_status(RANDOMIZED, TODAY, from_screening) == Counted.COUNTED


@pytest.mark.parametrize(
    "state", [SubjectState.SCREEN_FAILED, SubjectState.DISCONTINUED, SubjectState.COMPLETED]
)
@pytest.mark.parametrize("eligible", list(EligibleSubjects))
def test_who_left_the_trial_never_counts(state, eligible) -> None:
    policy = DemandPolicy(eligible_subjects=eligible)
    assert demand_status(SubjectDemandFacts("S1", state), TODAY, policy) == Counted.NOT_IN_TRIAL


def test_a_subject_on_dose_hold_is_ignored() -> None:
    on_hold = SubjectDemandFacts("S1", SubjectState.RANDOMIZED, on_dose_hold=True)
    assert demand_status(on_hold, TODAY, DEFAULT) == Counted.ON_DOSE_HOLD


def test_who_skipped_the_latest_dispensing_is_ignored_only_by_parameter() -> None:
    skipped = SubjectDemandFacts("S1", SubjectState.RANDOMIZED, skipped_last_dispensing=True)
    assert demand_status(skipped, TODAY, DEFAULT) == Counted.COUNTED
    policy = DemandPolicy(ignore_if_last_dispensing_skipped=True)
    assert demand_status(skipped, TODAY, policy) == Counted.SKIPPED_LAST_DISPENSING


@pytest.mark.parametrize(
    ("days_past", "limit", "status"),
    [
        (7, 7, Counted.COUNTED),
        (8, 7, Counted.OVERDUE_TOO_LONG),
        (0, 0, Counted.COUNTED),
        (1, 0, Counted.OVERDUE_TOO_LONG),
        (400, None, Counted.COUNTED),
    ],
)
def test_a_subject_is_ignored_more_than_n_days_past_the_window(days_past, limit, status) -> None:
    facts = SubjectDemandFacts(
        "S1", SubjectState.RANDOMIZED, oldest_open_window_closes=TODAY - timedelta(days=days_past)
    )
    assert demand_status(facts, TODAY, DemandPolicy(ignore_if_overdue_days=limit)) == status


def test_planned_visits_become_offsets_of_the_subjects_that_count() -> None:
    planned = [
        PlannedDispensing("S2", "V3", TODAY + timedelta(days=4), "K", 2),
        PlannedDispensing("S1", "V4", TODAY + timedelta(days=30), "K", 1),
        PlannedDispensing("S1", "V3", TODAY - timedelta(days=3), "K", 1),
        PlannedDispensing("S1", "V3", TODAY - timedelta(days=3), "OTHER", 1),
        PlannedDispensing("S3", "V3", TODAY, "K", 1),
        PlannedDispensing("S4", "V3", TODAY, "K", 1),
    ]
    subjects = [
        RANDOMIZED,
        SubjectDemandFacts("S2", SubjectState.RANDOMIZED),
        SubjectDemandFacts("S3", SubjectState.DISCONTINUED),
    ]
    expected = (DueVisit("S1", "V3", -3, 1), DueVisit("S2", "V3", 4, 2), DueVisit("S1", "V4", 30, 1))
    assert due_visits(planned, subjects, "K", TODAY, DEFAULT) == expected
    assert due_visits(reversed(planned), reversed(subjects), "K", TODAY, DEFAULT) == expected


def test_a_negative_limit_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter) as refused:
        DemandPolicy(ignore_if_overdue_days=-1)
    assert refused.value.field == "ignore_if_overdue_days"

"""When resupply runs are due: by weekday and hour in UTC, under the version in force at the moment, and a missed run once."""

from datetime import UTC, datetime, timedelta
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from allocation.rules.run_schedule import Cadence, due_moment, latest_moment, moments, next_moment

BEGAN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)  # a Monday
WORKDAYS = Cadence(BEGAN, (0, 1, 2, 3, 4), 4)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_a_moment_before_the_version_was_in_force_is_never_made_up() -> None:
    assert latest_moment([WORKDAYS], at(2, 12)) is None
    assert due_moment([WORKDAYS], at(3, 3, 59), None) is None
    assert next_moment([WORKDAYS], at(2, 12)) == at(3, 4)


def test_a_run_is_due_from_its_minute_on_until_it_was_made() -> None:
    assert due_moment([WORKDAYS], at(3, 4), None) == at(3, 4)
    assert due_moment([WORKDAYS], at(3, 20), None) == at(3, 4)
    assert due_moment([WORKDAYS], at(3, 20), at(3, 4)) is None


def test_a_weekend_has_no_run_and_is_passed_over() -> None:
    assert latest_moment([WORKDAYS], at(8, 23)) == at(6, 4)
    assert next_moment([WORKDAYS], at(6, 4)) == at(9, 4)


def test_after_a_week_without_a_service_one_run_is_due_and_no_more() -> None:
    assert due_moment([WORKDAYS], at(12, 9), at(4, 4)) == at(12, 4)


def test_a_new_version_changes_day_and_hour_from_its_moment_and_keeps_what_the_old_one_missed() -> None:
    versions = [WORKDAYS, Cadence(at(4, 12), (2,), 20)]  # from Wednesday noon: Wednesdays at 20:00
    assert due_moment(versions, at(4, 12), at(3, 4)) == at(4, 4), "missed under the first, and still due"
    assert due_moment(versions, at(4, 19), at(4, 4)) is None
    assert next_moment(versions, at(4, 4)) == at(4, 20), "the next of the first would be Thursday at 4:00"
    assert next_moment(versions, at(4, 20)) == at(11, 20)


def test_a_version_without_run_days_has_no_moment() -> None:
    assert latest_moment([Cadence(BEGAN, (), 4)], at(20, 4)) is None
    assert next_moment([Cadence(BEGAN, (), 4)], at(20, 4)) is None


@given(
    st.lists(st.integers(0, 6), unique=True, min_size=1),
    st.integers(0, 23),
    st.integers(0, 60 * 24 * 40),
    st.integers(0, 60 * 24 * 40),
)
def test_the_next_moment_is_the_latest_one_at_its_time_and_none_lies_between(
    weekdays: list[int], hour: int, minutes: int, later: int
) -> None:
    cadence = [Cadence(BEGAN, tuple(weekdays), hour)]
    now = BEGAN + timedelta(minutes=minutes)
    coming = next_moment(cadence, now)
    assert coming is not None
    assert coming > now
    assert (coming.weekday() in weekdays, coming.hour, coming.minute) == (True, hour, 0)
    assert latest_moment(cadence, coming) == coming
    between = min(coming - timedelta(minutes=1), now + timedelta(minutes=later))
    assert latest_moment(cadence, between) == latest_moment(cadence, now)


def test_the_moments_of_a_cadence_are_its_weekdays_from_a_moment_on_that_one_included() -> None:
    days = Cadence(datetime(2026, 3, 2, tzinfo=UTC), (0, 3), 4)
    begins = datetime(2026, 3, 2, 4, tzinfo=UTC)
    found = list(islice(moments(days, begins), 3))
    assert found == [begins, datetime(2026, 3, 5, 4, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC)]
    assert next(moments(days, begins + timedelta(seconds=1))) == found[1]
    assert list(moments(Cadence(begins, (), 4), begins)) == []

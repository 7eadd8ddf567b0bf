"""When people are told: once for as long as something lasts, and at the hour of their digest."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.rules.notices import changes, next_digest

ABOUT = st.sets(st.sampled_from("abcdef"))


@given(st.lists(ABOUT, max_size=8))
def test_each_condition_is_told_once_per_occurrence(course: list[set[str]]) -> None:
    standing: set[str] = set()
    for found in course:
        change = changes(standing, found)
        assert set(change.begun) == found - standing
        standing = (standing | set(change.begun)) - set(change.ended)
        assert standing == found


@given(
    st.integers(0, 2 * 365 * 24 * 60),
    st.integers(0, 23),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]),
)
def test_the_next_digest_is_after_now_within_a_day_and_at_its_hour(
    minutes: int, hour: int, zone: str
) -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    due = next_digest(now, hour, zone)
    assert now < due <= now + timedelta(hours=25)
    local = due.astimezone(ZoneInfo(zone))
    jumped = datetime(local.year, local.month, local.day, hour, tzinfo=ZoneInfo(zone))
    assert local.hour == hour or jumped.astimezone(UTC).astimezone(ZoneInfo(zone)).hour != hour


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-02T05:59:00+00:00", "2026-03-02T06:00:00+00:00"),  # 7:00 in Berlin is 6:00 UTC in winter
        ("2026-03-02T06:00:00+00:00", "2026-03-03T06:00:00+00:00"),
        ("2026-03-28T06:00:00+00:00", "2026-03-29T05:00:00+00:00"),  # and 5:00 UTC in summer
    ],
)
def test_a_digest_at_seven_in_berlin_follows_summer_time(now: str, due: str) -> None:
    assert next_digest(datetime.fromisoformat(now), 7, "Europe/Berlin") == datetime.fromisoformat(due)

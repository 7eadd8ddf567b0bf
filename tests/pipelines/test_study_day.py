"""Study days: day 1 is the reference date, there is no day 0, and the frames' rule is the rule of single dates."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.rules import visits as rule
from pipelines.sdtm.study_day import iso, study_day

REFERENCE = date(2026, 3, 10)
DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))


def _study_day(day: date | None, reference: date | None) -> int | None:
    frame = pl.DataFrame(
        {"day": [day], "reference": [reference]}, schema=dict.fromkeys(("day", "reference"), pl.Date)
    )
    found: int | None = frame.select(study_day(pl.col("day"), pl.col("reference"))).item()
    return found


@pytest.mark.parametrize(
    ("day", "expected"),
    [(date(2026, 3, 10), 1), (date(2026, 3, 11), 2), (date(2026, 3, 9), -1), (date(2026, 3, 3), -7)],
)
def test_the_reference_date_is_day_1_and_the_day_before_is_day_minus_1(day: date, expected: int) -> None:
    assert _study_day(day, REFERENCE) == expected


def test_without_a_date_or_a_reference_there_is_no_study_day() -> None:
    assert _study_day(None, REFERENCE) is None
    assert _study_day(REFERENCE, None) is None


@given(day=DAYS, reference=DAYS)
def test_there_is_no_day_0_and_the_service_counts_alike(day: date, reference: date) -> None:
    found = _study_day(day, reference)
    assert found != 0
    assert found == rule.study_day(day, reference)


@given(offset=st.integers(-5000, 5000))
def test_study_days_are_in_the_order_of_the_dates(offset: int) -> None:
    one, next_one = REFERENCE + timedelta(offset), REFERENCE + timedelta(offset + 1)
    first, second = _study_day(one, REFERENCE), _study_day(next_one, REFERENCE)
    assert first is not None
    assert second is not None
    assert first < second


def test_dates_are_written_as_iso_8601() -> None:
    frame = pl.DataFrame({"day": [date(2026, 3, 9), None]})
    assert frame.select(iso(pl.col("day"))).to_series().to_list() == ["2026-03-09", None]

"""Expiry windows: the published boundary table, the strict convention, and the order of the windows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.compilable import NO_DAY
from allocation.rules.expiry import (
    ExpiryWindows,
    is_expired,
    kit_expiry_date,
    last_count_date,
    last_dispense_date,
    last_ship_date,
    may_count,
    may_dispense,
    may_ship,
    valid_until_day,
)

EXPIRY = date(2026, 7, 12)
WINDOWS = ExpiryWindows(dns_days=10, dnc_days=8, dnd_days=5)
ONE_DAY = timedelta(days=1)

dates = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1))


@st.composite
def ordered_windows(draw: st.DrawFn) -> ExpiryWindows:
    dnd, dnc, dns = sorted(draw(st.tuples(*[st.integers(0, 400)] * 3)))
    return ExpiryWindows(dns_days=dns, dnc_days=dnc, dnd_days=dnd)


def test_the_published_table_of_last_dates_holds() -> None:
    assert last_ship_date(EXPIRY, WINDOWS) == date(2026, 7, 1)
    assert last_count_date(EXPIRY, WINDOWS) == date(2026, 7, 3)
    assert last_dispense_date(EXPIRY, WINDOWS) == date(2026, 7, 6)


@pytest.mark.parametrize(
    ("may", "last"),
    [(may_ship, date(2026, 7, 1)), (may_count, date(2026, 7, 3)), (may_dispense, date(2026, 7, 6))],
)
def test_an_act_is_allowed_on_its_last_date_and_refused_the_day_after(may, last) -> None:
    assert may(last - ONE_DAY, EXPIRY, WINDOWS)
    assert may(last, EXPIRY, WINDOWS)
    assert not may(last + ONE_DAY, EXPIRY, WINDOWS)


def test_the_expiry_date_itself_is_no_longer_usable_even_without_windows() -> None:
    none = ExpiryWindows(0, 0, 0)
    assert last_dispense_date(EXPIRY, none) == EXPIRY - ONE_DAY
    assert may_dispense(EXPIRY - ONE_DAY, EXPIRY, none)
    assert not may_dispense(EXPIRY, EXPIRY, none)
    assert not is_expired(EXPIRY - ONE_DAY, EXPIRY)
    assert is_expired(EXPIRY, EXPIRY)


def test_one_moment_is_still_allowed_at_one_site_and_too_late_at_another() -> None:
    moment = datetime(2026, 7, 6, 20, 0, tzinfo=UTC)
    in_boston = moment.astimezone(ZoneInfo("America/New_York")).date()
    in_tokyo = moment.astimezone(ZoneInfo("Asia/Tokyo")).date()
    assert may_dispense(in_boston, EXPIRY, WINDOWS)
    assert not may_dispense(in_tokyo, EXPIRY, WINDOWS)


@pytest.mark.parametrize(
    ("windows", "field"),
    [
        ((7, 8, 5), "dns_days"),
        ((10, 4, 5), "dnc_days"),
        ((10, 8, -1), "dnd_days"),
        ((-3, -2, -1), "dnd_days"),
    ],
)
def test_windows_out_of_order_are_refused_by_the_name_of_the_field(windows, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        ExpiryWindows(*windows)
    assert refused.value.field == field
    assert refused.value.fix


@given(ordered_windows(), dates, dates)
def test_what_may_be_shipped_counts_and_what_counts_may_be_dispensed(windows, today, expiry) -> None:
    if may_ship(today, expiry, windows):
        assert may_count(today, expiry, windows)
    if may_count(today, expiry, windows):
        assert may_dispense(today, expiry, windows)
    if may_dispense(today, expiry, windows):
        assert not is_expired(today, expiry)


@given(ordered_windows(), dates, dates)
def test_an_act_is_allowed_exactly_while_today_is_before_expiry_minus_the_window(
    windows, today, expiry
) -> None:
    assert may_ship(today, expiry, windows) == (today < expiry - timedelta(days=windows.dns_days))
    assert may_ship(today, expiry, windows) == (today <= last_ship_date(expiry, windows))
    assert may_count(today, expiry, windows) == (today < expiry - timedelta(days=windows.dnc_days))
    assert may_dispense(today, expiry, windows) == (today < expiry - timedelta(days=windows.dnd_days))


def test_a_kit_must_outlast_the_subjects_next_window_when_the_window_is_dynamic() -> None:
    today = date(2026, 6, 1)
    assert may_dispense(today, EXPIRY, WINDOWS, must_stay_valid_until=EXPIRY - ONE_DAY)
    assert not may_dispense(today, EXPIRY, WINDOWS, must_stay_valid_until=EXPIRY)


def test_the_fixed_window_still_holds_under_a_dynamic_one() -> None:
    assert not may_dispense(date(2026, 7, 7), EXPIRY, WINDOWS, must_stay_valid_until=date(2026, 7, 8))


def test_an_expiry_of_the_country_replaces_the_lots_in_both_directions() -> None:
    later, earlier = date(2027, 1, 31), date(2026, 3, 31)
    assert kit_expiry_date(EXPIRY) == EXPIRY
    assert kit_expiry_date(EXPIRY, country_expiry=later) == later
    assert kit_expiry_date(EXPIRY, country_expiry=earlier) == earlier


def test_an_extension_does_not_reach_a_kit_whose_label_says_the_old_date() -> None:
    later = date(2027, 1, 31)
    assert kit_expiry_date(EXPIRY, country_expiry=later, printed_expiry=EXPIRY) == EXPIRY
    assert kit_expiry_date(EXPIRY, printed_expiry=later) == EXPIRY


@given(dates, dates, dates)
def test_a_kit_is_never_valid_beyond_its_own_label(lot, country, printed) -> None:
    bound = valid_until_day(lot.toordinal(), country.toordinal(), printed.toordinal())
    assert bound <= printed.toordinal()
    assert valid_until_day(lot.toordinal(), NO_DAY, NO_DAY) == lot.toordinal()

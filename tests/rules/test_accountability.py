"""The pill count: what was used and how much of what was due."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.accountability import (
    check_count,
    compliance_percent,
    days_of_use,
    unexplained_units,
    used_units,
)

UNITS = st.decimals(min_value=0, max_value=100, places=1)


@pytest.mark.parametrize(
    ("dispensed", "returned", "lost", "daily", "days", "percent"),
    [
        ("70", "14", "0", "2", 28, "100.0"),
        ("70", "20", "1", "2", 28, "87.5"),
        ("35", "20", "2", "1", 14, "92.9"),  # 13 of 14: 92.857
        ("35", "0", "0", "1", 28, "125.0"),  # more than was due is shown, not cut off
        ("17.5", "3.5", "0", "0.5", 28, "100.0"),
    ],
)
def test_compliance_is_used_over_expected_to_one_decimal(
    dispensed: str, returned: str, lost: str, daily: str, days: int, percent: str
) -> None:
    used = used_units(Decimal(dispensed), Decimal(returned), Decimal(lost))
    assert str(compliance_percent(used, Decimal(daily), days)) == percent


def test_nothing_is_due_on_the_day_of_dispensing() -> None:
    assert compliance_percent(Decimal(1), Decimal(2), 0) is None


def test_days_end_with_the_return_the_next_dispensing_or_after_the_last_dose() -> None:
    first, back = date(2026, 3, 2), date(2026, 3, 30)
    assert days_of_use(first, back, None, None) == 28
    assert days_of_use(first, back, None, date(2026, 3, 15)) == 14
    assert days_of_use(first, back, None, date(2026, 4, 15)) == 28
    assert days_of_use(first, back, date(2026, 3, 16), date(2026, 4, 15)) == 14
    assert days_of_use(first, back, date(2026, 4, 16), None) == 28
    assert days_of_use(first, first, None, date(2026, 3, 1)) == 0


@given(UNITS, UNITS, UNITS)
def test_a_count_is_taken_exactly_where_it_can_be(
    dispensed: Decimal, returned: Decimal, lost: Decimal
) -> None:
    if returned + lost <= dispensed:
        check_count("1", dispensed, returned, lost, None)
        assert returned + lost + used_units(dispensed, returned, lost) == dispensed
        return
    with pytest.raises(DomainRefusal, match="more than it held"):
        check_count("1", dispensed, returned, lost, None)


def test_a_stated_use_that_does_not_add_up_is_kept_as_a_difference() -> None:
    held, back, lost = Decimal(35), Decimal(20), Decimal(1)
    check_count("1", held, back, lost, Decimal(10))
    assert unexplained_units(held, back, lost, Decimal(10)) == 4
    assert unexplained_units(held, back, lost, None) == 0

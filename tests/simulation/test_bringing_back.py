"""What a simulated subject brings back is what the days since each dispensing did not take."""

from datetime import date
from decimal import Decimal

from simulation.bringing_back import HeldKit, units_left


def held(number: str, day: date, look: str = "Bottle") -> HeldKit:
    return HeldKit(number, look, day, Decimal(35), Decimal(1))


def test_each_dispensing_is_taken_until_the_next_one_and_kits_are_emptied_one_after_another() -> None:
    first, second = date(2026, 3, 2), date(2026, 3, 30)
    kits = [held("1", first), held("3", second), held("2", second)]
    assert units_left(kits, date(2026, 5, 25), 0.0) == {"1": 7, "2": 0, "3": 14}
    assert units_left(kits, date(2026, 5, 25), 0.25) == {"1": 14, "2": 0, "3": 28}


def test_no_more_is_taken_than_there_is() -> None:
    assert units_left([held("1", date(2026, 3, 2))], date(2026, 9, 1), 0.0) == {"1": 0}

"""ISO 8601 durations of USDM timings in whole days. Parsed by pydantic, which counts a month as 30 days and a year as 365."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)
_CALENDAR_UNITS = re.compile(r"^[+-]?P[^T]*[YM]", re.IGNORECASE)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """A duration in whole days, signed; what is below a day is dropped (towards 0). `remark` says what was assumed, or is empty."""

    days: int
    remark: str = ""


def whole_days(value: object) -> Days | None:
    """Read `P2W`, `-P2W`, `PT4H`, `P1M` and the like as whole days; None where `value` is no ISO 8601 duration.

    >>> whole_days("P2W").days, whole_days("-P2D").days
    (14, -2)
    >>> whole_days("PT4H")
    Days(days=0, remark='PT4H is not whole days; counted as 0')
    """
    if not isinstance(value, str) or not value.strip().lstrip("+-").upper().startswith("P"):
        return None
    try:
        duration = _DURATION.validate_python(value.strip())
    except ValidationError:
        return None
    size = abs(duration)
    days = size // _ONE_DAY
    signed = -days if duration < timedelta(0) else days
    if _CALENDAR_UNITS.match(value.strip()):
        return Days(signed, f"{value} has months or years; counted as {signed} days (30 a month, 365 a year)")
    if size % _ONE_DAY:
        return Days(signed, f"{value} is not whole days; counted as {signed}")
    return Days(signed)


def study_day(offset: int) -> int:
    """The study day that lies `offset` days after the anchor's date: that date is day 1, and there is no day 0.

    >>> study_day(0), study_day(14), study_day(-14)
    (1, 15, -14)
    """
    return offset + 1 if offset >= 0 else offset

"""Dates as SDTM writes them: ISO 8601 text, possibly cut short or with unknown parts, and study days without a day 0.

Sources: SDTMIG 3.4 section 4.4.1 (formats), 4.4.3 (intervals and unknown parts), 4.4.4 (study day).
"""

import polars as pl

_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_TIME = r"T(?:[01]\d|2[0-3]|-)(?::(?:[0-5]\d|-)(?::[0-5]\d(?:\.\d+)?)?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?"
_MOMENT = rf"(?:(?:\d{{4}}|-)(?:-(?:{_MONTH}|-)(?:-(?:{_DAY}|-)(?:{_TIME})?)?)?)"
MOMENT_OR_INTERVAL = rf"^{_MOMENT}(?:/{_MOMENT})?$"
DURATION = (
    r"^-?P(?=\d|T)(?:\d+(?:\.\d+)?W|(?:\d+(?:\.\d+)?Y)?(?:\d+(?:\.\d+)?M)?(?:\d+(?:\.\d+)?D)?"
    r"(?:T(?=\d)(?:\d+(?:\.\d+)?H)?(?:\d+(?:\.\d+)?M)?(?:\d+(?:\.\d+)?S)?)?)$"
)
_COMPLETE = r"^\d{4}-\d{2}-\d{2}"


def complete_date(value: pl.Expr) -> pl.Expr:
    """The calendar date of an ISO 8601 text; null where year, month or day is unknown or the date does not exist."""
    return pl.when(value.str.contains(_COMPLETE)).then(
        value.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    )


def _exists(moment: pl.Expr) -> pl.Expr:
    return ~moment.str.contains(_COMPLETE) | complete_date(moment).is_not_null()


def is_iso_moment(column: str) -> pl.Expr:
    """Whether the text is an ISO 8601 date, date and time, or interval, with any part unknown, that the calendar has."""
    value = pl.col(column)
    end = value.str.extract(r"/(.+)$", 1)
    return (
        value.str.contains(MOMENT_OR_INTERVAL)
        & value.str.contains(r"\d")
        & _exists(value)
        & (end.is_null() | _exists(end))
    )


def study_day(value: pl.Expr, reference: pl.Expr) -> pl.Expr:
    """Days from the reference date: 1 on the reference date itself, -1 the day before it; there is no day 0."""
    days = (complete_date(value) - complete_date(reference)).dt.total_days()
    return days + pl.when(days >= 0).then(1).otherwise(0)


def not_before(later: pl.Expr, earlier: pl.Expr) -> pl.Expr:
    """Whether `later` is at or after `earlier` as far as both are known; null where either is missing.

    Two texts of different precision are compared on what both state: 2014-07 is not before 2014-07-31.
    """
    shared = pl.min_horizontal(later.str.len_chars(), earlier.str.len_chars())
    return later.str.slice(0, shared) >= earlier.str.slice(0, shared)

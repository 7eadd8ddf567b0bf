"""Study days and dates as SDTM writes them, in one place.

Source: SDTMIG 3.4 section 4.4.4. Day 1 is the reference start date (DM.RFSTDTC), the day before it is day -1; there is no day 0.
`allocation.rules.visits.study_day_of_offset` is the same rule for single values; a test compares the two.
"""

import polars as pl


def study_day(date: pl.Expr, reference: pl.Expr) -> pl.Expr:
    """The study day (Int64, never 0) of a date counted from the reference date; null where either is missing."""
    days = (date - reference).dt.total_days()
    return days + (days >= 0).cast(pl.Int64)


def iso(date: pl.Expr) -> pl.Expr:
    """A calendar date as ISO 8601 text; null stays null."""
    return date.dt.strftime("%Y-%m-%d")

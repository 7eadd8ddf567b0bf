"""The contracts of the central view's tables: inventory at the cut-off, and stock over time. Their columns are in supply.py.

The two are built apart, one from where each kit is and one from how kits moved: each says what the other must say, too.
"""

import polars as pl

from data_contracts.joins import looked_up
from data_contracts.rule import Frames, Rule, between, holds
from data_contracts.supply import column_rules, possible_state

ALIKE = ["study_id", "place_kind", "place", "kit_type", "status"]
"""What stock over time tells apart."""


def inventory() -> list[Rule]:
    """Inventory: kits in possible states, in the country of their depot or site, and as many as stock over time ends with."""

    def as_over_time(frames: Frames) -> pl.Series:
        last = frames.others["stock_over_time"].sort("on_date", descending=True)
        total = frames.own.select(pl.col("kits").sum().over(ALIKE))["kits"]
        return total.eq_missing(_of_alike(frames.own, last))

    return [
        *column_rules("inventory"),
        between("inventory", "kits", 1, None),
        possible_state("inventory", "status", "place_kind"),
        holds(
            "inventory",
            "country-named",
            ["country", "place_kind"],
            "kits in a depot or at a site are in a country",
            ~pl.col("place_kind").is_in(["depot", "site"]) | pl.col("country").is_not_null(),
        ),
        holds(
            "inventory",
            "as-over-time",
            ["kits", *ALIKE],
            "as many kits of a type are at a place in a state as stock over time ends with",
            as_over_time,
            needs={"stock_over_time": [*ALIKE, "on_date", "kits"]},
        ),
    ]


def stock_over_time() -> list[Rule]:
    """Stock over time: never below zero, and each day the day before's plus what changed."""

    def running(frames: Frames) -> pl.Series:
        rows = frames.own.with_row_index("row").sort(*ALIKE, "on_date")
        before = pl.col("kits").shift(1).over(ALIKE).fill_null(0)
        fits = pl.col("kits") == before + pl.col("change")
        return rows.with_columns(fits=fits).sort("row")["fits"]

    return [
        *column_rules("stock_over_time"),
        between("stock_over_time", "kits", 0, None),
        possible_state("stock_over_time", "status", "place_kind"),
        holds(
            "stock_over_time",
            "running",
            ["kits", "change", "on_date", *ALIKE],
            "the kits of a day are those of the row before plus the change",
            running,
        ),
    ]


def _of_alike(own: pl.DataFrame, last: pl.DataFrame) -> pl.Series:
    """The kits of the first row of `last` that is alike. Where no place is named, that is what is alike, too."""
    named = [frame.with_columns(pl.col("place").fill_null("-")) for frame in (own, last)]
    return looked_up(named[0], ALIKE, named[1], "kits")

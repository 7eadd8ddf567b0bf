"""Quantile bands by week: how each weekly series runs over the replicates."""

from __future__ import annotations

from datetime import date

import polars as pl

from simulation.engines.outcomes import SERIES, Column
from simulation.replicates.summary import QUANTILES

BANDS = ("q05", "q25", "q50", "q75", "q95")
"""The columns of the quantiles, in the order of QUANTILES."""

COLUMNS = (
    Column("series", "name", "the weekly series"),
    Column("unit", "name", "of the series"),
    Column("week", "week", "from 0; below 0: of the study's history"),
    Column("date", "date", "the last day of the week"),
    Column("mean", "as the series", "over the replicates"),
    *(Column(name, "as the series", f"quantile {at:g}") for name, at in zip(BANDS, QUANTILES, strict=True)),
    Column("above_zero", "share", "of the replicates in which the series is above 0"),
)
"""The columns of `bands_of`."""


def bands_of(weekly: pl.LazyFrame, starts_on: date, days: int) -> pl.DataFrame:
    """A row for each series and week, in that order. `starts_on` is day 0 of `days`.

    One series is read at a time, so that memory is for one column of all replicates.
    """
    last_day = pl.min_horizontal(pl.col("week").cast(pl.Int64) * 7 + 6, days - 1)
    parts = []
    for column in SERIES:
        value = pl.col(column.name)
        quantiles = [
            value.quantile(at, "linear").alias(name) for name, at in zip(BANDS, QUANTILES, strict=True)
        ]
        part = (
            weekly.select("week", column.name)
            .group_by("week")
            .agg(value.mean().alias("mean"), *quantiles, (value > 0).mean().alias("above_zero"))
            .sort("week")
            .collect()
        )
        parts.append(
            part.select(
                pl.lit(column.name).alias("series"),
                pl.lit(column.unit).alias("unit"),
                "week",
                (pl.lit(starts_on) + pl.duration(days=last_day)).alias("date"),
                "mean",
                *BANDS,
                "above_zero",
            )
        )
    return pl.concat(parts)


def with_history(bands: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """The bands after the weeks of a study's `history` (columns series, week below 0, date, value), in which all quantiles are what was."""
    units = {column.name: column.unit for column in SERIES}
    past = history.select(
        "series",
        pl.col("series").replace_strict(units).alias("unit"),
        pl.col("week").cast(bands.schema["week"]),
        pl.col("date").cast(bands.schema["date"]),
        *(pl.col("value").alias(name) for name in ("mean", *BANDS)),
        (pl.col("value") > 0).cast(pl.Float64).alias("above_zero"),
    )
    order = {column.name: place for place, column in enumerate(SERIES)}
    return pl.concat([past, bands]).sort(pl.col("series").replace_strict(order), "week")


def last_week(outcomes: pl.DataFrame, weeks: int) -> int:
    """The week by which the last visit of every replicate but 1 in 200 is over, and two more: where a chart may end."""
    latest = outcomes["day_last_visit"].quantile(0.995, "higher")
    return min(weeks - 1, int(latest or 0) // 7 + 2)

"""Bulk supply in datasets: a unit has no number that anybody may read, so rows of units become rows of a lot and a quantity.

`lot_id` of the event frame `kits` is what a product calls a lot: the lot itself, in the blinded product the word that blinded people
read; there only bulk supply has one (pipelines/sdtm/masking.py).
"""

from collections.abc import Sequence

import polars as pl

from allocation.rules.bulk_units import UNIT_MARK


def is_unit(column: str = "kit_number") -> pl.Expr:
    """Whether a row is of a unit of bulk supply."""
    return pl.col(column).str.starts_with(UNIT_MARK)


def with_lots(rows: pl.DataFrame, kits: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows with the lot of each unit in column `name`; null for a numbered kit. Their order stays."""
    lots = kits.filter(is_unit()).select("kit_number", pl.col("lot_id").alias(name))
    return rows.join(lots, on="kit_number", how="left", maintain_order="left")


def as_quantities(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The rows, with `quantity` behind them: 1 of a numbered kit; of units those with the same `keys` are one row without a number."""
    numbered = rows.filter(~is_unit()).with_columns(pl.lit(1, dtype=pl.Int64).alias("quantity"))
    units = (
        rows.filter(is_unit())
        .group_by(keys, maintain_order=True)
        .agg(pl.len().cast(pl.Int64).alias("quantity"))
        .with_columns(pl.lit(None, dtype=pl.String).alias("kit_number"))
    )
    return pl.concat([numbered, units.select(numbered.columns)])

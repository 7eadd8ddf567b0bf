"""Looking a row up in another frame, row by row and in the order of the first: what masks across datasets are made of."""

from collections.abc import Sequence

import polars as pl

DECIMALS = 10_000


def _comparable(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    # VISITNUM is a float in some sources and a decimal in others: join on ten-thousandths, never on floats.
    return frame.select(
        (
            (pl.col(name).cast(pl.Float64) * DECIMALS).round().cast(pl.Int64)
            if frame.schema[name].is_numeric()
            else pl.col(name).cast(pl.String)
        ).alias(f"key {position}")
        for position, name in enumerate(columns)
    )


def found_in(
    own: pl.DataFrame, columns: Sequence[str], other: pl.DataFrame, other_columns: Sequence[str] | None = None
) -> pl.Series:
    """Whether each row's values of `columns` occur together in `other`: booleans, as many as `own` has rows. Null equals null."""
    right = _comparable(other, other_columns or columns).unique()
    left = _comparable(own, columns)
    joined = left.join(
        right.with_columns(found=pl.lit(True)),
        on=left.columns,
        how="left",
        maintain_order="left",
        nulls_equal=True,
    )
    return joined["found"].fill_null(False)


def looked_up(
    own: pl.DataFrame,
    columns: Sequence[str],
    other: pl.DataFrame,
    value: str,
    other_columns: Sequence[str] | None = None,
) -> pl.Series:
    """The `value` of the first row of `other` with the same `columns`, for each row of `own`; null where there is none."""
    right = _comparable(other, other_columns or columns).with_columns(other[value].alias("value"))
    left = _comparable(own, columns)
    return left.join(
        right.unique(subset=left.columns, keep="first", maintain_order=True),
        on=left.columns,
        how="left",
        maintain_order="left",
    )["value"]

"""inventory and stock_over_time: the central view as datasets, at the cut-off and day by day. Operational datasets, not SDTM.

Both follow from the movements alone, so they are the same bytes whenever they are built, in one step or after many refreshes. Depots and
sites are named; kits elsewhere are counted together.
"""

import polars as pl

from pipelines.sdtm.trial_design import TrialDesign
from pipelines.supply.movements import double_entry
from pipelines.supply.stock import last_movement

HELD = ("depot", "site")
ALIKE = ("place_kind", "place", "kit_type", "status")


def inventory(
    design: TrialDesign,
    *,
    kits: pl.DataFrame,
    kit_movements: pl.DataFrame,
    dispensings: pl.DataFrame,
    sites: pl.DataFrame,
) -> pl.DataFrame:
    """Kits counted by place, country, kit type (blinded: the label of the blinding group), lot, expiry and status.

    The blinded product names only lots of bulk supply, by which it is handled, in the word that blinded people read.
    """
    countries = pl.concat(
        [
            pl.DataFrame(
                design.depots, schema={"place": pl.String(), "country": pl.String()}, orient="row"
            ).select(pl.lit("depot").alias("place_kind"), "place", "country"),
            sites.select(pl.lit("site").alias("place_kind"), pl.col("site_id").alias("place"), "country"),
        ]
    ).unique(["place_kind", "place"], keep="first", maintain_order=True)
    keys = ("place_kind", "place", "country", "kit_type", "lot_id", "expiry_date", "status")
    return (
        kits.join(last_movement(double_entry(kit_movements, dispensings)), on="kit_number", how="left")
        .with_columns(_named("place_kind", "place"))
        .join(countries, on=["place_kind", "place"], how="left")
        .group_by(keys)
        .agg(pl.len().cast(pl.Int64).alias("kits"))
        .select(pl.lit(design.study_id).alias("study_id"), *keys, "kits")
        .sort(keys)
    )


def stock_over_time(
    design: TrialDesign, *, kits: pl.DataFrame, kit_movements: pl.DataFrame, dispensings: pl.DataFrame
) -> pl.DataFrame:
    """The kits at a place, of a type and in a status, at the end of each UTC day on which they changed: `change`, and then `kits`.

    Between two rows of one place, type and status nothing changed: a chart carries the last count forward.
    """
    typed = double_entry(kit_movements, dispensings).join(
        kits.select("kit_number", "kit_type"), on="kit_number", how="left"
    )
    steps = [
        typed.filter(pl.col(f"{end}_status").is_not_null()).select(
            pl.col("moved_at").dt.date().alias("on_date"),
            pl.col(f"{end}_place_kind").alias("place_kind"),
            _named(f"{end}_place_kind", f"{end}_place"),
            "kit_type",
            pl.col(f"{end}_status").alias("status"),
            pl.lit(step, dtype=pl.Int64).alias("step"),
        )
        for end, step in (("from", -1), ("to", 1))
    ]
    return (
        pl.concat(steps)
        .group_by(*ALIKE, "on_date")
        .agg(pl.col("step").sum().alias("change"))
        .filter(pl.col("change") != 0)
        .sort(*ALIKE, "on_date")
        .with_columns(pl.col("change").cum_sum().over(ALIKE).alias("kits"))
        .select(pl.lit(design.study_id).alias("study_id"), "on_date", *ALIKE, "change", "kits")
        .sort("on_date", *ALIKE)
    )


def _named(place_kind: str, place: str) -> pl.Expr:
    """The place of depots and sites; null for others."""
    return pl.when(pl.col(place_kind).is_in(HELD)).then(pl.col(place)).alias("place")

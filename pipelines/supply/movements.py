"""kit_movements: the supply ledger in double entry. Each movement takes a kit from a state and place and gives it to another."""

import polars as pl

from pipelines.sdtm.trial_design import TrialDesign
from pipelines.supply.bulk_lots import as_quantities, with_lots


def kit_movements(
    design: TrialDesign, *, kit_movements: pl.DataFrame, dispensings: pl.DataFrame, kits: pl.DataFrame
) -> pl.DataFrame:
    """One row for each movement of each kit, by ledger position and kit number (the order of picking would follow the types).

    As `double_entry`. Bulk supply moves by `lot` and `quantity` and has no kit number; numbered kits have a quantity of 1 and no lot.
    """
    moves = with_lots(double_entry(kit_movements, dispensings), kits, "lot")
    alike = [name for name in moves.columns if name != "kit_number"]
    return (
        as_quantities(moves, alike)
        .select(pl.lit(design.study_id).alias("study_id"), pl.exclude("lot", "quantity"), "lot", "quantity")
        .sort("position", "kit_number", *alike[1:], nulls_last=True)
    )


def double_entry(kit_movements: pl.DataFrame, dispensings: pl.DataFrame) -> pl.DataFrame:
    """Each movement of each kit, units of bulk supply like all others, by ledger position and kit number.

    The state and place that a movement starts from are those in which the kit's movement before it ended; the first one of a kit
    starts nowhere (null). `moved_at` UTC, `moved_on` the date at the place; `visit_number` decimal text, of a dispensing.
    """
    kit = ["kit_number"]
    given = dispensings.select(
        "position", "kit_number", "subject_id", pl.col("visit_number").cast(pl.Float64).cast(pl.String)
    ).with_columns(pl.col("visit_number").str.strip_suffix(".0"))
    ordered = kit_movements.sort("position", "line")
    return (
        ordered.with_columns(
            pl.col("recorded_at").alias("moved_at"),
            pl.col("to_status").shift(1).over(kit).alias("from_status"),
            pl.col("to_place_kind").shift(1).over(kit).alias("from_place_kind"),
            pl.col("to_place").shift(1).over(kit).alias("from_place"),
        )
        .join(given, on=["position", "kit_number"], how="left")
        .select(
            "position",
            "kit_number",
            "act",
            "moved_at",
            "moved_on",
            "from_status",
            "from_place_kind",
            "from_place",
            "to_status",
            "to_place_kind",
            "to_place",
            "shipment_id",
            "subject_id",
            "visit_number",
        )
        .sort("position", "kit_number")
    )

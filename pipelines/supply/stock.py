"""sites, kits, shipments and stock: where supply stands at the cut-off. Operational datasets, not SDTM."""

import polars as pl

from allocation.rules.kit_status import Act
from pipelines.sdtm.trial_design import TrialDesign
from pipelines.supply.bulk_lots import as_quantities
from pipelines.supply.movements import double_entry

USABLE = ("depot_available", "site_available")
EXPIRY_HORIZONS = (30, 60, 90)
"""Days ahead of the cut-off within which kits that may soon no more be dispensed are counted."""


def sites(design: TrialDesign, *, sites: pl.DataFrame) -> pl.DataFrame:
    """One row for each site that was opened."""
    return sites.select(
        pl.lit(design.study_id).alias("study_id"),
        "site_id",
        "name",
        "country",
        "depot_id",
        "timezone",
        pl.lit("open").alias("status"),
        "opened_on",
    ).sort("site_id")


def kits(
    design: TrialDesign,
    *,
    kits: pl.DataFrame,
    kit_dates: pl.DataFrame,
    kit_movements: pl.DataFrame,
    dispensings: pl.DataFrame,
) -> pl.DataFrame:
    """One row for each kit, as its last movement left it; of bulk supply one for all units of a lot that are alike, with their quantity.

    Unblinded only: kit type and lot tell the treatment.
    """
    known = (
        dated_kits(kits, kit_dates)
        .join(last_movement(double_entry(kit_movements, dispensings)), on="kit_number", how="left")
        .select(
            pl.lit(design.study_id).alias("study_id"),
            "kit_number",
            "kit_type",
            "lot_id",
            "expiry_date",
            "last_ship_date",
            "last_count_date",
            "last_dispense_date",
            "status",
            "place_kind",
            "place",
            "shipment_id",
            "subject_id",
            "visit_number",
            "dispensed_on",
        )
    )
    alike = [name for name in known.columns if name != "kit_number"]
    return as_quantities(known, alike).sort("kit_number", *alike, nulls_last=True)


def dated_kits(kits: pl.DataFrame, kit_dates: pl.DataFrame) -> pl.DataFrame:
    """The kits with the dates that they were given last; those that they were loaded with, where no others were."""
    names = ("expiry_date", "last_ship_date", "last_count_date", "last_dispense_date")
    latest = (
        kit_dates.sort("position", "line")
        .group_by("kit_number")
        .agg(pl.col(name).last().alias(f"{name}_now") for name in names)
    )
    return kits.join(latest, on="kit_number", how="left").with_columns(
        pl.coalesce(f"{name}_now", name).alias(name) for name in names
    )


def last_movement(movements: pl.DataFrame) -> pl.DataFrame:
    """The state and place of each kit, its last shipment, and to whom and when it was dispensed; of a device, since it is used again."""
    of_this_use = (pl.col("act") == Act.REISSUE_DEVICE.value).cum_sum(reverse=True) == 0
    dispensed = pl.col("act").is_in(["dispense", "confirm_dispensing"]) & of_this_use
    return (
        movements.sort("position")
        .group_by("kit_number")
        .agg(
            pl.col("to_status").last().alias("status"),
            pl.col("to_place_kind").last().alias("place_kind"),
            pl.col("to_place").last().alias("place"),
            pl.col("shipment_id").drop_nulls().last(),
            pl.col("subject_id", "visit_number").filter(of_this_use).drop_nulls().last(),
            pl.col("moved_on").filter(dispensed).last().alias("dispensed_on"),
        )
    )


def shipments(design: TrialDesign, *, shipments: pl.DataFrame) -> pl.DataFrame:
    """One row for each shipment: how far it has come and when. `kit_count` is that of its latest step."""

    def on(step: str) -> pl.Expr:
        return pl.col("on_date").filter(pl.col("step") == step).last()

    last_step = pl.col("step").filter(pl.col("step") != "corrected").last()
    return (
        shipments.sort("position", "line")
        .group_by("shipment_id")
        .agg(
            pl.col("from_kind", "from_place", "to_kind", "to_place").first(),
            last_step.replace({"dispatched": "in_transit", "received_part": "in_transit"}).alias("status"),
            pl.col("kits").drop_nulls().last().alias("kit_count"),
            on("requested").alias("requested_on"),
            on("dispatched").alias("dispatched_on"),
            pl.col("expected_on").drop_nulls().last(),
            on("received").alias("received_on"),
            pl.col("carrier").drop_nulls().last(),
            pl.col("tracking_number").drop_nulls().last(),
            pl.col("run_id").drop_nulls().last(),
        )
        .select(
            pl.lit(design.study_id).alias("study_id"),
            "shipment_id",
            "from_kind",
            "from_place",
            "to_kind",
            "to_place",
            "status",
            "kit_count",
            "requested_on",
            "dispatched_on",
            "expected_on",
            "received_on",
            "carrier",
            "tracking_number",
            "run_id",
        )
        .sort("shipment_id")
    )


def stock(
    design: TrialDesign,
    *,
    kits: pl.DataFrame,
    kit_dates: pl.DataFrame,
    kit_movements: pl.DataFrame,
    dispensings: pl.DataFrame,
) -> pl.DataFrame:
    """Kits counted by place, kit type (in the blinded product the label of the blinding group) and status.

    `usable`: available and not past the last dispensing date at the cut-off. `expiring_30`, `_60`, `_90`: of those, the kits whose
    last dispensing date comes within so many days after it. `next_last_dispense_date`: the earliest of the usable ones.
    """
    cut_off = pl.lit(design.cut_off)
    usable = pl.col("status").is_in(USABLE) & (pl.col("last_dispense_date") >= cut_off)

    def expiring(days: int) -> pl.Expr:
        return (usable & (pl.col("last_dispense_date") <= cut_off + pl.duration(days=days))).sum()

    return (
        dated_kits(kits, kit_dates)
        .join(last_movement(double_entry(kit_movements, dispensings)), on="kit_number", how="left")
        .group_by("place_kind", "place", "kit_type", "status")
        .agg(
            pl.len().cast(pl.Int64).alias("kits"),
            usable.sum().cast(pl.Int64).alias("usable"),
            *(expiring(days).cast(pl.Int64).alias(f"expiring_{days}") for days in EXPIRY_HORIZONS),
            pl.col("last_dispense_date").filter(usable).min().alias("next_last_dispense_date"),
        )
        .select(pl.lit(design.study_id).alias("study_id"), pl.all())
        .sort("place_kind", "place", "kit_type", "status")
    )

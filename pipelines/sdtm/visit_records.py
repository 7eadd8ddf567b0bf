"""Which visit record of SV each visit entry is: its VISITNUM, name, planned day and epoch, for every dataset that names a visit."""

import polars as pl

from pipelines.sdtm.trial_design import TrialDesign

REPEAT_STEP = 0.01


def visit_records(design: TrialDesign, visits: pl.DataFrame) -> pl.DataFrame:
    """One row for each visit record, with `position` of its entry and VISITNUM, VISIT, VISITDY, EPOCH, `planned`, added.

    A visit that was missed and held after all is the visit held; missed twice is missed once. A subject's first record of a number
    of TV is planned: it has TV's name, planned day and epoch. A repetition gets the number behind it (+ 0.01 each), since a planned
    number is used once for a subject (CORE-000204), and is unplanned like every number that TV does not have (CORE-000035 to
    40, 140). EPOCH of an unplanned visit is that of the subject's last planned visit up to its date, else the screening epoch.
    """
    planned = pl.DataFrame(
        [(visit.number, visit.name, visit.day, visit.epoch) for visit in design.visits],
        schema={
            "visit_number": visits.schema["visit_number"],
            "tv_name": pl.String(),
            "tv_day": pl.Int64(),
            "tv_epoch": pl.String(),
        },
        orient="row",
    )
    number = ["subject_id", "visit_number"]
    is_done = pl.col("status") == "done"
    ordered = visits.sort("subject_id", "visit_number", "position")
    held = ordered.filter(is_done | ~is_done.any().over(number))
    first = pl.int_range(pl.len()).over(number) == 0
    records = held.filter(is_done | first).with_columns(pl.int_range(pl.len()).over(number).alias("repeat"))
    records = records.join(planned, on="visit_number", how="left", maintain_order="left")
    is_planned = pl.col("tv_name").is_not_null() & (pl.col("repeat") == 0)
    repetition = pl.format("{} (REPEAT {})", "tv_name", "repeat")
    records = records.with_columns(
        is_planned.alias("planned"),
        (pl.col("visit_number").cast(pl.Float64) + pl.col("repeat") * REPEAT_STEP).round(4).alias("VISITNUM"),
        pl.when(is_planned)
        .then("tv_name")
        .when(pl.col("tv_name").is_not_null())
        .then(repetition)
        .otherwise("name")
        .alias("VISIT"),
        pl.when(is_planned).then("tv_day").alias("VISITDY"),
    )
    by_date = records.sort("subject_id", "visit_date", "VISITNUM", nulls_last=True)
    before = pl.col("tv_epoch").forward_fill().over("subject_id")
    return (
        by_date.with_columns(pl.coalesce(before, pl.lit(design.screening_epoch)).alias("EPOCH"))
        .drop("tv_name", "tv_day", "tv_epoch", "repeat")
        .sort("subject_id", "VISITNUM")
    )

"""DA, product accountability: the amount of each kit that was handed out (SDTMIG 3.4 section 6.3.2)."""

import polars as pl

from pipelines.sdtm.study_day import iso, study_day
from pipelines.sdtm.trial_design import TrialDesign
from pipelines.sdtm.visit_records import visit_records
from pipelines.subject_progress import usubjid

DISPENSED, DISPENSED_NAME = "DISPAMT", "Dispensed Amount"


def da(
    design: TrialDesign, *, dispensings: pl.DataFrame, visits: pl.DataFrame, dm: pl.DataFrame
) -> pl.DataFrame:
    """One record DISPAMT for each kit, in the kit's own unit; DAREFID is the kit number on the label.

    DASCAT is the kit type (in the blinded product the label of its blinding group), so that amounts of one DASCAT have one unit.
    Kits of one day are numbered by kit number: the order in which they were picked would follow their types.
    """
    visit = ["subject_id", "visit_number", "occurrence"]
    records = visit_records(design, visits).select(*visit, "VISITNUM", "VISIT", "VISITDY", "EPOCH")
    reference = dm.select("USUBJID", pl.col("RFSTDTC").str.to_date().alias("reference"))
    amount = pl.col("quantity").cast(pl.Float64)
    whole = amount == amount.floor()
    text = pl.when(whole).then(amount.cast(pl.Int64).cast(pl.String)).otherwise(amount.cast(pl.String))
    return (
        dispensings.with_columns(usubjid(design))
        .join(
            records, on=visit, how="left"
        )  # a kit that replaces another comes after the visit that it is of
        .join(reference, on="USUBJID", how="left")
        .sort("USUBJID", "dispensed_on", "VISITNUM", "kit_number")
        .with_columns(pl.int_range(1, pl.len() + 1).over("USUBJID").alias("DASEQ"), text.alias("result"))
        .select(
            pl.lit(design.study_id).alias("STUDYID"),
            pl.lit("DA").alias("DOMAIN"),
            "USUBJID",
            "DASEQ",
            pl.col("kit_number").alias("DAREFID"),
            pl.lit(DISPENSED).alias("DATESTCD"),
            pl.lit(DISPENSED_NAME).alias("DATEST"),
            pl.lit("STUDY MEDICATION").alias("DACAT"),
            pl.col("kit_type").alias("DASCAT"),
            pl.col("result").alias("DAORRES"),
            pl.col("unit").alias("DAORRESU"),
            pl.col("result").alias("DASTRESC"),
            amount.alias("DASTRESN"),
            pl.col("unit").alias("DASTRESU"),
            "VISITNUM",
            "VISIT",
            "VISITDY",
            "EPOCH",
            iso(pl.col("dispensed_on")).alias("DADTC"),
            study_day(pl.col("dispensed_on"), pl.col("reference")).alias("DADY"),
        )
        .sort("USUBJID", "DASEQ")
    )

"""DA, product accountability: the amount of each kit that was handed out, came back and was lost (SDTMIG 3.4 section 6.3.2)."""

import polars as pl

from pipelines.sdtm.study_day import iso, study_day
from pipelines.sdtm.trial_design import TrialDesign
from pipelines.sdtm.visit_records import visit_records
from pipelines.subject_progress import usubjid
from pipelines.supply.bulk_lots import is_unit, with_lots

TESTS = {"DISPAMT": "Dispensed Amount", "RETAMT": "Returned Amount", "LOSTAMT": "Lost Amount"}
"""DATESTCD to DATEST, in the order in which the findings of a kit stand."""

_RECORD = ("VISITNUM", "VISIT", "VISITDY", "EPOCH")


def da(
    design: TrialDesign,
    *,
    dispensings: pl.DataFrame,
    kit_counts: pl.DataFrame,
    visits: pl.DataFrame,
    kits: pl.DataFrame,
    dm: pl.DataFrame,
) -> pl.DataFrame:
    """A record DISPAMT for each kit that was handed out, RETAMT for each that was counted, and LOSTAMT where units of it were lost.

    In the kit's own unit; DAREFID is the kit number on the label and joins the findings of a kit. Of a count that was corrected the latest
    counts. A return is of the subject's visit on its day, or of the last one before it. DASCAT is the kit type (in the blinded product the
    label of its blinding group), so that amounts of one DASCAT have one unit. Kits of one day are numbered by kit number: the order in
    which they were picked would follow their types.

    Bulk supply has no numbers: DAREFID is its lot (in the blinded product as blinded people read it), with one record for each dispensing,
    lot and test, and of what comes back for each day on which some of it did; amounts are summed.
    """
    visit = ["subject_id", "visit_number", "occurrence"]
    records = visit_records(design, visits)
    reference = dm.select("USUBJID", pl.col("RFSTDTC").str.to_date().alias("reference"))
    given = dispensings.join(
        records.select(*visit, *_RECORD),
        on=visit,
        how="left",
    ).select(  # a kit that replaces another comes after the visit that it is of
        "subject_id",
        "site_id",
        "kit_number",
        "kit_type",
        "unit",
        pl.col("position").alias("given_at"),
        *_RECORD,
        pl.lit("DISPAMT").alias("DATESTCD"),
        pl.col("dispensed_on").alias("on"),
        pl.col("quantity").alias("amount"),
    )
    findings = _named(pl.concat([given, *_counted(dispensings, kit_counts, records)]), kits)
    amount = pl.col("amount").cast(pl.Float64)
    whole = amount == amount.floor()
    text = pl.when(whole).then(amount.cast(pl.Int64).cast(pl.String)).otherwise(amount.cast(pl.String))
    order = pl.col("DATESTCD").replace_strict(
        {code: rank for rank, code in enumerate(TESTS)}, return_dtype=pl.Int64
    )
    return (
        findings.with_columns(usubjid(design))
        .join(reference, on="USUBJID", how="left")
        .sort("USUBJID", "on", "VISITNUM", "reference_id", "given_at", order)
        .with_columns(pl.int_range(1, pl.len() + 1).over("USUBJID").alias("DASEQ"), text.alias("result"))
        .select(
            pl.lit(design.study_id).alias("STUDYID"),
            pl.lit("DA").alias("DOMAIN"),
            "USUBJID",
            "DASEQ",
            pl.col("reference_id").alias("DAREFID"),
            "DATESTCD",
            pl.col("DATESTCD").replace_strict(TESTS, return_dtype=pl.String).alias("DATEST"),
            pl.lit("STUDY MEDICATION").alias("DACAT"),
            pl.col("kit_type").alias("DASCAT"),
            pl.col("result").alias("DAORRES"),
            pl.col("unit").alias("DAORRESU"),
            pl.col("result").alias("DASTRESC"),
            amount.alias("DASTRESN"),
            pl.col("unit").alias("DASTRESU"),
            *_RECORD,
            iso(pl.col("on")).alias("DADTC"),
            study_day(pl.col("on"), pl.col("reference")).alias("DADY"),
        )
        .sort("USUBJID", "DASEQ")
    )


def _named(findings: pl.DataFrame, kits: pl.DataFrame) -> pl.DataFrame:
    """The findings with `reference_id`: the number on the label, or the lot of bulk supply, of which those that are alike are one."""
    units = with_lots(findings.filter(is_unit()), kits, "reference_id")
    alike = [name for name in units.columns if name not in ("kit_number", "amount")]
    summed = units.group_by(alike, maintain_order=True).agg(
        pl.col("amount").sum().cast(findings.schema["amount"])
    )
    numbered = findings.filter(~is_unit()).rename({"kit_number": "reference_id"})
    return pl.concat([numbered, summed.select(numbered.columns)])


def _counted(dispensings: pl.DataFrame, counts: pl.DataFrame, records: pl.DataFrame) -> list[pl.DataFrame]:
    """The findings RETAMT and LOSTAMT of the latest count of each kit that was handed out.

    A reusable device is handed out several times, and each time counted: a count is of the last dispensing before it.
    """
    given = dispensings.select("position", "kit_number", "kit_type", "unit").sort("position")
    latest = (
        counts.sort("position", "line")
        .join_asof(
            given.with_columns(pl.col("position").alias("given_at")),
            on="position",
            by="kit_number",
            strategy="backward",
            check_sortedness=False,
        )
        .filter(pl.col("given_at").is_not_null())
        .group_by("kit_number", "given_at", maintain_order=True)
        .last()
    )
    held = (
        records.filter(pl.col("visit_date").is_not_null())
        .select("subject_id", pl.col("visit_date").alias("on"), *_RECORD)
        .sort("on", "VISITNUM")
    )
    at_visit = (
        latest.select(
            "subject_id",
            "site_id",
            "kit_number",
            "kit_type",
            "unit",
            "given_at",
            pl.col("returned_on").alias("on"),
            "returned_units",
            "lost_units",
        )
        .sort("on")
        .join_asof(held, on="on", by="subject_id", strategy="backward", check_sortedness=False)
    )
    lost = pl.col("lost_units") > 0
    return [
        some.select(
            "subject_id",
            "site_id",
            "kit_number",
            "kit_type",
            "unit",
            "given_at",
            *_RECORD,
            pl.lit(code).alias("DATESTCD"),
            "on",
            pl.col(column).alias("amount"),
        )
        for code, column, some in (
            ("RETAMT", "returned_units", at_visit),
            ("LOSTAMT", "lost_units", at_visit.filter(lost)),
        )
    ]

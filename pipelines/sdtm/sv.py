"""SV, subject visits: one record for each visit of a subject (SDTMIG 3.4 section 5.4)."""

import polars as pl

from pipelines.sdtm.study_day import iso, study_day
from pipelines.sdtm.trial_design import TrialDesign
from pipelines.sdtm.visit_records import visit_records
from pipelines.subject_progress import usubjid

CONTACT_MODES = {"clinic": "IN PERSON", "home": "IN PERSON", "phone": "TELEPHONE CALL"}
"""How the visit was held, as terms of CNTMODE (C171445)."""


def sv(design: TrialDesign, *, visits: pl.DataFrame, dm: pl.DataFrame) -> pl.DataFrame:
    """Subject visits; see `visit_records` for which are planned.

    Planned: SVPRESP Y, and SVOCCUR Y when it took place or N when it was missed, with the reason in SVREASOC. Unplanned: SVPRESP
    and SVOCCUR null, SVUPDES describes it. SV has no EPOCH (CORE-000550).
    """
    reference = dm.select("USUBJID", pl.col("RFSTDTC").str.to_date().alias("reference"))
    records = (
        visit_records(design, visits).with_columns(usubjid(design)).join(reference, on="USUBJID", how="left")
    )
    held = pl.col("status") == "done"
    return records.select(
        pl.lit(design.study_id).alias("STUDYID"),
        pl.lit("SV").alias("DOMAIN"),
        "USUBJID",
        "VISITNUM",
        "VISIT",
        pl.when("planned").then(pl.lit("Y")).alias("SVPRESP"),
        pl.when("planned").then(pl.when(held).then(pl.lit("Y")).otherwise(pl.lit("N"))).alias("SVOCCUR"),
        pl.when("planned", ~held).then("reason").alias("SVREASOC"),
        pl.when(held)
        .then(pl.col("contact").replace_strict(CONTACT_MODES, default=None, return_dtype=pl.String))
        .alias("SVCNTMOD"),
        "VISITDY",
        iso(pl.col("visit_date")).alias("SVSTDTC"),
        iso(pl.col("end_date")).alias("SVENDTC"),
        study_day(pl.col("visit_date"), pl.col("reference")).alias("SVSTDY"),
        study_day(pl.col("end_date"), pl.col("reference")).alias("SVENDY"),
        pl.when(~pl.col("planned")).then("VISIT").alias("SVUPDES"),
    ).sort("USUBJID", "VISITNUM")

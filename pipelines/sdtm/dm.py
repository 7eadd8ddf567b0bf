"""DM, demographics: one record for each screened subject (SDTMIG 3.4 section 5.2)."""

import polars as pl

from pipelines.sdtm.study_day import iso, study_day
from pipelines.sdtm.trial_design import TrialDesign
from pipelines.subject_progress import ongoing


def dm(
    design: TrialDesign,
    *,
    progress: pl.DataFrame,
    visits: pl.DataFrame,
    dispensings: pl.DataFrame,
    ex: pl.DataFrame,
) -> pl.DataFrame:
    """Demographics. For each derived variable the first case which applies:

    RFXSTDTC, RFXENDTC: earliest EXSTDTC; latest of EXSTDTC and EXENDTC (CORE-000239, 238); null without EX.
    ARM: the arm of the randomization; null for a subject who was not randomized.
    ARMNRS: SCREEN FAILURE, failed screening; NOT ASSIGNED, not randomized; ASSIGNED, NOT TREATED, randomized without exposure
    (as of the cut-off); null otherwise.
    ACTARM: null where ARMNRS is filled; the arm's `then_arm`, for a subject whose participation ended without ever having had
    the dose level that makes the arm (while on study the planned arm stands: the level may still come); else ARM.
    RFSTDTC: RFXSTDTC; the randomization date, for a subject without exposure; null for one who was not randomized.
    RFENDTC: null where ARMNRS is filled (CORE-000192); the cut-off date, for a subject still on study; else the latest of the
    date of the disposition, the date of the visit that it was made at, and the last dose.
    RFICDTC: the date of consent. DTHDTC: the date of death, with DTHFL.
    RFPENDTC: the cut-off date, for a subject still in the study; else the latest of last contact, last visit, last kit handed
    out, disposition, last dose and death.
    """
    treated = ex.group_by("USUBJID").agg(
        pl.col("EXSTDTC").min().alias("RFXSTDTC"),
        pl.max_horizontal("EXSTDTC", "EXENDTC").max().alias("RFXENDTC"),
    )
    frame = progress.join(treated, on="USUBJID", how="left").join(
        _ended_visit(visits),
        left_on=["subject_id", "ended_at_visit"],
        right_on=["subject_id", "visit_code"],
        how="left",
    )
    handed_out = dispensings.group_by("subject_id").agg(
        pl.col("dispensed_on").max().alias("last_handed_out_on")
    )
    frame = _with_arms(frame, design, dispensings).join(handed_out, on="subject_id", how="left")
    cut_off = pl.lit(design.cut_off)
    end = pl.max_horizontal("ended_on", "ended_visit_on", "last_dose_on")
    left = pl.max_horizontal(
        "last_contact_on", "last_visit_on", "last_handed_out_on", "ended_on", "last_dose_on", "died_on"
    )
    frame = frame.with_columns(
        pl.coalesce("RFXSTDTC", iso(pl.col("randomized_on"))).alias("RFSTDTC"),
        iso(pl.when(pl.col("ARMNRS").is_null()).then(pl.when(ongoing()).then(cut_off).otherwise(end))).alias(
            "RFENDTC"
        ),
        iso(pl.when(ongoing()).then(cut_off).otherwise(left)).alias("RFPENDTC"),
    )
    return frame.select(
        pl.lit(design.study_id).alias("STUDYID"),
        pl.lit("DM").alias("DOMAIN"),
        "USUBJID",
        pl.col("subject_id").alias("SUBJID"),
        "RFSTDTC",
        "RFENDTC",
        "RFXSTDTC",
        "RFXENDTC",
        iso(pl.col("consented_on")).alias("RFICDTC"),
        "RFPENDTC",
        iso(pl.col("died_on")).alias("DTHDTC"),
        pl.when(pl.col("died_on").is_not_null()).then(pl.lit("Y")).alias("DTHFL"),
        pl.col("site_id").alias("SITEID"),
        pl.col("age").alias("AGE"),
        pl.when(pl.col("age").is_not_null()).then("age_unit").alias("AGEU"),
        pl.col("sex").fill_null("U").alias("SEX"),
        pl.col("race").alias("RACE"),
        pl.col("ethnic").alias("ETHNIC"),
        pl.col("arm").alias("ARMCD"),
        "ARM",
        "ACTARMCD",
        "ACTARM",
        "ARMNRS",
        pl.lit(None, dtype=pl.String).alias("ACTARMUD"),
        pl.col("country").alias("COUNTRY"),
        iso(pl.col("screened_on")).alias("DMDTC"),
        study_day(pl.col("screened_on"), pl.col("RFSTDTC").str.to_date()).alias("DMDY"),
    ).sort("USUBJID")


def _ended_visit(visits: pl.DataFrame) -> pl.DataFrame:
    """The latest date of each planned visit of each subject."""
    done = visits.filter((pl.col("status") == "done") & pl.col("visit_code").is_not_null())
    return done.group_by("subject_id", "visit_code").agg(pl.col("end_date").max().alias("ended_visit_on"))


def _with_arms(frame: pl.DataFrame, design: TrialDesign, dispensings: pl.DataFrame) -> pl.DataFrame:
    """ARM, ACTARMCD, ACTARM and ARMNRS, by the cases of `dm`."""
    text = pl.String()
    arms = pl.DataFrame(
        [(arm.code, arm.name, arm.unless_dose_level, arm.then_arm) for arm in design.arms],
        schema={"arm": text, "ARM": text, "unless_dose_level": text, "then_arm": text},
        orient="row",
    )
    names = arms.select(pl.col("arm").alias("ACTARMCD"), pl.col("ARM").alias("ACTARM"))
    had = dispensings.select("subject_id", pl.col("dose_level").alias("unless_dose_level")).unique()
    reason = (
        pl.when(pl.col("status") == "screen_failed")
        .then(pl.lit("SCREEN FAILURE"))
        .when(pl.col("arm").is_null())
        .then(pl.lit("NOT ASSIGNED"))
        .when(pl.col("RFXSTDTC").is_null())
        .then(pl.lit("ASSIGNED, NOT TREATED"))
    )
    lacks_level = pl.col("then_arm").is_not_null() & pl.col("had_level").is_null() & ~ongoing()
    actual = pl.when(lacks_level).then("then_arm").otherwise("arm")
    return (
        frame.join(arms, on="arm", how="left")
        .join(had.with_columns(had_level=True), on=["subject_id", "unless_dose_level"], how="left")
        .with_columns(reason.alias("ARMNRS"))
        .with_columns(pl.when(pl.col("ARMNRS").is_null()).then(actual).alias("ACTARMCD"))
        .join(names, on="ACTARMCD", how="left")
    )

"""EX, exposure: one record for each period of constant intended dosing of a subject (SDTMIG 3.4 section 6.1.3.1).

The service knows what was handed out and what the protocol says is taken, not each administration.
"""

import polars as pl

from pipelines.arms_over_time import arm_at_entry
from pipelines.errors import DerivationError
from pipelines.sdtm.exposure_holds import without_holds
from pipelines.sdtm.study_day import iso, study_day
from pipelines.sdtm.trial_design import TrialDesign
from pipelines.sdtm.visit_records import visit_records
from pipelines.subject_progress import ongoing

COLUMNS = (
    "STUDYID",
    "DOMAIN",
    "USUBJID",
    "EXSEQ",
    "EXTRT",
    "EXDOSE",
    "EXDOSTXT",
    "EXDOSU",
    "EXDOSFRM",
    "EXDOSFRQ",
    "EXROUTE",
    "EXADJ",
    "VISITNUM",
    "VISIT",
    "VISITDY",
    "EPOCH",
    "EXSTDTC",
    "EXENDTC",
    "EXSTDY",
    "EXENDY",
)


def ex(
    design: TrialDesign,
    *,
    visits: pl.DataFrame,
    randomizations: pl.DataFrame,
    dose_holds: pl.DataFrame,
    progress: pl.DataFrame,
) -> pl.DataFrame:
    """Exposure, one record for each exposure period of the protocol that a subject entered.

    A period starts the protocol's `offset_days` after the actual date of its visit. It exists, the first case which applies:

    1. the visit is a dispensing visit of the protocol: only if kits were handed out at it;
    2. otherwise: if the visit took place after a first dispensing;

    and in both cases only if its start is not after the last dose (or after the cut-off, for a subject who is still on study),
    and not on the day on which the next period starts. EXENDTC, the first case which applies:

    1. a later period follows: the day before that one's start;
    2. the participation ended: the date of the last dose, null where that is unknown;
    3. the subject is still on study: the cut-off date.

    While dosing is on hold nothing is taken, and what is not taken has no record (SDTMIG 3.4 section 6.1.3.1): a hold cuts its days
    out of a period (exposure_holds.py), and the record that goes on after it has the reason of the hold in EXADJ.

    A period in which nothing is taken ends the one before it, and has no record.

    What is taken is the protocol's first regimen that matches arm, dose level (both those of the latest dispensing up to the visit)
    and visit. Raises DerivationError where no regimen matches.
    """
    periods = _ended(_entered(design, visits, randomizations, progress), design)
    periods = _numbered(without_holds(periods, dose_holds))
    return _with_regimens(design, periods).select(COLUMNS)


def _entered(
    design: TrialDesign, visits: pl.DataFrame, randomizations: pl.DataFrame, progress: pl.DataFrame
) -> pl.DataFrame:
    """Visits that start a period, with the start, the arm and the dose level: the cases of `ex` for its existence."""
    codes = {visit.code: visit for visit in design.visits}
    planned = [
        (one.visit, one.offset_days, codes[one.visit].dispensing, one.treated)
        for one in design.periods
        if one.visit in codes
    ]
    periods = pl.DataFrame(
        planned,
        schema={
            "visit_code": pl.String,
            "offset_days": pl.Int64,
            "dispensing_visit": pl.Boolean,
            "doses": pl.Boolean,
        },
        orient="row",
    )
    # From here on `status` is the subject's, not the visit's.
    done = visit_records(design, visits).filter(pl.col("status") == "done").drop("status", "site_id")
    done = arm_at_entry(done, randomizations)
    level, arm = (
        pl.when("dispensed").then(name).forward_fill().over("subject_id", order_by="position")
        for name in ("dose_level", "arm_then")
    )
    treated = pl.col("dispensed").cum_max().over("subject_id", order_by="position")
    limit = pl.when(ongoing()).then(pl.lit(design.cut_off)).otherwise("last_dose_on")
    subjects = progress.filter(pl.col("randomized_on").is_not_null()).drop("arm")
    return (
        done.with_columns(level.alias("dose_level"), arm.alias("arm"), treated.alias("treated"))
        .join(periods, on="visit_code", how="inner")
        .join(subjects, on="subject_id", how="inner")
        .with_columns(
            (pl.col("visit_date") + pl.duration(days="offset_days")).alias("start"), limit.alias("limit")
        )
        .filter(
            pl.when("dispensing_visit").then("dispensed").otherwise("treated"),
            (pl.col("start") <= pl.col("limit")).fill_null(True),
        )
    )


def _ended(entered: pl.DataFrame, design: TrialDesign) -> pl.DataFrame:
    """The periods in order with their ends."""
    following = pl.col("start").shift(-1).over("subject_id")
    ordered = entered.sort("USUBJID", "start", "position")
    periods = ordered.filter((following > pl.col("start")).fill_null(True))
    last = pl.when(ongoing()).then(pl.lit(design.cut_off)).otherwise("last_dose_on")
    ended = periods.with_columns(pl.coalesce(following - pl.duration(days=1), last).alias("end"))
    return ended.filter("doses")


def _numbered(periods: pl.DataFrame) -> pl.DataFrame:
    return periods.with_columns(
        pl.int_range(1, pl.len() + 1).over("subject_id").alias("EXSEQ"),
        pl.col("start").min().over("subject_id").alias("reference"),
    )


def _with_regimens(design: TrialDesign, periods: pl.DataFrame) -> pl.DataFrame:
    regimens = _matching(design, periods)
    return (
        periods.join(regimens, on=["arm", "dose_level", "visit_code"], how="left", nulls_equal=True)
        .with_columns(
            pl.lit(design.study_id).alias("STUDYID"),
            pl.lit("EX").alias("DOMAIN"),
            iso(pl.col("start")).alias("EXSTDTC"),
            iso(pl.col("end")).alias("EXENDTC"),
            study_day(pl.col("start"), pl.col("reference")).alias("EXSTDY"),
            study_day(pl.col("end"), pl.col("reference")).alias("EXENDY"),
        )
        .sort("USUBJID", "EXSEQ")
    )


def _matching(design: TrialDesign, periods: pl.DataFrame) -> pl.DataFrame:
    """The regimen of each combination of arm, dose level and visit that occurs."""
    rows = []
    for arm, level, visit in sorted(
        periods.select("arm", "dose_level", "visit_code").unique().rows(), key=str
    ):
        regimen = next(
            (
                one
                for one in design.regimens
                if one.arm == arm
                and one.dose_level in (None, level)
                and (not one.visits or visit in one.visits)
            ),
            None,
        )
        if regimen is None:
            raise DerivationError(
                f"the protocol has no exposure regimen for arm {arm}, dose level {level}, at visit {visit}: "
                "add one under exposure.regimens"
            )
        dose = None if regimen.dose is None else float(regimen.dose)
        rows.append(
            (
                arm,
                level,
                visit,
                regimen.treatment,
                dose,
                regimen.dose_text,
                regimen.unit,
                regimen.form,
                regimen.frequency,
                regimen.route,
            )
        )
    text = pl.String()
    schema = {"arm": text, "dose_level": text, "visit_code": text, "EXTRT": text, "EXDOSE": pl.Float64()}
    schema |= dict.fromkeys(("EXDOSTXT", "EXDOSU", "EXDOSFRM", "EXDOSFRQ", "EXROUTE"), text)
    return pl.DataFrame(rows, schema=schema, orient="row")

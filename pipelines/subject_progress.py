"""How far each subject has come: one row for each screened subject, which most datasets start from.

Operational, not SDTM. In the blinded product `arm` is the masked one, since the events that it is built from are masked.
"""

from string import Formatter

import polars as pl

from pipelines.events.frames import EventFrames
from pipelines.sdtm.trial_design import TrialDesign

ENDED = ("screen_failed", "discontinued", "completed")


def subject_progress(
    design: TrialDesign,
    *,
    subjects: pl.DataFrame,
    eligibility: pl.DataFrame,
    randomizations: pl.DataFrame,
    visits: pl.DataFrame,
    dispositions: pl.DataFrame,
) -> pl.DataFrame:
    """One row per subject, sorted by site and subject number. Dates are the site's calendar dates.

    `status`, the first case which applies: the disposition (screen_failed, discontinued, completed); randomized; eligible, when the
    criteria were met; else screening. `first_dispensed_on`/`last_dispensed_on`: visits at which kits were handed out.
    `last_visit_on`: the last day of a visit that took place. `last_position`: the subject's last ledger position.
    """
    done = visits.filter(pl.col("status") == "done")
    dispensed = done.filter("dispensed")
    seen = pl.concat(
        frame.select("subject_id", "position")
        for frame in (subjects, eligibility, randomizations, visits, dispositions)
    )
    first_randomization = randomizations.sort("position").unique("subject_id", keep="first")
    ends = dispositions.sort("position").unique("subject_id", keep="last")
    progress = (
        subjects.join(_last(eligibility, "eligible", "assessed_on"), on="subject_id", how="left")
        .join(
            first_randomization.select(
                "subject_id", "randomized_on", "randomization_number", "arm", "stratum", "event"
            ),
            on="subject_id",
            how="left",
        )
        .join(
            ends.select(
                "subject_id",
                pl.col("status").alias("ended_as"),
                "ended_on",
                "end_reason",
                "end_term",
                "last_dose_on",
                "last_contact_on",
                "died_on",
                pl.col("visit_code").alias("ended_at_visit"),
            ),
            on="subject_id",
            how="left",
        )
        .join(
            dispensed.group_by("subject_id").agg(
                pl.col("visit_date").min().alias("first_dispensed_on"),
                pl.col("visit_date").max().alias("last_dispensed_on"),
            ),
            on="subject_id",
            how="left",
        )
        .join(
            done.group_by("subject_id").agg(pl.col("end_date").max().alias("last_visit_on")),
            on="subject_id",
            how="left",
        )
        .join(
            seen.group_by("subject_id").agg(pl.col("position").max().alias("last_position")),
            on="subject_id",
            how="left",
        )
    )
    return progress.select(
        pl.lit(design.study_id).alias("study_id"),
        "subject_id",
        usubjid(design),
        "site_id",
        "country",
        "cohort",
        "sex",
        "age",
        "age_unit",
        "race",
        "ethnic",
        pl.coalesce(
            "ended_as",
            pl.when(pl.col("randomized_on").is_not_null()).then(pl.lit("randomized")),
            pl.when("eligible").then(pl.lit("eligible")),
            pl.lit("screening"),
        ).alias("status"),
        "screened_on",
        "consented_on",
        "assessed_on",
        "randomized_on",
        pl.col("event").alias("randomization_event"),
        "randomization_number",
        "stratum",
        "arm",
        "first_dispensed_on",
        "last_dispensed_on",
        "last_visit_on",
        "ended_on",
        "end_reason",
        "end_term",
        "last_dose_on",
        "last_contact_on",
        "died_on",
        "ended_at_visit",
        "last_position",
    ).sort("site_id", "subject_id")


def _last(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The latest row of each subject."""
    return frame.sort("position").unique("subject_id", keep="last").select("subject_id", *columns)


def usubjid(design: TrialDesign) -> pl.Expr:
    """USUBJID of a frame with `site_id` and `subject_id`, by the study's template (fields study, site, subject)."""
    columns = {"study": pl.lit(design.study_id), "site": pl.col("site_id"), "subject": pl.col("subject_id")}
    parts: list[pl.Expr] = []
    for text, field, _, _ in Formatter().parse(design.usubjid_template):
        parts += [pl.lit(text)] * bool(text) + ([columns[field]] if field else [])
    return pl.concat_str(parts).alias("USUBJID")


def ongoing() -> pl.Expr:
    """Whether the subject (a row of progress) is still in the study at the cut-off."""
    return ~pl.col("status").is_in(ENDED)


def frames_of(events: EventFrames) -> dict[str, pl.DataFrame]:
    """The frames that `subject_progress` takes, out of all events."""
    return {
        name: events[name] for name in ("subjects", "eligibility", "randomizations", "visits", "dispositions")
    }

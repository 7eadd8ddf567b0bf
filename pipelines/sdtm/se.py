"""SE, subject elements: the elements that a subject went through, one after the other without a gap (SDTMIG 3.4 section 5.3)."""

import polars as pl

from pipelines.arms_over_time import stays
from pipelines.sdtm.study_day import iso, study_day
from pipelines.sdtm.trial_design import TrialDesign


def se(
    design: TrialDesign,
    *,
    visits: pl.DataFrame,
    randomizations: pl.DataFrame,
    progress: pl.DataFrame,
    dm: pl.DataFrame,
) -> pl.DataFrame:
    """Subject elements, in the order of the subject's arm. Start of an element, the first case which applies:

    1. it starts at a visit: that visit's actual date and the element's offset, if the visit took place and, where it is a
       dispensing visit, kits were handed out at it (an early termination recorded under the next visit's number enters nothing);
    2. it starts after treatment: the last day of a visit that is not a planned visit of its epoch, if the subject had a planned
       visit of its epoch;
    3. it has no start visit: the screening date.

    A subject without an arm has the elements of the screening epoch only. One who passed several randomization events has of each
    arm the elements that start while the subject is in it, from the day of that randomization on (the first arm's also before it);
    TAETORD is then of that arm. An element that would start after the end of
    participation was not entered. Each ends where the next starts (CORE-000352); the last ends at DM.RFPENDTC, which is the cut-off
    for a subject who is still in the study.
    """
    planned = _planned(design, progress, randomizations)
    starts = pl.concat(
        [
            _at_screening(planned),
            _at_visits(design, visits, planned),
            _after_treatment(design, visits, planned),
        ]
    )
    reference = dm.select(
        "USUBJID",
        pl.col("RFSTDTC").str.to_date().alias("reference"),
        pl.col("RFPENDTC").str.to_date().alias("ended"),
    )
    entered = (
        starts.join(reference, on="USUBJID", how="left")
        .filter(
            pl.col("start").is_not_null() & (pl.col("start") <= pl.col("ended")).fill_null(True),
            (pl.col("start") >= pl.col("since")).fill_null(True),
            (pl.col("start") < pl.col("until")).fill_null(True),
        )
        .sort("USUBJID", "stay", "TAETORD")
        # Dates that contradict the order of the arm never make an element end before it starts.
        .with_columns(pl.col("start").cum_max().over("USUBJID"))
    )
    end = pl.col("start").shift(-1).over("USUBJID").fill_null(pl.col("ended"))
    elements = pl.DataFrame(
        [(element.code, element.name) for element in design.elements],
        schema={"ETCD": pl.String, "ELEMENT": pl.String},
        orient="row",
    )
    return (
        entered.with_columns(end.alias("end"), pl.int_range(1, pl.len() + 1).over("USUBJID").alias("SESEQ"))
        .join(elements, on="ETCD", how="left")
        .select(
            pl.lit(design.study_id).alias("STUDYID"),
            pl.lit("SE").alias("DOMAIN"),
            "USUBJID",
            "SESEQ",
            "ETCD",
            "ELEMENT",
            "TAETORD",
            "EPOCH",
            iso(pl.col("start")).alias("SESTDTC"),
            iso(pl.col("end")).alias("SEENDTC"),
            study_day(pl.col("start"), pl.col("reference")).alias("SESTDY"),
            study_day(pl.col("end"), pl.col("reference")).alias("SEENDY"),
        )
        .sort("USUBJID", "SESEQ")
    )


_STARTS = ("USUBJID", "stay", "since", "until", "TAETORD", "ETCD", "EPOCH", "start")


def _planned(design: TrialDesign, progress: pl.DataFrame, randomizations: pl.DataFrame) -> pl.DataFrame:
    """The elements that each subject's arms plan; for a subject without an arm those of the screening epoch of the first arm."""
    known = {element.code: element for element in design.elements}
    rows = [
        (
            cell.arm,
            cell.order,
            cell.element,
            cell.epoch,
            known[cell.element].starts_at_visit,
            known[cell.element].start_offset_days,
            known[cell.element].starts_after_treatment,
        )
        for cell in design.cells
    ]
    text = pl.String()
    cells = pl.DataFrame(
        rows,
        schema={
            "arm": text,
            "TAETORD": pl.Int64(),
            "ETCD": text,
            "EPOCH": text,
            "visit_code": text,
            "offset_days": pl.Int64(),
            "after_treatment": pl.Boolean(),
        },
        orient="row",
    )
    unassigned = cells.filter(
        pl.col("EPOCH") == design.screening_epoch, pl.col("arm") == design.arms[0].code
    ).with_columns(pl.lit(None, dtype=text).alias("arm"))
    subjects = progress.select("subject_id", "USUBJID", "screened_on").join(
        stays(randomizations), on="subject_id", how="left"
    )
    return subjects.join(pl.concat([cells, unassigned]), on="arm", how="inner", nulls_equal=True)


def _at_screening(elements: pl.DataFrame) -> pl.DataFrame:
    planned = elements.filter(pl.col("visit_code").is_null(), ~pl.col("after_treatment"))
    start = pl.col("screened_on") + pl.duration(days="offset_days")
    return planned.with_columns(start.alias("start")).select(_STARTS)


def _at_visits(design: TrialDesign, visits: pl.DataFrame, elements: pl.DataFrame) -> pl.DataFrame:
    planned = elements.filter(pl.col("visit_code").is_not_null())
    dispensing = [visit.code for visit in design.visits if visit.dispensing]
    held = (
        visits.filter(
            pl.col("status") == "done", ~pl.col("visit_code").is_in(dispensing) | pl.col("dispensed")
        )
        .group_by("subject_id", "visit_code")
        .agg(pl.col("visit_date").min())
    )
    start = pl.col("visit_date") + pl.duration(days="offset_days")
    started = planned.join(held, on=["subject_id", "visit_code"], how="inner")
    return started.with_columns(start.alias("start")).select(_STARTS)


def _after_treatment(design: TrialDesign, visits: pl.DataFrame, elements: pl.DataFrame) -> pl.DataFrame:
    planned = elements.filter(pl.col("visit_code").is_null(), pl.col("after_treatment"))
    text = pl.String()
    epochs = pl.DataFrame(
        [(visit.code, visit.epoch) for visit in design.visits],
        schema={"visit_code": text, "visit_epoch": text},
        orient="row",
    )
    held = visits.filter(pl.col("status") == "done").join(epochs, on="visit_code", how="left")
    pairs = planned.join(held.select("subject_id", "end_date", "visit_epoch"), on="subject_id", how="inner")
    in_epoch = (pl.col("visit_epoch") == pl.col("EPOCH")).fill_null(False)
    keys = [name for name in _STARTS if name != "start"]
    started = pairs.group_by(keys).agg(
        pl.col("end_date").filter(~in_epoch).max().alias("start"), in_epoch.any().alias("entered")
    )
    return started.filter("entered").select(_STARTS)

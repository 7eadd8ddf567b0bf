"""DS, disposition: protocol milestones and how each subject's participation ended (SDTMIG 3.4 section 6.2.4)."""

import polars as pl

from pipelines.sdtm.study_day import iso, study_day
from pipelines.sdtm.trial_design import TrialDesign
from pipelines.sdtm.visit_records import visit_records

MILESTONE, DISPOSITION = "PROTOCOL MILESTONE", "DISPOSITION EVENT"
OTHER_EVENT, UNBLINDED = "OTHER EVENT", "TREATMENT UNBLINDED"
PARTICIPATION, TREATMENT = "STUDY PARTICIPATION", "STUDY TREATMENT"
CONSENT, RANDOMIZED, RERANDOMIZED, DEATH = (
    "INFORMED CONSENT OBTAINED",
    "RANDOMIZED",
    "RE-RANDOMIZED",
    "DEATH",
)
FOLLOW_UP = "FOLLOW-UP"
"""How the terms of EPOCH for follow-up end (codelist C99079: FOLLOW-UP, LONG-TERM FOLLOW-UP)."""
_FACTS = (
    "DSREFID",
    "DSTERM",
    "DSDECOD",
    "DSCAT",
    "DSSCAT",
    "VISITNUM",
    "VISIT",
    "EPOCH",
)
_ROW = ("USUBJID", *_FACTS, "collected", "on", "position")
_NO_VISIT = (pl.lit(None, dtype=pl.Float64).alias("VISITNUM"), pl.lit(None, dtype=pl.String).alias("VISIT"))


def ds(
    design: TrialDesign,
    *,
    progress: pl.DataFrame,
    sites: pl.DataFrame,
    subjects: pl.DataFrame,
    randomizations: pl.DataFrame,
    dispositions: pl.DataFrame,
    visits: pl.DataFrame,
    code_breaks: pl.DataFrame,
    se: pl.DataFrame,
    dm: pl.DataFrame,
) -> pl.DataFrame:
    """Disposition records:

    1. INFORMED CONSENT OBTAINED, on the date of consent, in the screening epoch;
    2. RANDOMIZED, with the randomization number in DSREFID, in the epoch that starts with it; a second time RE-RANDOMIZED;
    3. the end of participation as reported (DSTERM) and standardized (DSDECOD), a screen failure included, in the epoch of the
       subject's latest element that started by then, but for a follow-up that starts on that very day: it follows what ended. It
       is of DSSCAT STUDY PARTICIPATION, unless the subject left for another reason and died: then of STUDY TREATMENT, and DEATH
       follows;
    4. DEATH, where 3 is another reason and a date of death is known. A disposition DEATH has the date of death (CORE-000034);
    5. TREATMENT UNBLINDED (codelist OTHEVENT), on the day on which the subject's code was first broken, whoever was told: that it
       was broken, never what it was, so that it stands in the blinded product, too.

    Numbered by date. DSDTC is the day, at the site, on which it was recorded. VISITNUM and VISIT are those of the visit at which the site
    said that the participation ended, where it is on record as held.
    """
    known = progress.select("subject_id", "USUBJID")
    ends = _at_visit(design, _collected(dispositions, sites), visits)
    rows = pl.concat(
        [
            _consents(design, progress, _collected(subjects, sites)),
            _randomizations(design, known, _collected(randomizations, sites), se),
            _dispositions(design, known, ends, se),
            _deaths(known, ends, se),
            _code_breaks(known, _collected(code_breaks, sites), se),
        ]
    )
    reference = dm.select("USUBJID", pl.col("RFSTDTC").str.to_date().alias("reference"))
    return (
        rows.filter(pl.col("on").is_not_null())
        .sort("USUBJID", "on", "position", "DSCAT", descending=[False, False, False, True])
        .with_columns(pl.int_range(1, pl.len() + 1).over("USUBJID").alias("DSSEQ"))
        .join(reference, on="USUBJID", how="left")
        .select(
            pl.lit(design.study_id).alias("STUDYID"),
            pl.lit("DS").alias("DOMAIN"),
            "USUBJID",
            "DSSEQ",
            *_FACTS,
            iso(pl.col("collected")).alias("DSDTC"),
            iso(pl.col("on")).alias("DSSTDTC"),
            study_day(pl.col("collected"), pl.col("reference")).alias("DSDY"),
            study_day(pl.col("on"), pl.col("reference")).alias("DSSTDY"),
        )
        .sort("USUBJID", "DSSEQ")
    )


def _collected(frame: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """Add `collected`, the date at the site on which the entry was recorded."""
    zones = dict(sites.select("site_id", "timezone").unique("site_id").sort("site_id").iter_rows())
    there = pl.col("recorded_at").dt.date()
    for zone in sorted(set(zones.values())):
        here = [site for site, timezone in zones.items() if timezone == zone]
        moment = pl.col("recorded_at").dt.convert_time_zone(zone)
        there = pl.when(pl.col("site_id").is_in(here)).then(moment.dt.date()).otherwise(there)
    return frame.with_columns(there.alias("collected"))


def _at_visit(design: TrialDesign, dispositions: pl.DataFrame, visits: pl.DataFrame) -> pl.DataFrame:
    """Add VISITNUM and VISIT of the visit that the entry names, as SV has it."""
    held = visit_records(design, visits).filter(pl.col("status") == "done", "planned")
    return dispositions.join(
        held.select("subject_id", "visit_code", "VISITNUM", "VISIT").drop_nulls("visit_code"),
        on=["subject_id", "visit_code"],
        how="left",
        maintain_order="left",
    )


def _consents(design: TrialDesign, progress: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    written_down = subjects.sort("position").unique("subject_id", keep="first")
    rows = progress.join(written_down.select("subject_id", "collected"), on="subject_id", how="left")
    return rows.with_columns(
        *_NO_VISIT,
        _text(None).alias("DSREFID"),
        _text(CONSENT).alias("DSTERM"),
        _text(CONSENT).alias("DSDECOD"),
        _text(MILESTONE).alias("DSCAT"),
        _text(None).alias("DSSCAT"),
        _text(design.screening_epoch).alias("EPOCH"),
        pl.col("consented_on").alias("on"),
        pl.lit(0, dtype=pl.Int64).alias("position"),
    ).select(_ROW)


def _randomizations(
    design: TrialDesign, subjects: pl.DataFrame, randomizations: pl.DataFrame, se: pl.DataFrame
) -> pl.DataFrame:
    again = pl.int_range(pl.len()).over("subject_id", order_by="position") > 0
    decoded = pl.when(again).then(pl.lit(RERANDOMIZED)).otherwise(pl.lit(RANDOMIZED))
    rows = randomizations.join(subjects, on="subject_id", how="inner").with_columns(
        *_NO_VISIT,
        pl.col("randomization_number").alias("DSREFID"),
        decoded.alias("DSTERM"),
        decoded.alias("DSDECOD"),
        _text(MILESTONE).alias("DSCAT"),
        _text(None).alias("DSSCAT"),
        pl.col("randomized_on").alias("on"),
    )
    return _in_epoch(rows, se, fallback=design.screening_epoch).select(_ROW)


def _dispositions(
    design: TrialDesign, subjects: pl.DataFrame, dispositions: pl.DataFrame, se: pl.DataFrame
) -> pl.DataFrame:
    died_of_it = pl.col("end_reason") == DEATH
    category = (
        pl.when(pl.col("died_on").is_null() | died_of_it)
        .then(_text(PARTICIPATION))
        .otherwise(_text(TREATMENT))
    )
    rows = dispositions.join(subjects, on="subject_id", how="inner").with_columns(
        _text(None).alias("DSREFID"),
        pl.coalesce("end_term", "end_reason").alias("DSTERM"),
        pl.col("end_reason").alias("DSDECOD"),
        _text(DISPOSITION).alias("DSCAT"),
        category.alias("DSSCAT"),
        pl.when(died_of_it).then(pl.coalesce("died_on", "ended_on")).otherwise("ended_on").alias("on"),
    )
    return _in_epoch(rows, se, follows=_follow_up(design)).select(_ROW)


def _deaths(subjects: pl.DataFrame, dispositions: pl.DataFrame, se: pl.DataFrame) -> pl.DataFrame:
    after = dispositions.filter(pl.col("died_on").is_not_null(), pl.col("end_reason") != DEATH)
    rows = after.join(subjects, on="subject_id", how="inner").with_columns(
        _text(None).alias("DSREFID"),
        _text(DEATH).alias("DSTERM"),
        _text(DEATH).alias("DSDECOD"),
        _text(DISPOSITION).alias("DSCAT"),
        _text(PARTICIPATION).alias("DSSCAT"),
        pl.col("died_on").alias("on"),
    )
    return _in_epoch(rows, se).select(_ROW)


def _code_breaks(subjects: pl.DataFrame, code_breaks: pl.DataFrame, se: pl.DataFrame) -> pl.DataFrame:
    first = code_breaks.sort("position").unique("subject_id", keep="first", maintain_order=True)
    rows = first.join(subjects, on="subject_id", how="inner", maintain_order="left").with_columns(
        *_NO_VISIT,
        _text(None).alias("DSREFID"),
        _text(UNBLINDED).alias("DSTERM"),
        _text(UNBLINDED).alias("DSDECOD"),
        _text(OTHER_EVENT).alias("DSCAT"),
        _text(None).alias("DSSCAT"),
        pl.col("broken_on").alias("on"),
    )
    return _in_epoch(rows, se).select(_ROW)


def _follow_up(design: TrialDesign) -> frozenset[str]:
    """The codes of the elements of follow-up: those that start when the treatment has ended, or are of an epoch of that name."""
    by_epoch = {cell.element for cell in design.cells if cell.epoch.endswith(FOLLOW_UP)}
    return frozenset(by_epoch | {one.code for one in design.elements if one.starts_after_treatment})


def _in_epoch(
    rows: pl.DataFrame,
    se: pl.DataFrame,
    *,
    follows: frozenset[str] = frozenset(),
    fallback: str | None = None,
) -> pl.DataFrame:
    """Add EPOCH: that of the subject's latest element that started by the day `on`, else the first element's.

    follows: codes of elements that count from the day after they start, because what is told of a day belongs to what they follow.
    """
    counted_from = pl.col("start") + pl.duration(days=pl.col("ETCD").is_in(list(follows)).cast(pl.Int64))
    elements = se.select("USUBJID", "SESEQ", "ETCD", "EPOCH", pl.col("SESTDTC").str.to_date().alias("start"))
    first = elements.filter(pl.col("SESEQ") == 1).select("USUBJID", pl.col("EPOCH").alias("first_epoch"))
    numbered = rows.with_row_index("row")
    latest = (
        numbered.select("row", "USUBJID", "on")
        .join(elements, on="USUBJID", how="inner")
        .filter(counted_from <= pl.col("on"))
        .sort("row", "SESEQ")
        .group_by("row", maintain_order=True)
        .agg(pl.col("EPOCH").last())
    )
    return (
        numbered.join(latest, on="row", how="left")
        .join(first, on="USUBJID", how="left")
        .with_columns(pl.coalesce("EPOCH", "first_epoch", _text(fallback)).alias("EPOCH"))
        .sort("row")
    )


def _text(value: str | None) -> pl.Expr:
    return pl.lit(value, dtype=pl.String)

"""DM: who the subjects are, what arm they have or why none, and reference dates that agree with EX and DS."""

import polars as pl

from data_contracts.joins import found_in, looked_up
from data_contracts.rule import Frames, Rule, at_most, between, holds, matches
from data_contracts.sdtm.common import CONSENT, ordered_dates, standard_rules

# Words that older versions of the IG put in place of an arm; SDTMIG 3.4 leaves the arm empty (CORE-000047, 115, 208-210).
NOT_ARMS = (
    "SCRNFAIL",
    "SCREEN FAILURE",
    "NOTASSGN",
    "NOT ASSIGNED",
    "NOTTRT",
    "NOT TREATED",
    "UNPLAN",
    "UNPLANNED TREATMENT",
)


def demographics() -> list[Rule]:
    """DM: the arm and its reason, reference dates that agree with EX and DS, one row a subject."""
    return standard_rules("DM") + _arm_rules() + _reference_date_rules() + _person_rules()


def _arm_rules() -> list[Rule]:
    arm, reason = pl.col("ARM").is_not_null(), pl.col("ARMNRS")
    actual = pl.col("ACTARM").is_not_null()
    upper_arms = [
        pl.col(name).str.to_uppercase().is_in(NOT_ARMS) for name in ("ARMCD", "ARM", "ACTARMCD", "ACTARM")
    ]
    agrees = (
        pl.when(reason.is_in(["SCREEN FAILURE", "NOT ASSIGNED"]))
        .then(~arm & ~actual)
        .when(reason == "ASSIGNED, NOT TREATED")
        .then(arm & ~actual)
        .when(reason == "UNPLANNED TREATMENT")
        .then(~actual)
    )
    rules = [
        at_most("DM", "ARMCD", 20),
        at_most("DM", "ACTARMCD", 20),
        holds(
            "DM",
            "arm-or-reason",
            ["ARMNRS", "ARM", "ACTARM"],
            "ARMNRS is filled exactly where ARM or ACTARM is empty (CORE-000045, 46, 223, 224)",
            reason.is_not_null() == (~arm | ~actual),
        ),
        holds(
            "DM",
            "reason-agrees-with-arm",
            ["ARMNRS", "ARM", "ACTARM"],
            "ARM and ACTARM are empty as ARMNRS says",
            agrees,
        ),
        holds(
            "DM",
            "arm-code-with-arm",
            ["ARMCD", "ARM", "ACTARMCD", "ACTARM"],
            "an arm code and its description are filled together",
            (pl.col("ARMCD").is_not_null() == arm) & (pl.col("ACTARMCD").is_not_null() == actual),
        ),
        holds(
            "DM",
            "arm-is-an-arm",
            ["ARM", "ARMCD", "ACTARM", "ACTARMCD"],
            "no reason such as screen failure stands in place of an arm",
            ~pl.any_horizontal(*(upper.fill_null(False) for upper in upper_arms)),
        ),
        holds(
            "DM",
            "unplanned-arm-described",
            ["ACTARMUD", "ARMNRS"],
            "ACTARMUD is filled exactly where ARMNRS is UNPLANNED TREATMENT",
            pl.col("ACTARMUD").is_not_null() == (reason == "UNPLANNED TREATMENT").fill_null(False),
        ),
    ]
    for code, text in (("ARMCD", "ARM"), ("ACTARMCD", "ACTARM")):
        rules.append(_arm_in_trial_arms(code, text))
    return rules


def _arm_in_trial_arms(code: str, text: str) -> Rule:
    def mask(frames: Frames) -> pl.Series:
        known = found_in(frames.own, [code, text], frames.others["TA"], ["ARMCD", "ARM"])
        # Words that are no arm have a rule of their own.
        excused = frames.own[code].is_null() | frames.own[code].str.to_uppercase().is_in(NOT_ARMS)
        return known | excused

    return holds(
        "DM",
        f"{code}.in-TA",
        [code, text],
        f"{code} and {text} are an arm of TA",
        mask,
        needs={"TA": ["ARMCD", "ARM"]},
    )


def _reference_date_rules() -> list[Rule]:
    def first_dose(frames: Frames) -> pl.Series:
        exposure = frames.others["EX"].group_by("USUBJID").agg(pl.col("EXSTDTC").min())
        expected = looked_up(frames.own, ["USUBJID"], exposure, "EXSTDTC")
        return frames.own["RFXSTDTC"].eq_missing(expected)

    def last_dose(frames: Frames) -> pl.Series:
        last = pl.max_horizontal("EXSTDTC", "EXENDTC")
        exposure = frames.others["EX"].group_by("USUBJID").agg(last.max().alias("last"))
        expected = looked_up(frames.own, ["USUBJID"], exposure, "last")
        return frames.own["RFXENDTC"].eq_missing(expected)

    def consent(frames: Frames) -> pl.Series:
        consents = frames.others["DS"].filter(pl.col("DSDECOD") == CONSENT)
        earliest = consents.group_by("USUBJID").agg(pl.col("DSSTDTC").min())
        expected = looked_up(frames.own, ["USUBJID"], earliest, "DSSTDTC")
        return frames.own["RFICDTC"].eq_missing(expected)

    def has_disposition_rows(frames: Frames) -> pl.Series:
        return found_in(frames.own, ["USUBJID"], frames.others["DS"]) | frames.own["ACTARMCD"].is_null()

    def randomized(frames: Frames) -> pl.Series:
        milestones = frames.others["DS"].filter(pl.col("DSDECOD") == "RANDOMIZED")
        return found_in(frames.own, ["USUBJID"], milestones) == frames.own["ARMCD"].is_not_null()

    assigned, ended = pl.col("ARMNRS").is_null(), pl.col("RFENDTC").is_not_null()
    exposure, milestones = {"EX": ["USUBJID", "EXSTDTC"]}, {"DS": ["USUBJID", "DSDECOD", "DSSTDTC"]}
    return [
        holds(
            "DM",
            "RFXSTDTC.first-dose",
            ["RFXSTDTC", "USUBJID"],
            "RFXSTDTC is the subject's earliest EX.EXSTDTC (CORE-000239)",
            first_dose,
            needs=exposure,
        ),
        holds(
            "DM",
            "RFXENDTC.last-dose",
            ["RFXENDTC", "USUBJID"],
            "RFXENDTC is the subject's latest of EX.EXSTDTC and EXENDTC (CORE-000238)",
            last_dose,
            needs={"EX": ["USUBJID", "EXSTDTC", "EXENDTC"]},
        ),
        holds(
            "DM",
            "RFICDTC.consent",
            ["RFICDTC", "USUBJID"],
            "RFICDTC is the date of the subject's earliest consent in DS (CORE-000363, 370)",
            consent,
            needs=milestones,
        ),
        holds(
            "DM",
            "treated-subject-in-DS",
            ["ACTARMCD", "USUBJID"],
            "a subject with an actual arm has a record in DS (CORE-000296)",
            has_disposition_rows,
            needs={"DS": ["USUBJID"]},
        ),
        holds(
            "DM",
            "arm-means-randomized",
            ["ARMCD", "USUBJID"],
            "a subject has a planned arm exactly where DS holds RANDOMIZED",
            randomized,
            needs=milestones,
            severity="warning",
        ),
        holds(
            "DM",
            "RFENDTC.only-with-arm",
            ["RFENDTC", "ARMNRS"],
            "a subject with ARMNRS has no RFENDTC (CORE-000192)",
            assigned | ~ended,
        ),
        holds(
            "DM",
            "RFENDTC.of-assigned",
            ["RFENDTC", "ARMNRS"],
            "a subject with an arm has RFENDTC (CORE-000191); a subject still on study has none before the cut-off",
            ~assigned | ended,
            severity="warning",
        ),
        ordered_dates("DM", "RFSTDTC", "RFENDTC"),
        ordered_dates("DM", "RFXSTDTC", "RFXENDTC"),
        ordered_dates("DM", "RFICDTC", "RFSTDTC"),
    ]


def _person_rules() -> list[Rule]:
    return [
        between("DM", "AGE", 0, 130),
        holds(
            "DM",
            "AGE.with-unit",
            ["AGEU", "AGE"],
            "AGE and AGEU are filled together",
            pl.col("AGE").is_null() == pl.col("AGEU").is_null(),
        ),
        matches("DM", "COUNTRY", r"^[A-Z]{3}$", "COUNTRY is a three-letter ISO 3166-1 code", slug="iso-3166"),
        holds(
            "DM",
            "DTHFL.yes-or-empty",
            ["DTHFL"],
            "DTHFL is Y or empty",
            (pl.col("DTHFL") == "Y") | ~pl.col("DTHFL").is_in(["N", "U", "NA"]),
        ),
        holds(
            "DM",
            "DTHFL.with-date",
            ["DTHFL", "DTHDTC"],
            "a date of death comes with DTHFL",
            pl.col("DTHFL").is_not_null() | pl.col("DTHDTC").is_null(),
        ),
        holds(
            "DM",
            "SUBJID.unique-at-site",
            ["SUBJID", "SITEID"],
            "a subject number is used once at a site",
            ~pl.struct("SITEID", "SUBJID").is_duplicated(),
        ),
    ]

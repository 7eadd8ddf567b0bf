"""DS, IE and SUPPDM: how subjects entered and left the study, criteria they did not meet, and qualifiers of DM."""

import polars as pl

from data_contracts import standard
from data_contracts.joins import found_in, looked_up
from data_contracts.rule import Frames, Rule, at_most, holds, matches, member
from data_contracts.sdtm.common import CONSENT, standard_rules, visit_of_subject
from data_contracts.sdtm.dates import not_before

CATEGORY_LISTS = {"DISPOSITION EVENT": "NCOMPLT", "PROTOCOL MILESTONE": "PROTMLST", "OTHER EVENT": "OTHEVENT"}


def disposition() -> list[Rule]:
    """DS: terms that fit their category, one disposition a subject and epoch, consent before randomization."""

    def extensible_terms(frames: Frames) -> pl.Series:
        known = pl.Series([False] * frames.own.height, dtype=pl.Boolean)
        for category, codes in CATEGORY_LISTS.items():
            known = known | (
                (frames.own["DSCAT"] == category)
                & frames.own["DSDECOD"].is_in(list(standard.codelist(codes).terms))
            ).fill_null(False)
        foreign = _foreign_term(frames.own)
        return known | foreign | frames.own["DSCAT"].is_null()

    def consent_first(frames: Frames) -> pl.Series:
        consents = (
            frames.own.filter(pl.col("DSDECOD") == CONSENT).group_by("USUBJID").agg(pl.col("DSSTDTC").min())
        )
        agreed = looked_up(frames.own, ["USUBJID"], consents, "DSSTDTC")
        judged = frames.own.select("DSDECOD", "DSSTDTC").with_columns(agreed.alias("agreed"))
        return judged.select(
            pl.when(pl.col("DSDECOD") == "RANDOMIZED").then(not_before(pl.col("DSSTDTC"), pl.col("agreed")))
        ).to_series()

    is_disposition = pl.col("DSCAT") == "DISPOSITION EVENT"
    whole_study = is_disposition & (
        pl.col("DSSCAT").fill_null("STUDY PARTICIPATION") == "STUDY PARTICIPATION"
    )
    return [
        *standard_rules("DS"),
        holds(
            "DS",
            "DSDECOD.fits-category",
            ["DSDECOD", "DSCAT"],
            "DSDECOD is not a term of another category's codelist",
            lambda frames: ~_foreign_term(frames.own),
        ),
        holds(
            "DS",
            "DSDECOD.in-codelist",
            ["DSDECOD", "DSCAT"],
            "DSDECOD is a term of the extensible codelist of its category",
            extensible_terms,
            severity="info",
        ),
        holds(
            "DS",
            "one-disposition",
            ["USUBJID", "DSCAT", "DSSCAT"],
            "a subject ends the study once (CORE-000212 to 215, 374)",
            _at_most_one(whole_study, ["USUBJID"]),
        ),
        holds(
            "DS",
            "randomized-once",
            ["USUBJID", "DSDECOD"],
            "a subject is RANDOMIZED once; a second time is RE-RANDOMIZED",
            _at_most_one(pl.col("DSDECOD") == "RANDOMIZED", ["USUBJID"]),
        ),
        holds(
            "DS",
            "consent-before-randomization",
            ["DSSTDTC", "DSDECOD", "USUBJID"],
            "randomization is not before consent",
            consent_first,
        ),
        holds(
            "DS",
            "collected-not-before",
            ["DSDTC", "DSSTDTC"],
            "an event is not written down before it happened",
            not_before(pl.col("DSDTC"), pl.col("DSSTDTC")),
        ),
        visit_of_subject("DS", "warning"),
    ]


def _foreign_term(own: pl.DataFrame) -> pl.Series:
    """Whether the term belongs to codelists of other categories only."""
    foreign = pl.Series([False] * own.height, dtype=pl.Boolean)
    for category, codes in CATEGORY_LISTS.items():
        mine = set(standard.codelist(codes).terms)
        others = {
            term
            for name in CATEGORY_LISTS.values()
            if name != codes
            for term in standard.codelist(name).terms
        }
        foreign = foreign | (
            (own["DSCAT"] == category) & own["DSDECOD"].is_in(sorted(others - mine))
        ).fill_null(False)
    return foreign


def _at_most_one(which: pl.Expr, per: list[str]) -> pl.Expr:
    chosen = which.fill_null(False)
    return ~chosen | (chosen.sum().over(per) <= 1)


def criteria_not_met() -> list[Rule]:
    """IE: only criteria that were not met, each a criterion of TI."""
    category = pl.col("IECAT")
    expected = (
        pl.when(category == "INCLUSION").then(pl.lit("N")).when(category == "EXCLUSION").then(pl.lit("Y"))
    )
    return [
        *standard_rules("IE"),
        at_most("IE", "IETESTCD", 8),
        holds(
            "IE",
            "IEORRES.not-met",
            ["IEORRES", "IECAT"],
            "an inclusion criterion not met is N, an exclusion criterion met is Y",
            pl.col("IEORRES") == expected,
        ),
        holds(
            "IE",
            "IESTRESC.same",
            ["IESTRESC", "IEORRES"],
            "IESTRESC is IEORRES",
            pl.col("IESTRESC") == pl.col("IEORRES"),
        ),
        holds(
            "IE",
            "criterion-in-TI",
            ["IETESTCD", "IETEST"],
            "the criterion is one of TI",
            lambda frames: found_in(frames.own, ["IETESTCD", "IETEST"], frames.others["TI"]),
            needs={"TI": ["IETESTCD", "IETEST"]},
        ),
        visit_of_subject("IE", "warning"),
    ]


def supplemental_qualifiers() -> list[Rule]:
    """SUPPDM: qualifiers of DM records, under names that could be variables."""
    return [
        *standard_rules("SUPPDM"),
        member("SUPPDM", "RDOMAIN", ["DM"], "the parent dataset"),
        matches(
            "SUPPDM",
            "QNAM",
            r"^[A-Z_][A-Z0-9_]{0,7}$",
            "QNAM could be a variable's name: letters, digits, _, at most 8",
            slug="variable-name",
        ),
        at_most("SUPPDM", "QLABEL", 40),
    ]

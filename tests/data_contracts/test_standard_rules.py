"""Each shape of rule that the standard's tables give: columns, values, terms, formats, keys, study days; and the table itself."""

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts import check, contract, standard
from data_contracts.errors import UnknownDatasetError
from data_contracts.sdtm.common import standard_rules
from data_contracts.sdtm.dates import DURATION, is_iso_moment, not_before, study_day
from tests.data_contracts.breaking import Broken, assert_only_that_rule_notices, put, subject
from tests.data_contracts.good_study import good_frames

ONE = {"USUBJID": subject("001")}
BASELINE = {**ONE, "VISITNUM": 2.0}

BROKEN = [
    Broken("DM.SEX.filled", ONE, {"SEX": ""}),
    Broken("DM.SEX.in-codelist", ONE, {"SEX": "FEMALE"}),  # not extensible: critical
    Broken("DM.ARMNRS.in-codelist", {"USUBJID": subject("004")}, {"ARMNRS": "MOVED AWAY"}),  # extensible: information
    Broken("DM.RFPENDTC.iso-8601", ONE, {"RFPENDTC": "2026-13-45"}),
    Broken("DM.DTHDTC.iso-8601", ONE, {"DTHDTC": "2026-02-30", "DTHFL": "Y"}),
    Broken("DM.DOMAIN.in-codelist", ONE, {"DOMAIN": "DX"}),
    Broken("DM.one-study", ONE, {"STUDYID": "OTHER"}),
    Broken("DS.DSTERM.pattern", {**ONE, "DSSEQ": 1}, {"DSTERM": "Zustimmung für die Studie"}),
    Broken("DS.DSREFID.pattern", {**ONE, "DSSEQ": 1}, {"DSREFID": "R" * 201}),
    Broken("DS.DSCAT.in-codelist", {**ONE, "DSSEQ": 1}, {"DSCAT": "MILESTONE"}, beside=("DS.DSDECOD.in-codelist",)),
    Broken("DS.DSSEQ.positive-integer", {**ONE, "DSSEQ": 1}, {"DSSEQ": 1.5}),
    Broken(
        "DS.unique-key", {**ONE, "DSSEQ": 2}, {"DSSEQ": 1},
        fails=(pl.col("USUBJID") == subject("001")) & (pl.col("DSSEQ") == 1),
    ),
    Broken("DS.subject-in-DM", {"USUBJID": subject("004")}, {"USUBJID": subject("044")}),
    Broken("DS.DSSTDY.no-day-0", {**ONE, "DSSEQ": 2}, {"DSSTDY": 0}),
    Broken("DS.DSSTDY.study-day", {**ONE, "DSSEQ": 2}, {"DSSTDY": 2}),
    Broken("SV.SVENDTC.not-before-SVSTDTC", BASELINE, {"SVENDTC": "2026-01-11"}),
    Broken("EX.EXDUR.pattern", {**ONE, "EXSEQ": 1}, {"EXDUR": "2 weeks"}),
    Broken(
        "SUPPDM.unique-key", {"USUBJID": subject("002")}, {"USUBJID": subject("001")},
        fails=pl.col("USUBJID") == subject("001"),
    ),
    Broken("TS.TSVALNF.in-codelist", {"TSPARMCD": "TITLE"}, {"TSVAL": None, "TSVALNF": "NONE"}),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.rule)
def test_a_rule_of_the_standard_notices_the_one_break_and_names_its_key(broken: Broken) -> None:
    assert_only_that_rule_notices(broken)


def test_every_shape_of_rule_of_the_standard_is_broken_here() -> None:
    shapes = {
        rule.rule_id.rsplit(".", 1)[1].split("-SV")[0]
        for name in standard.dataset_names()
        for rule in standard_rules(name)
    }
    tested = {broken.rule.rsplit(".", 1)[1].split("-SV")[0] for broken in BROKEN}
    dates = {"not-before-EXSTDTC", "not-before-SESTDTC"}  # the same rule on other columns
    assert shapes - dates <= tested | {"present", "type", "columns"}


def test_a_missing_expected_column_fails_once_and_the_rules_that_read_it_say_that_they_could_not() -> None:
    frames = good_frames()
    result = check("DM", frames["DM"].drop("ACTARMUD"), frames)
    assert [(one.rule, one.keys) for one in result.failures] == [
        ("DM.ACTARMUD.present", ({"column": "ACTARMUD"},))
    ]
    assert result.not_evaluated["DM.unplanned-arm-described"] == "no column ACTARMUD"


def test_a_column_outside_the_standard_or_out_of_order_is_named() -> None:
    frames = good_frames()
    with_epoch = frames["SV"].with_columns(EPOCH=pl.lit("SCREENING"))
    (failure,) = check("SV", with_epoch, frames).failures
    assert (failure.rule, failure.keys) == ("SV.columns", ({"column": "EPOCH"},))
    swapped = frames["TI"].select("STUDYID", "DOMAIN", "IETEST", "IETESTCD", "IECAT")
    (failure,) = check("TI", swapped).failures
    assert (failure.rule, failure.keys) == ("TI.columns", ({"column": "IETEST"}, {"column": "IETESTCD"}))


def test_a_number_as_text_and_text_as_a_number_are_named() -> None:
    frames = good_frames()
    as_text = frames["DS"].with_columns(pl.col("DSSTDY").cast(pl.String))
    result = check("DS", as_text, frames)
    assert [(one.rule, one.count) for one in result.failures] == [("DS.DSSTDY.type", 11)]
    assert result.not_evaluated["DS.DSSTDY.study-day"] == "DSSTDY is of the wrong type"
    assert check(
        "DM", frames["DM"], {**frames, "DS": frames["DS"].with_columns(DSSTDTC=1)}
    ).not_evaluated == {
        "DM.RFICDTC.consent": "DSSTDTC of DS is of the wrong type",
        "DM.arm-means-randomized": "DSSTDTC of DS is of the wrong type",
    }
    as_number = frames["DM"].with_columns(SUBJID=pl.col("SUBJID").cast(pl.Int64))
    assert "DM.SUBJID.type" in [failure.rule for failure in check("DM", as_number, frames).failures]


def test_exact_decimals_and_floats_are_the_same_visit_numbers() -> None:
    frames = good_frames()
    exact = frames["SV"].with_columns(pl.col("VISITNUM").cast(pl.Decimal(10, 4)))
    assert check("SV", exact, frames).failures == ()
    assert check("DA", frames["DA"], {**frames, "SV": exact}).failures == ()


def test_information_does_not_block_and_a_critical_failure_does() -> None:
    frames = good_frames()
    own_term = put({**ONE, "DSDECOD": "COMPLETED"}, {"DSDECOD": "MOVED ABROAD"})(frames["DS"])
    assert check("DS", own_term, frames).passed
    wrong_term = put({**ONE, "DSDECOD": "COMPLETED"}, {"DSDECOD": "RANDOMIZED"})(frames["DS"])
    assert not check("DS", wrong_term, frames).passed


VALID = ["2026", "2026-02", "2026-02-28", "2024-02-29", "2026-02-28T09", "2026-02-28T09:30", "2026-02-28T09:30:15.25",
         "2026-02-28T09:30Z", "2026-02-28T09:30+02:00", "2026---15", "--12-15", "2026-02-28T-:15", "2026-01-01/2026-02",
         "2024-02-29/2026-02-28"]  # fmt: skip
INVALID = ["2026-02-30", "2023-02-29", "2026-13-01", "2026-00-10", "2026-01-32", "26-01-01", "2026/01/01", "20260101", "01JAN2026",
           "2026-01-01 09:30", "2026-01-01T24:00", "2026-01-01T09:60", "-", "2026-01-01/", "2026-01-01/2026-02-30"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "valid"), [*((one, True) for one in VALID), *((one, False) for one in INVALID)]
)
def test_a_date_is_iso_8601_with_unknown_parts_and_in_the_calendar(text: str, valid: bool) -> None:
    assert pl.DataFrame({"DTC": [text]}).select(is_iso_moment("DTC")).item() is valid


@given(st.dates(), st.dates())
def test_study_days_count_from_1_on_the_reference_date_and_skip_0(day: object, reference: object) -> None:
    made = pl.DataFrame({"day": [str(day)], "reference": [str(reference)]})
    counted = made.select(study_day(pl.col("day"), pl.col("reference"))).item()
    difference = (day - reference).days  # type: ignore[operator]
    assert counted == (difference + 1 if difference >= 0 else difference)
    assert counted != 0


def test_partial_dates_give_no_study_day_and_are_compared_on_what_both_state() -> None:
    frame = pl.DataFrame(
        {
            "later": ["2026-07", "2026-07-31", "2026-06", None],
            "earlier": ["2026-07-31", "2026-08", "2026-07-01", "2026"],
        }
    )
    assert frame.select(study_day(pl.col("later"), pl.col("earlier"))).to_series().to_list() == [None] * 4
    assert frame.select(not_before(pl.col("later"), pl.col("earlier"))).to_series().to_list() == [
        True,
        False,
        False,
        None,
    ]


@pytest.mark.parametrize("text", ["P26W", "P1Y6M", "PT12H", "P2.5D", "P1DT12H", "-P2D"])
def test_a_duration_is_iso_8601(text: str) -> None:
    assert re.search(DURATION, text)


@pytest.mark.parametrize("text", ["26W", "P", "PT", "P1DT", "P2X", "P1W2D", "2 weeks"])
def test_what_only_looks_like_a_duration_is_none(text: str) -> None:
    assert not re.search(DURATION, text)


def test_the_tables_are_whole() -> None:
    for name in standard.dataset_names():
        dataset = standard.dataset(name)
        assert set(dataset.keys) <= set(dataset.variable_names)
        for variable in dataset.variables:
            assert (len(variable.name) <= 8, len(variable.label) <= 40) == (True, True)
            assert {variable.type, variable.core} <= {"Char", "Num", "Req", "Exp", "Perm"}
            assert all(standard.codelist(one).terms for one in variable.codelists)
        assert contract(name).dataset == name
    assert standard.paired_terms("DATESTCD", "DATEST")["RETAMT"] == "Returned Amount"
    assert standard.dataset("DM").variable("AGE").is_integer
    assert not standard.dataset("SV").variable("VISITNUM").is_integer
    for ask in (
        lambda: standard.dataset("AE"),
        lambda: standard.codelist("LOC"),
        lambda: standard.dataset("DM").variable("ARMX"),
    ):
        with pytest.raises(UnknownDatasetError):
            ask()

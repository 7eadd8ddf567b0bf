"""The comparison finds every fact that came back otherwise, and excuses nothing but what a listed reason covers."""

import dataclasses
import io
import json
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

import polars as pl
import pyreadstat
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.console import Console

from simulation.replay.compare import compare
from simulation.replay.compared_variables import COMPARED, why_not_compared
from simulation.replay.comparison_result import ROWS
from simulation.replay.listed_reasons import LISTED_REASONS
from simulation.replay.sdtm_reader import SdtmDatasets, read_sdtm
from tests.conftest import shared_data as folder_of_shared_data
from tests.replay.faithful_export import Frames, as_the_service_exports, counted, drop, put, row


@pytest.fixture(scope="module")
def export(pilot: SdtmDatasets) -> Frames:
    return as_the_service_exports(pilot)


def test_the_originals_compared_with_themselves_agree_in_every_row(pilot: SdtmDatasets) -> None:
    result = compare(pilot, pilot.frames)
    assert result.ok
    assert set(result.reasons()) == {"NO_VALUE"}
    assert {d.name: d.rows.matched for d in result.datasets} == {
        "DM": 306, "DS": 596, "SV": 3559, "EX": 591, "SE": 752, "TA": 11, "TV": 21,
    }  # fmt: skip


def test_a_faithful_export_is_ok_with_exactly_the_expected_reasons(
    pilot: SdtmDatasets, export: Frames
) -> None:
    result = compare(pilot, export)
    assert result.differences() == []
    assert result.ok
    reasons = result.reasons()
    del reasons["NO_VALUE"]
    assert reasons == {
        "SCREEN_FAILURE_HAS_NO_ARM": 4 * 52,
        "TIME_OF_DAY_NOT_RECORDED": 150,
        "LAST_DOSE_BEFORE_LAST_RECORD": 4,
        "LAST_DOSE_UNKNOWN": 2,
        "SCREEN_FAILURE_WRITTEN_DOWN_LATER": 37,
        "NOT_A_DISPOSITION": 254 + 36,
        "MILESTONE_ADDED": 254 + 306,
        "SCREENING_ELEMENT_BEFORE_FIRST_VISIT": 1,
        "ELEMENT_WITHOUT_EXPOSURE": 3,
        "UNPLANNED_ELEMENT_OF_SCREEN_FAILURE": 3,
        "FOLLOW_UP_OF_SCREEN_FAILURE": 2,
        "CONSENT_ON_FIRST_VISIT": 306,
        "DISPOSITION_ENDS_TREATMENT": 246,
        "UNPLANNED_VISIT_IN_OTHER_WORDS": 122,
    }
    assert counted(result, "DM", "ARMCD") == (254, 0, 52)
    assert counted(result, "SV", "SVSTDTC") == (3559, 0, 0)
    assert counted(result, "SV", "VISITDY") == (3363, 0, 196)
    assert counted(result, "EX", "EXSTDTC") == (591, 0, 0)
    assert counted(result, "EX", "EXENDTC") == (585, 0, 6)
    assert counted(result, "DS", "DSSTDTC") == (306, 0, 0)
    assert counted(result, "DS", "EPOCH") == (60, 0, 246)
    assert counted(result, "DS", "DSDTC") == (306 - 37, 0, 37)
    assert counted(result, "DS", "VISITNUM") == counted(result, "DS", "VISIT") == (306, 0, 0)
    assert counted(result, "SV", "SVUPDES") == (0, 0, 3559)


def test_the_end_of_participation_may_be_the_death_and_no_other_day(
    pilot: SdtmDatasets, export: Frames
) -> None:
    died = {"USUBJID": "01-710-1083"}
    on_death = {**export, "DM": put(export["DM"], "RFENDTC", "2013-08-02", **died)}
    assert compare(pilot, on_death).reasons()["END_DATE_AFTER_DEATH"] == 1
    other_day = {**export, "DM": put(export["DM"], "RFENDTC", "2013-08-01", **died)}
    assert not compare(pilot, other_day).ok


MUTATIONS: dict[str, tuple[str, str, Callable[[pl.DataFrame], pl.DataFrame]]] = {
    "a visit date a day later": (
        "SV", "SVSTDTC", lambda f: put(f, "SVSTDTC", "2013-07-20", USUBJID="01-701-1028", VISITNUM="3"),
    ),
    "a visit that is gone": ("SV", ROWS, lambda f: drop(f, USUBJID="01-701-1153", VISITNUM="9.3")),
    "a visit twice": ("SV", ROWS, lambda f: pl.concat([f, f.filter(row(f, USUBJID="01-701-1153", VISITNUM="9.3"))])),
    "a visit under another number": (
        "SV", ROWS, lambda f: put(f, "VISITNUM", "9.4", USUBJID="01-701-1153", VISITNUM="9.3"),
    ),
    "another arm": ("DM", "ARMCD", lambda f: put(f, "ARMCD", "XAN_LO", USUBJID="01-701-1015")),
    "an arm for a screen failure": ("DM", "ARM", lambda f: put(f, "ARM", "Placebo", USUBJID="01-701-1057")),
    "no arm for a randomized subject": ("DM", "ARM", lambda f: put(f, "ARM", None, USUBJID="01-701-1015")),
    "no reason for a null arm": ("DM", "ARMCD", lambda f: put(f, "ARMNRS", None, USUBJID="01-701-1057")),
    "a last contact on another day": (
        "DM", "RFPENDTC", lambda f: put(f, "RFPENDTC", "2014-07-03", USUBJID="01-701-1015"),
    ),
    "a last dose that contradicts the last record": (
        "DM", "RFXENDTC", lambda f: put(f, "RFXENDTC", "2013-04-06", USUBJID="01-704-1233"),
    ),
    "a last dose invented": ("DM", "RFXENDTC", lambda f: put(f, "RFXENDTC", "2013-07-12", USUBJID="01-705-1018")),
    "a subject that is gone": ("DM", ROWS, lambda f: drop(f, USUBJID="01-702-1082")),
    "another dose": ("EX", "EXDOSE", lambda f: put(f, "EXDOSE", 81.0, USUBJID="01-701-1097", EXSEQ=1)),
    "an exposure end invented": (
        "EX", "EXENDTC", lambda f: put(f, "EXENDTC", "2013-07-14", USUBJID="01-704-1233", EXSEQ=2),
    ),
    "an exposure record that is gone": ("EX", ROWS, lambda f: drop(f, USUBJID="01-701-1028", EXSEQ=3)),
    "another disposition": ("DS", ROWS, lambda f: f.with_columns(pl.col("DSDECOD").replace("DEATH", "LOST TO FOLLOW-UP"))),
    "a disposition at another visit": (
        "DS", "VISITNUM", lambda f: put(f, "VISITNUM", "12", USUBJID="01-701-1015", DSDECOD="COMPLETED"),
    ),
    "a disposition written down on another day": (
        "DS", "DSDTC", lambda f: put(f, "DSDTC", "2014-07-03", USUBJID="01-701-1015", DSDECOD="COMPLETED"),
    ),
    "a screen failure written down on no day that is known": (
        "DS", "DSDTC", lambda f: put(f, "DSDTC", "2014-01-01", USUBJID="01-701-1057", DSDECOD="SCREEN FAILURE"),
    ),
    "a randomization on another day": (
        "DS", ROWS, lambda f: put(f, "DSSTDTC", "2014-01-03", USUBJID="01-701-1015", DSDECOD="RANDOMIZED"),
    ),
    "a consent after the first visit": (
        "DS",
        ROWS,
        lambda f: put(f, "DSSTDTC", "2013-12-27", USUBJID="01-701-1015", DSDECOD="INFORMED CONSENT OBTAINED"),
    ),
    "an element that had exposure is gone": ("SE", ROWS, lambda f: drop(f, USUBJID="01-705-1303", ETCD="HIM")),
    "a follow-up that is gone": ("SE", ROWS, lambda f: drop(f, USUBJID="01-701-1047", ETCD="FOLO")),
    "an element that ends another day": (
        "SE", "SEENDTC", lambda f: put(f, "SEENDTC", "2013-02-25", USUBJID="01-708-1213", ETCD="HIS"),
    ),
    "a participation that ended before treatment began": (
        "DS", "EPOCH", lambda f: put(f, "EPOCH", "SCREENING", USUBJID="01-705-1382", DSCAT="DISPOSITION EVENT"),
    ),
    "a screen failure that ended in treatment": (
        "DS", "EPOCH", lambda f: put(f, "EPOCH", "TREATMENT", USUBJID="01-701-1057", DSCAT="DISPOSITION EVENT"),
    ),
    "a consent on another day": ("DM", "RFICDTC", lambda f: put(f, "RFICDTC", "2013-12-27", USUBJID="01-701-1015")),
    "an unplanned visit described as another": (
        "SV", "SVUPDES", lambda f: put(f, "SVUPDES", "UNSCHEDULED 9.2", USUBJID="01-701-1153", VISITNUM="9.3"),
    ),
    "a planned visit described as unplanned": (
        "SV", "SVUPDES", lambda f: put(f, "SVUPDES", "WEEK 2", USUBJID="01-701-1028", VISITNUM="4"),
    ),
    "a planned day that moved": ("TV", "VISITDY", lambda f: put(f, "VISITDY", 15.0, VISITNUM="4")),
    "an element of the design renamed": ("TA", "ETCD", lambda f: f.with_columns(pl.col("ETCD").replace("HIM", "MID"))),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_fact_that_came_back_otherwise_is_found(pilot: SdtmDatasets, export: Frames, name: str) -> None:
    dataset, variable, change = MUTATIONS[name]
    result = compare(pilot, {**export, dataset: change(export[dataset])})
    assert not result.ok
    found = result.dataset(dataset)
    part = found.rows if variable == ROWS else next(v for v in found.variables if v.name == variable)
    assert part.different > 0
    assert all(other.ok for other in result.datasets if other.name != dataset)
    assert any(line.startswith(dataset) and variable in line for line in result.differences())


def test_a_disposition_that_the_original_has_after_the_start_of_follow_up_must_come_back_in_follow_up(
    pilot: SdtmDatasets, export: Frames
) -> None:
    # Subject 01-701-1033: disposition and start of follow-up on 14 April 2014.
    who = {"USUBJID": "01-701-1033", "DSCAT": "DISPOSITION EVENT"}
    later = "2014-04-15"
    original = dataclasses.replace(
        pilot, frames={**pilot.frames, "DS": put(pilot["DS"], "DSSTDTC", later, **who)}
    )
    result = compare(original, {**export, "DS": put(export["DS"], "DSSTDTC", later, **who)})
    assert counted(result, "DS", "EPOCH") == (60, 1, 245)


def test_what_follows_from_other_values_is_compared_where_the_original_states_it(
    pilot: SdtmDatasets, export: Frames
) -> None:
    ds = pilot["DS"].with_columns(
        pl.when(pl.col("USUBJID") == "01-701-1057").then("EPOCH").alias("EPOCH"),
        pl.lit(None, pl.Float64).alias("DSSTDY"),
    )
    silent = dataclasses.replace(pilot, frames={**pilot.frames, "DS": ds})
    assert compare(silent, export).ok
    assert counted(compare(silent, export), "DS", "EPOCH") == (1, 0, 305)
    wrong = put(export["DS"], "EPOCH", "TREATMENT", USUBJID="01-701-1057", DSCAT="DISPOSITION EVENT")
    assert counted(compare(silent, {**export, "DS": wrong}), "DS", "EPOCH") == (0, 1, 305)


def test_every_variable_of_the_original_is_compared_or_listed_with_a_reason(
    pilot: SdtmDatasets, export: Frames
) -> None:
    result = compare(pilot, export)
    listed = {(one.dataset, one.variable) for one in result.not_compared}
    for name, file in pilot.files.items():
        frame, _ = pyreadstat.read_xport(file, output_format="polars", encoding="WINDOWS-1252")
        filled = {
            column
            for column in frame.columns
            if any(value is not None and value == value and str(value).strip() for value in frame[column])
        }
        compared = {*COMPARED[name].key, *COMPARED[name].variables} if name in COMPARED else set()
        assert {variable for dataset, variable in listed if dataset == name} == filled - compared
    # Nothing of the pilot study is left out without knowing why.
    unread = [one for one in result.not_compared if one.why == why_not_compared("DM", "NOTHINGLIKEIT")]
    assert unread == []


def test_a_variable_that_nobody_knows_is_listed_as_one_that_the_service_is_not_told(
    pilot: SdtmDatasets, export: Frames
) -> None:
    result = compare(dataclasses.replace(pilot, unread={"DM": ("DMXFN",)}), export)
    why = [one.why for one in result.not_compared if one.variable == "DMXFN"]
    assert why == ["no part of what the replay tells the service"]


@cache
def one_site() -> tuple[SdtmDatasets, Frames]:
    """Site 711 of the pilot study alone, and its faithful export: 12 subjects, so that many comparisons are quick.

    A function, since a fixture's frames would stand in full in every report of Hypothesis.
    """
    whole = read_sdtm(folder_of_shared_data() / "cdiscpilot" / "sdtm")
    frames = {
        name: frame.filter(pl.col("USUBJID").str.starts_with("01-711-"))
        if "USUBJID" in frame.columns
        else frame
        for name, frame in whole.frames.items()
    }
    originals = dataclasses.replace(whole, frames=frames)
    return originals, as_the_service_exports(originals)


COMPARED_CELLS = [
    (compared.name, variable)
    for compared in COMPARED.values()
    for variable in sorted({*compared.variables, *compared.key})
]


@settings(max_examples=75, deadline=None)
@given(cell=st.sampled_from(COMPARED_CELLS), place=st.integers(0, 10_000), days=st.integers(1, 4000))
def test_any_compared_value_that_changes_is_found(cell: tuple[str, str], place: int, days: int) -> None:
    originals, export = one_site()
    name, variable = cell
    frame = export[name]
    # The milestones that the service adds, last in DS, are no facts of the original.
    facts = frame.height if name != "DS" else frame.filter(pl.col("DSCAT") == "DISPOSITION EVENT").height
    index = place % facts
    before = frame[variable][index]
    # What follows from other values is compared where the original states it.
    assume(before is not None or variable not in COMPARED[name].derived)
    after: object
    if variable == "VISITNUM":
        after = "77.7"
    elif variable.endswith("DTC"):
        after = (date.fromisoformat((before or "2014-01-01")[:10]) + timedelta(days=days)).isoformat()
    elif frame.schema[variable] == pl.String:
        after = "CHANGED"
    else:
        after = (before or 0) + days
    changed = pl.Series(
        variable, [*frame[variable][:index], after, *frame[variable][index + 1 :]], frame.schema[variable]
    )
    result = compare(originals, {**export, name: frame.with_columns(changed)})
    assert not result.dataset(name).ok


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(["DM", "SV", "EX", "SE", "TA", "TV"]), place=st.integers(0, 10_000))
def test_any_row_that_goes_or_comes_twice_is_found(name: str, place: int) -> None:
    originals, export = one_site()
    frame = export[name]
    index = place % frame.height
    gone = compare(originals, {**export, name: frame.with_row_index().filter(pl.col("index") != index)})
    assert gone.dataset(name).missing == 1
    assert not gone.ok
    twice = compare(originals, {**export, name: pl.concat([frame, frame[index]])})
    assert twice.dataset(name).extra == 1
    assert not twice.ok


def test_a_dataset_that_the_export_lacks_fails(pilot: SdtmDatasets, export: Frames) -> None:
    result = compare(pilot, {name: frame for name, frame in export.items() if name != "EX"})
    assert not result.ok
    assert result.dataset("EX").missing == 591
    assert "EX: the export has no such dataset" in result.differences()


def test_a_variable_that_the_export_lacks_counts_in_every_row(pilot: SdtmDatasets, export: Frames) -> None:
    result = compare(pilot, {**export, "EX": export["EX"].drop("EXROUTE")})
    assert counted(result, "EX", "EXROUTE") == (0, 591, 0)


def test_an_export_with_real_dates_and_decimals_is_compared_by_value(
    pilot: SdtmDatasets, export: Frames
) -> None:
    typed = export["SV"].with_columns(
        pl.col("SVSTDTC").str.to_date(),
        pl.col("SVENDTC").str.to_date(),
        pl.col("VISITNUM").cast(pl.Decimal(6, 2)),
    )
    assert compare(pilot, {**export, "SV": typed}).ok


def test_an_export_without_any_dataset_is_not_ok(pilot: SdtmDatasets) -> None:
    assert not compare(pilot, {}).ok


def test_the_result_is_json_and_a_table_that_names_every_reason(pilot: SdtmDatasets, export: Frames) -> None:
    wrong = {**export, "DM": put(export["DM"], "SEX", "M", USUBJID="01-701-1015")}
    result = compare(pilot, wrong)
    document = json.loads(json.dumps(result.to_json()))
    assert document["ok"] is False
    sex = next(
        v
        for d in document["datasets"]
        if d["dataset"] == "DM"
        for v in d["variables"]
        if v["variable"] == "SEX"
    )
    assert sex["examples"] == [{"key": {"USUBJID": "01-701-1015"}, "original": "F", "exported": "M"}]
    console = Console(width=220, record=True, file=io.StringIO())
    console.print(result.to_rich())
    text = console.export_text()
    assert "DM USUBJID=01-701-1015 SEX 'F' came back as 'M'" in text
    for code in result.reasons():
        assert code in text
    assert {"dataset": "DS", "variable": "DSSPID", "why": why_not_compared("DS", "DSSPID")} in document[
        "not_compared"
    ]
    assert "of the original, not compared" in text
    assert "DS DSSPID" in text
    assert "TE, TI, TS" in text
    assert "facts of the original came back otherwise" in text


def test_the_closing_words_claim_no_more_than_was_compared(pilot: SdtmDatasets, export: Frames) -> None:
    console = Console(width=220, record=True, file=io.StringIO())
    console.print(compare(pilot, export).to_rich())
    assert console.export_text().rstrip().endswith("every fact compared came back")


def test_every_listed_reason_says_what_it_is_and_where_it_may_apply() -> None:
    codes = [reason.code for reason in LISTED_REASONS]
    assert len(codes) == len(set(codes))
    for reason in LISTED_REASONS:
        assert len(reason.text) > 40
        for dataset, variable in reason.where:
            assert variable is None or variable in COMPARED[dataset].variables

"""The reader takes what a study's folder holds, in any format, and refuses what it cannot trust, naming file, variable and row."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from simulation.replay.errors import SourceDataError
from simulation.replay.sdtm_reader import exact_decimal, read_sdtm
from simulation.replay.sdtm_variables import LAYOUTS
from tests.replay.recorded_sample import WRITERS, sample, write_csv, write_json, write_sample, write_xport


def refusal(folder: Path) -> SourceDataError:
    with pytest.raises(SourceDataError) as caught:
        read_sdtm(folder)
    return caught.value


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_every_format_gives_the_same_frames(tmp_path: Path, kind: str) -> None:
    expected = read_sdtm(write_sample(tmp_path / "csv"))
    read = read_sdtm(write_sample(tmp_path / f"as-{kind}", kind))
    assert read.study_id == "TINY01"
    assert set(read.frames) == set(sample())
    for name, frame in read.frames.items():
        assert_frame_equal(frame, expected[name])
    assert "TERMINÉ, AS PLANNED" in read["DS"]["DSTERM"].to_list()


def test_formats_may_be_mixed_and_file_names_are_of_any_case(tmp_path: Path) -> None:
    expected = read_sdtm(write_sample(tmp_path / "csv"))
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for kind, (name, frame) in zip([*WRITERS, *WRITERS], sample().items(), strict=False):
        written = WRITERS[kind](mixed, name, frame)
        written.rename(mixed / written.name.swapcase())
    read = read_sdtm(mixed)
    for name, frame in read.frames.items():
        assert_frame_equal(frame, expected[name])


def test_blank_text_is_null_and_absent_optional_variables_are_added(tmp_path: Path) -> None:
    read = read_sdtm(write_sample(tmp_path))
    assert read["DM"].filter(USUBJID="T-10-2")["RFSTDTC"].to_list() == [None]
    assert read["DM"]["ARMNRS"].to_list() == [None] * 3
    assert read["DM"].columns == list(LAYOUTS["DM"].variables)


def test_a_visit_number_is_an_exact_decimal_whatever_its_float_is(tmp_path: Path) -> None:
    for kind in ("xpt", "json"):
        read = read_sdtm(write_sample(tmp_path / kind, kind))
        assert read["SV"].filter(USUBJID="T-10-1")["VISITNUM"].to_list() == [
            "1",
            "1.2",
            "2",
            "3",
            "3.3",
            "4",
            "90",
        ]


@given(st.decimals(min_value=0, max_value=999, places=2))
def test_a_decimal_survives_its_way_through_a_binary_float(number: Decimal) -> None:
    assert Decimal(exact_decimal(float(number))) == number
    assert exact_decimal(float(number)) == exact_decimal(str(number))


def test_legacy_text_is_read_as_windows_1252(tmp_path: Path) -> None:
    write_sample(
        tmp_path, "xpt", {**sample(), "DS": sample()["DS"].with_columns(pl.lit("A~B").alias("DSTERM"))}
    )
    path = tmp_path / "ds.xpt"
    path.write_bytes(path.read_bytes().replace(b"A~B", b"A\x92B"))
    assert read_sdtm(tmp_path)["DS"]["DSTERM"].unique().to_list() == ["A\N{RIGHT SINGLE QUOTATION MARK}B"]


@pytest.mark.parametrize("name", ["DM", "DS", "SV", "EX", "TA", "TV"])
def test_a_missing_dataset_is_named_with_the_files_that_would_do(tmp_path: Path, name: str) -> None:
    write_sample(tmp_path)
    (tmp_path / f"{name}.csv").unlink()
    error = refusal(tmp_path)
    assert error.code == "source-missing"
    assert f"the dataset {name} " in error.message
    assert f"{name.lower()}.xpt" in str(error.fix)


def test_subject_elements_may_be_absent(tmp_path: Path) -> None:
    write_sample(tmp_path)
    (tmp_path / "SE.csv").unlink()
    assert "SE" not in read_sdtm(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").code == "source-missing"


def test_a_dataset_in_two_formats_is_refused_rather_than_guessed(tmp_path: Path) -> None:
    write_sample(tmp_path)
    write_json(tmp_path, "SV", sample()["SV"])
    error = refusal(tmp_path)
    assert error.code == "source-ambiguous"
    assert "SV.csv" in error.message
    assert "sv.json" in error.message


@pytest.mark.parametrize("name", ["DM", "SV", "EX", "TA"])
def test_a_transport_file_cut_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    write_sample(tmp_path, "xpt")
    path = tmp_path / f"{name.lower()}.xpt"
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        assert refusal(tmp_path).field == path.name


def test_no_cut_of_a_real_transport_file_passes_for_a_shorter_study(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "cdiscpilot" / "sdtm"
    for name in ("dm", "ds", "ex", "sv", "ta", "tv"):
        (tmp_path / f"{name}.xpt").write_bytes((source / f"{name}.xpt").read_bytes())
    whole = (tmp_path / "dm.xpt").read_bytes()
    for records in range(1, len(whole) // 80, 61):
        (tmp_path / "dm.xpt").write_bytes(whole[: records * 80])
        refusal(tmp_path)


def test_a_csv_line_with_too_few_fields_is_named(tmp_path: Path) -> None:
    write_sample(tmp_path)
    path = tmp_path / "SV.csv"
    path.write_text(path.read_text()[:-30])
    error = refusal(tmp_path)
    assert error.code == "source-truncated"
    assert "line 12 has" in error.message


def test_an_open_quote_is_named_by_its_line(tmp_path: Path) -> None:
    write_sample(tmp_path)
    path = tmp_path / "TV.csv"
    path.write_text(path.read_text().replace("After the end", '"After the end'))
    error = refusal(tmp_path)
    assert error.code == "source-truncated"
    assert error.field == "TV.csv"
    assert "line 6" in error.message


@pytest.mark.parametrize("kind", ["json", "ndjson"])
def test_dataset_json_cut_off_or_with_fewer_records_than_it_says_is_refused(
    tmp_path: Path, kind: str
) -> None:
    write_sample(tmp_path, kind)
    path = tmp_path / f"ex.{kind}"
    whole = path.read_text()
    path.write_text(whole[:-15])
    assert refusal(tmp_path).code == "source-truncated"
    path.write_text(whole.replace('"records": 3', '"records": 4'))
    error = refusal(tmp_path)
    assert error.code == "source-truncated"
    assert "records says 4" in error.message


def test_json_that_is_not_dataset_json_is_refused(tmp_path: Path) -> None:
    write_sample(tmp_path)
    (tmp_path / "EX.csv").unlink()
    (tmp_path / "ex.json").write_text('{"rows": []}')
    assert "not Dataset-JSON 1.1" in refusal(tmp_path).message


def test_something_else_under_a_transport_name_is_refused(tmp_path: Path) -> None:
    write_sample(tmp_path)
    (tmp_path / "EX.csv").rename(tmp_path / "ex.xpt")
    assert "not a SAS XPORT file" in refusal(tmp_path).message


@pytest.mark.parametrize(
    ("name", "variable", "value", "said"),
    [
        ("DM", "AGE", "old", "'old' is not a number"),
        ("DM", "AGE", "61.5", "'61.5' is not a whole number"),
        ("SV", "SVSTDTC", "2013-13-45", "'2013-13-45' is not a date of the calendar"),
        ("SV", "SVSTDTC", "03JAN2024", "'03JAN2024' is not an ISO 8601 date"),
        ("EX", "EXDOSE", "5 mg", "'5 mg' is not a number"),
        ("SV", "VISITNUM", "two", "'two' is not a decimal number"),
        ("DS", "DSDTC", "2024-03-10T25:15", "is not a date of the calendar"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_file_variable_and_row(
    tmp_path: Path, name: str, variable: str, value: str, said: str
) -> None:
    write_sample(tmp_path)
    frame = sample()[name].cast({variable: pl.String})
    changed = pl.Series(variable, [frame[variable][0], value, *frame[variable][2:]], dtype=pl.String)
    write_csv(tmp_path, name, frame.with_columns(changed))
    error = refusal(tmp_path)
    assert error.code == "source-value"
    assert error.field == f"{name}.csv {variable}"
    assert "row 2 (USUBJID=" in error.message
    assert said in error.message


def test_a_partial_date_is_a_date_to_the_reader(tmp_path: Path) -> None:
    write_sample(tmp_path)
    write_csv(tmp_path, "EX", sample()["EX"].with_columns(pl.lit("2024-03").alias("EXENDTC")))
    assert read_sdtm(tmp_path)["EX"]["EXENDTC"].unique().to_list() == ["2024-03"]


@pytest.mark.parametrize("name", ["DM", "DS", "SV", "EX", "TA", "TV", "SE"])
def test_a_key_that_occurs_twice_is_named_with_its_rows(tmp_path: Path, name: str) -> None:
    write_sample(tmp_path)
    frame = sample()[name]
    write_csv(tmp_path, name, pl.concat([frame, frame[1]]))
    error = refusal(tmp_path)
    assert error.code == "source-key-twice"
    assert f"occurs in rows 2, {frame.height + 1}" in error.message


def test_a_required_variable_that_is_absent_is_named(tmp_path: Path) -> None:
    write_sample(tmp_path)
    write_csv(tmp_path, "SV", sample()["SV"].drop("SVENDTC"))
    error = refusal(tmp_path)
    assert error.code == "source-variable-missing"
    assert "SVENDTC" in error.message


def test_a_subject_unknown_to_demographics_is_named(tmp_path: Path) -> None:
    write_sample(tmp_path)
    write_csv(tmp_path, "DM", sample()["DM"][:2])
    error = refusal(tmp_path)
    assert error.code == "source-unknown-subject"
    assert "T-20-3" in error.message


def test_datasets_of_two_studies_are_refused(tmp_path: Path) -> None:
    write_sample(tmp_path)
    write_csv(tmp_path, "EX", sample()["EX"].with_columns(pl.lit("OTHER").alias("STUDYID")))
    assert refusal(tmp_path).code == "source-study"


def test_rows_shorter_than_a_record_are_not_taken_for_padding(tmp_path: Path) -> None:
    write_sample(tmp_path, "xpt")
    short = pl.DataFrame({"STUDYID": ["TINY01"] * 9, "ETCD": list("ABCDEFGHI"), "ELEMENT": list("abcdefghi")})
    write_xport(tmp_path, "TE", short)
    assert read_sdtm(tmp_path)["TE"]["ETCD"].to_list() == list("ABCDEFGHI")


def test_the_pilot_study_is_read_whole(shared_data: Path) -> None:
    read = read_sdtm(shared_data / "cdiscpilot" / "sdtm")
    heights = {name: frame.height for name, frame in read.frames.items()}
    assert heights == {
        "DM": 306, "DS": 596, "SV": 3559, "EX": 591, "TA": 11, "TV": 21, "SE": 752, "TE": 7, "TI": 31, "TS": 48,
    }  # fmt: skip
    assert read["SV"].select("USUBJID", "VISITNUM").is_unique().all(), (
        "9.3 has two float variants in the file"
    )

"""Exports: every format says the same, the same data give the same bytes, and a folder holds a whole export or the one before."""

import hashlib
import json
import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pyreadstat
import pytest
from polars.testing import assert_frame_equal

from pipelines.errors import ConformError, ExportError
from pipelines.exports import FORMATS, export_datasets
from pipelines.exports.dataset_json import check_document
from pipelines.exports.xpt import sas_stamp, write_xpt
from pipelines.sdtm.conform import Conformed, conform
from tests.data_contracts.good_study import STUDY, good_frames

CREATED = datetime(2026, 7, 1, 13, 45, 9, tzinfo=UTC)
FRAMES = {name: frame for name, frame in good_frames().items() if name.isupper()}
SUPPLY = {name: frame for name, frame in good_frames().items() if name.islower()}


def export(
    folder: Path, formats: list[str], created: datetime = CREATED, frames: dict[str, pl.DataFrame] = FRAMES
) -> None:
    export_datasets(
        frames,
        formats,
        folder,
        study_id=STUDY,
        created=created,
        blinded=False,
        ledger_position=77,
        operational=SUPPLY,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def as_read(frame: pl.DataFrame) -> pl.DataFrame:
    """What a SAS file gives back: no integers, no missing text."""
    return frame.with_columns(pl.selectors.numeric().cast(pl.Float64), pl.selectors.string().fill_null(""))


@pytest.mark.parametrize("dataset", FRAMES)
def test_a_transport_file_gives_back_names_labels_and_values(dataset: str, tmp_path: Path) -> None:
    made = conform(dataset, FRAMES[dataset])
    write_xpt(made, tmp_path / "one.xpt", created=CREATED)
    read, header = pyreadstat.read_xport(tmp_path / "one.xpt", output_format="polars")
    read = read.with_columns(
        pl.selectors.by_dtype(pl.Null).cast(pl.Float64)
    )  # a number column without a number
    assert_frame_equal(read, as_read(made.frame))
    assert (header.table_name, header.file_label) == (dataset, made.label)
    assert header.column_names_to_labels == dict(made.labels)


def test_a_transport_file_is_version_5_and_carries_only_the_moment_of_the_export(tmp_path: Path) -> None:
    write_xpt(conform("DM", FRAMES["DM"]), tmp_path / "dm.xpt", created=CREATED)
    data = (tmp_path / "dm.xpt").read_bytes()
    assert data.startswith(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!")  # version 8 says LIBV8
    assert data.count(b"01JUL26:13:45:09") == 4
    assert len(data) % 80 == 0


def test_a_transport_file_holds_ibm_floats_that_read_back_exactly(tmp_path: Path) -> None:
    visits = FRAMES["TV"].with_columns(VISITNUM=pl.Series([1.0, 3.1, 8.25, 501.0]))
    write_xpt(conform("TV", visits), tmp_path / "tv.xpt", created=CREATED)
    read, _ = pyreadstat.read_xport(tmp_path / "tv.xpt", output_format="polars")
    assert read["VISITNUM"].to_list() == pytest.approx([1.0, 3.1, 8.25, 501.0], abs=1e-12)
    # 1 is 0x4110... as an IBM hexadecimal float: the value bytes are not IEEE.
    assert struct.pack(">Q", 0x4110000000000000) in (tmp_path / "tv.xpt").read_bytes()


def test_a_dataset_without_rows_is_a_readable_transport_file(tmp_path: Path) -> None:
    write_xpt(conform("IE", FRAMES["IE"].clear()), tmp_path / "ie.xpt", created=CREATED)
    read, header = pyreadstat.read_xport(tmp_path / "ie.xpt", output_format="polars")
    assert (read.height, header.column_names[:4]) == (0, ["STUDYID", "DOMAIN", "USUBJID", "IESEQ"])


def test_stamps_are_written_in_utc_and_in_english() -> None:
    assert sas_stamp(datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == b"28FEB26:22:30:00"
    with pytest.raises(ExportError, match="time zone"):
        sas_stamp(datetime.fromisoformat("2026-03-01T09:00"))


@pytest.mark.parametrize(
    ("name", "column", "label", "value", "message"),
    [
        ("DM", "SUBJECTID", "Subject", "1", "the name 'SUBJECTID'"),
        ("DM", "subjid", "Subject", "1", "the name 'subjid'"),
        ("DM", "SUBJID", "S" * 41, "1", "the label of SUBJID"),
        ("DM", "SUBJID", "Subject", "x" * 201, "ASCII of at most 200 bytes"),
        ("DM", "SUBJID", "Subject", "Zürich", "ASCII of at most 200 bytes: 'Zürich'"),
        ("DM", "SUBJID", "Subject", CREATED, "holds text and numbers"),
    ],
)
def test_the_transport_writer_refuses_what_version_5_cannot_hold(
    name: str, column: str, label: str, value: object, message: str, tmp_path: Path
) -> None:
    made = Conformed(name, "Demographics", pl.DataFrame({column: [value]}), {column: label}, ())
    with pytest.raises(ExportError, match=message):
        write_xpt(made, tmp_path / "one.xpt", created=CREATED)


@pytest.mark.parametrize("dataset", FRAMES)
def test_dataset_json_is_valid_and_gives_back_the_values(dataset: str, tmp_path: Path) -> None:
    export(tmp_path / "out", ["dataset-json", "dataset-ndjson"])
    document = json.loads((tmp_path / "out" / "dataset-json" / f"{dataset.lower()}.json").read_text())
    check_document(document)
    made = conform(dataset, FRAMES[dataset])
    expected = made.frame.with_columns(pl.selectors.string().fill_null(""))
    assert [tuple(row) for row in document["rows"]] == expected.rows()
    assert [column["name"] for column in document["columns"]] == expected.columns
    keys = {
        column["keySequence"]: column["name"] for column in document["columns"] if "keySequence" in column
    }
    assert tuple(keys[position] for position in sorted(keys)) == made.keys

    lines = (tmp_path / "out" / "dataset-ndjson" / f"{dataset.lower()}.ndjson").read_text().splitlines()
    assert {**json.loads(lines[0]), "rows": [json.loads(line) for line in lines[1:]]} == document


def test_dataset_json_states_its_metadata_in_the_order_of_the_specification(tmp_path: Path) -> None:
    export(tmp_path / "out", ["dataset-json"])
    document = json.loads((tmp_path / "out" / "dataset-json" / "dm.json").read_text())
    assert list(document) == ["datasetJSONCreationDateTime", "datasetJSONVersion", "fileOID", "sourceSystem", "studyOID",
                              "metaDataVersionOID", "itemGroupOID", "records", "name", "label", "columns", "rows"]  # fmt: skip
    assert document["datasetJSONCreationDateTime"] == "2026-07-01T13:45:09Z"
    assert (document["datasetJSONVersion"], document["itemGroupOID"], document["records"]) == (
        "1.1.0",
        "IG.DM",
        4,
    )
    columns = {column["name"]: column for column in document["columns"]}
    assert columns["USUBJID"] == {"itemOID": "IT.DM.USUBJID", "name": "USUBJID", "label": "Unique Subject Identifier",
                                  "dataType": "string", "length": 10, "keySequence": 2}  # fmt: skip
    assert columns["AGE"] == {"itemOID": "IT.DM.AGE", "name": "AGE", "label": "Age", "dataType": "integer"}
    assert columns["RFSTDTC"]["dataType"] == "string"  # the standard allows partial dates


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datasetJSONVersion": "2.0.0"}, "datasetJSONVersion"),
        ({"datasetJSONCreationDateTime": "2026-07-01"}, "datasetJSONCreationDateTime"),
        ({"records": 5}, "records is 5, and there are 4 rows"),
        ({"itemGroupOID": ""}, "itemGroupOID"),
        ({"clinicalData": {}}, "clinicalData"),
        ({"rows": [["TINY01"]] * 4}, "row 1 has 1 values"),
    ],
)
def test_a_document_that_breaks_the_specification_is_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    export(tmp_path / "out", ["dataset-json"])
    document = json.loads((tmp_path / "out" / "dataset-json" / "dm.json").read_text())
    check_document(document)
    with pytest.raises(ExportError, match=message):
        check_document({**document, **change})


def test_a_value_of_the_wrong_json_type_is_refused(tmp_path: Path) -> None:
    export(tmp_path / "out", ["dataset-json"])
    document = json.loads((tmp_path / "out" / "dataset-json" / "dm.json").read_text())
    position = [column["name"] for column in document["columns"]].index("AGE")
    document["rows"][0][position] = "61"
    with pytest.raises(ExportError, match="row 1: AGE is integer, the value is '61'"):
        check_document(document)


def test_csv_and_parquet_give_back_the_values(tmp_path: Path) -> None:
    export(tmp_path / "out", ["csv", "parquet"])
    for dataset, frame in FRAMES.items():
        made = conform(dataset, frame).frame
        parquet = tmp_path / "out" / "parquet" / f"{dataset.lower()}.parquet"
        assert_frame_equal(pl.read_parquet(parquet), made)
        csv = tmp_path / "out" / "csv" / f"{dataset.lower()}.csv"
        assert_frame_equal(pl.read_csv(csv, schema=made.schema), made)
        assert pl.read_parquet_metadata(parquet)["dataset"] == dataset


def test_supply_tables_go_out_beside_sdtm_but_not_as_transport_files(tmp_path: Path) -> None:
    export(tmp_path / "out", list(FORMATS))
    assert not (tmp_path / "out" / "xpt" / "kits.xpt").exists()
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "parquet" / "kits.parquet"), SUPPLY["kits"])
    moves = json.loads((tmp_path / "out" / "dataset-json" / "kit_movements.json").read_text())
    check_document(moves)
    names = [column["name"] for column in moves["columns"]]
    assert moves["rows"][0][names.index("moved_at")] == "2026-01-01T09:30:00Z"
    assert "2026-01-01T09:30:00Z" in (tmp_path / "out" / "csv" / "kit_movements.csv").read_text()


def test_two_exports_of_the_same_data_and_moment_are_the_same_bytes(tmp_path: Path) -> None:
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=3) for name, frame in FRAMES.items()}
    export(tmp_path / "first", list(FORMATS))
    export(
        tmp_path / "second",
        list(FORMATS),
        created=CREATED.astimezone(timezone(timedelta(hours=-5))),
        frames=shuffled,
    )
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_the_manifest_names_every_file_with_its_rows_and_hash(tmp_path: Path) -> None:
    export(tmp_path / "out", list(FORMATS))
    files = content(tmp_path / "out")
    manifest = json.loads(files.pop("manifest.json"))
    assert {one["path"]: one["sha256"] for one in manifest["files"]} == {
        path: hashlib.sha256(data).hexdigest() for path, data in files.items()
    }
    assert (manifest["study_id"], manifest["created"], manifest["ledger_position"], manifest["blinded"]) == (
        STUDY, "2026-07-01T13:45:09Z", 77, False,
    )  # fmt: skip
    assert {one["rows"] for one in manifest["files"] if one["dataset"] == "DM"} == {4}


def test_a_dataset_that_fails_leaves_the_earlier_export_and_no_remains(tmp_path: Path) -> None:
    export(tmp_path / "out", ["csv"])
    before = content(tmp_path / "out")
    broken = {**FRAMES, "TS": FRAMES["TS"].with_columns(TSVAL=pl.lit("Zürich"))}
    with pytest.raises(ConformError, match=r"TS\.TSVAL"):
        export(tmp_path / "out", ["xpt", "csv"], frames=broken)
    assert content(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_takes_the_place_of_the_one_before_as_a_whole(tmp_path: Path) -> None:
    export(tmp_path / "out", ["csv", "xpt"])
    export(tmp_path / "out", ["parquet"])
    assert {path.split("/")[0] for path in content(tmp_path / "out")} == {"parquet", "manifest.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_other_files_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not lose this")
    with pytest.raises(ExportError, match="other than an export"):
        export(tmp_path, ["csv"])
    assert content(tmp_path) == {"thesis.txt": b"do not lose this"}


@pytest.mark.parametrize(
    ("formats", "message"), [([], "no export format given"), (["sas7bdat"], "no export format 'sas7bdat'")]
)
def test_an_unknown_format_and_none_are_refused(formats: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        export(tmp_path / "out", formats)
    assert list(tmp_path.iterdir()) == []


def test_an_export_tells_each_file_as_it_is_written(tmp_path: Path) -> None:
    told: list[str] = []
    export_datasets(
        {"TI": FRAMES["TI"]}, ["csv", "xpt"], tmp_path / "out", study_id=STUDY, created=CREATED, blinded=True,
        on_file=lambda file: told.append(file.path),
    )  # fmt: skip
    assert told == ["csv/ti.csv", "xpt/ti.xpt"]

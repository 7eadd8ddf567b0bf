"""CDISC Dataset-JSON 1.1, as one JSON document (.json) or line by line (.ndjson).

Written from the published specification (CDISC Dataset-JSON 1.1, 2024-12-05): attributes in its order, one dataset a file, missing
numbers as null, missing text as "" as the published examples have it (SAS knows no difference). The lines of an .ndjson file are
the metadata object and then one array a row. `dataset_json_1_1.schema.json` beside this file says the same as a JSON schema.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl

from pipelines.errors import ExportError
from pipelines.sdtm.conform import Conformed

VERSION = "1.1.0"
SOURCE_SYSTEM = "OpenRTSM"
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "decimal": (str,),
    "date": (str,),
    "datetime": (str,),
    "time": (str,),
    "URI": (str,),
    "integer": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}


def dataset_metadata(
    dataset: Conformed,
    *,
    study_id: str,
    created: datetime,
    software_version: str,
    last_modified: datetime | None,
) -> dict[str, Any]:
    """The metadata object of the dataset, everything but the rows. Moments are aware and written in UTC."""
    metadata: dict[str, Any] = {
        "datasetJSONCreationDateTime": _moment(created),
        "datasetJSONVersion": VERSION,
        "fileOID": f"{study_id}.{dataset.name}.{created.astimezone(UTC):%Y%m%dT%H%M%SZ}",
    }
    if last_modified is not None:
        metadata["dbLastModifiedDateTime"] = _moment(last_modified)
    metadata |= {
        "sourceSystem": {"name": SOURCE_SYSTEM, "version": software_version},
        "studyOID": f"STUDY.{study_id}",
        "metaDataVersionOID": f"MDV.{study_id}.SDTMIG.3.4",
        "itemGroupOID": f"IG.{dataset.name}",
        "records": dataset.frame.height,
        "name": dataset.name,
        "label": dataset.label,
        "columns": [_column(dataset, name) for name in dataset.frame.columns],
    }
    return metadata


def write_dataset_json(dataset: Conformed, path: Path, metadata: dict[str, Any]) -> None:
    """Write one JSON document: the metadata of `dataset_metadata` and the rows. Raises ExportError where it would be invalid."""
    _check_metadata(dataset.name, metadata)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps(metadata, ensure_ascii=False)[:-1] + ', "rows": [')
        for position, row in enumerate(_rows(dataset)):
            out.write(("\n" if position == 0 else ",\n") + row)
        out.write("\n]}\n")


def write_dataset_ndjson(dataset: Conformed, path: Path, metadata: dict[str, Any]) -> None:
    """Write the metadata object on the first line and one array a row on the following ones."""
    _check_metadata(dataset.name, metadata)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps(metadata, ensure_ascii=False) + "\n")
        for row in _rows(dataset):
            out.write(row + "\n")


def check_document(document: dict[str, Any]) -> None:
    """Check a Dataset-JSON document: its schema, and what no schema can say: the number and the types of the values of each row.

    Raises ExportError with the place of the first fault.
    """
    _check_metadata(str(document.get("name", "document")), document)
    columns, rows = document["columns"], document.get("rows", [])
    if document["records"] != len(rows):
        raise ExportError(
            f"{document['name']}: records is {document['records']}, and there are {len(rows)} rows"
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise ExportError(
                f"{document['name']} row {number} has {len(row)} values for {len(columns)} columns"
            )
        for column, value in zip(columns, row, strict=True):
            fits = value is None or isinstance(value, _JSON_TYPES[column["dataType"]])
            if not fits or (isinstance(value, bool) and column["dataType"] != "boolean"):
                raise ExportError(
                    f"{document['name']} row {number}: {column['name']} is {column['dataType']}, the value is {value!r}"
                )


@cache
def _validator() -> Any:
    schema = json.loads(
        files("pipelines.exports").joinpath("dataset_json_1_1.schema.json").read_text(encoding="utf-8")
    )
    return jsonschema.Draft202012Validator(schema)


def _check_metadata(name: str, metadata: dict[str, Any]) -> None:
    for fault in _validator().iter_errors(metadata):
        raise ExportError(f"{name} is not valid Dataset-JSON at {fault.json_path}: {fault.message}")


def _column(dataset: Conformed, name: str) -> dict[str, Any]:
    values = dataset.frame[name]
    column: dict[str, Any] = {
        "itemOID": f"IT.{dataset.name}.{name}",
        "name": name,
        "label": dataset.labels[name],
        "dataType": _data_type(dataset.name, name, values),
    }
    if column["dataType"] == "string":
        column["length"] = max([1, *values.str.len_chars().drop_nulls().unique()])
    if name in dataset.keys:
        column["keySequence"] = dataset.keys.index(name) + 1
    return column


def _data_type(dataset: str, name: str, values: pl.Series) -> str:
    if values.dtype == pl.Boolean:
        return "boolean"
    if values.dtype.is_integer():
        return "integer"
    if values.dtype.is_float():
        return "float"
    if values.dtype != pl.String:
        raise ExportError(
            f"{dataset}.{name} is {values.dtype}: write dates and moments as ISO 8601 text first"
        )
    # Dates too are "string": the standard allows partial dates, which a reader that trusts "date" would fail on.
    return "string"


def _rows(dataset: Conformed) -> Iterator[str]:
    text = [name for name, kind in dataset.frame.schema.items() if kind == pl.String]
    for row in dataset.frame.with_columns(pl.col(text).fill_null("")).iter_rows():
        yield json.dumps(row, ensure_ascii=False)


def _moment(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ExportError(f"the moment of an export, {moment.isoformat()}, needs a time zone")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"

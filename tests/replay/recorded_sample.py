"""A recorded study of three subjects at two sites, small enough to read, and writers for each format that it can come in."""

import json
from pathlib import Path

import polars as pl
import pyreadstat

from simulation.replay.visit_plan import VisitPlan

STUDY = "TINY01"
PLAN = VisitPlan(
    screening="1", randomization="2", dispensing=frozenset({"2", "3"}), follow_up=frozenset({"90"})
)


NUMBERS = {"AGE", "DSSEQ", "VISITNUM", "VISITDY", "EXSEQ", "EXDOSE", "SESEQ", "TAETORD"}

# 10-1 completes on drug; 10-2 fails screening; 20-3 dies on placebo, which is reported two days later.
TABLES = {
    "DM": """
        USUBJID|SUBJID|SITEID|SEX|AGE|AGEU|RACE|ETHNIC|COUNTRY|ARMCD|ARM|ACTARMCD|ACTARM|DMDTC
        T-10-1|1|10|F|61|YEARS|WHITE||DEU|Act|Active|Act|Active|2024-01-03
        T-10-2|2|10|M|55|YEARS|ASIAN||DEU|Scrnfail|Screen Failure|Scrnfail|Screen Failure|2024-01-05
        T-20-3|3|20|M|70|YEARS|WHITE||FRA|Pla|Placebo|Pla|Placebo|2024-01-04
    """,
    "DM2": """
        RFSTDTC|RFENDTC|RFXSTDTC|RFXENDTC|RFPENDTC|DTHDTC|DTHFL
        2024-01-10|2024-03-01|2024-01-10|2024-02-29|2024-03-10T09:15||
        ||||2024-01-20||
        2024-01-10|2024-02-03|2024-01-10|2024-02-01|2024-02-03|2024-02-01|Y
    """,
    "DS": """
        USUBJID|DSSEQ|DSTERM|DSDECOD|DSCAT|VISITNUM|DSDTC|DSSTDTC
        T-10-1|1|TERMINÉ, AS PLANNED|COMPLETED|DISPOSITION EVENT|4|2024-03-01|2024-03-01
        T-10-1|2|FINAL LAB VISIT|FINAL LAB VISIT|OTHER EVENT|90|2024-03-10T09:15|2024-03-10
        T-10-2|1|SCREEN FAILURE|SCREEN FAILURE|DISPOSITION EVENT|1|2024-01-05|2024-01-05
        T-20-3|1|DEATH|DEATH|DISPOSITION EVENT|3|2024-02-03|2024-02-01
    """,
    "SV": """
        USUBJID|VISITNUM|VISIT|VISITDY|SVSTDTC|SVENDTC|SVUPDES
        T-10-1|1|SCREENING|-7|2024-01-03|2024-01-03|
        T-10-1|1.2|UNSCHEDULED 1.2||2024-01-02|2024-01-02|Unplanned
        T-10-1|2|BASELINE|1|2024-01-10|2024-01-10|
        T-10-1|3|WEEK 4|28|2024-02-06|2024-02-07|
        T-10-1|3.2999999999999994|UNSCHEDULED 3.3||2024-02-12|2024-02-12|Unplanned
        T-10-1|4|WEEK 8|56|2024-03-01|2024-03-01|
        T-10-1|90|FOLLOW-UP||2024-03-10|2024-03-10|
        T-10-2|1|SCREENING|-7|2024-01-05|2024-01-05|
        T-20-3|1|SCREENING|-7|2024-01-04|2024-01-04|
        T-20-3|2|BASELINE|1|2024-01-10|2024-01-10|
        T-20-3|3|WEEK 4|28|2024-02-03|2024-02-03|
    """,
    "EX": """
        USUBJID|EXSEQ|EXTRT|EXDOSE|EXDOSU|EXDOSFRM|EXDOSFRQ|EXROUTE|VISITNUM|EXSTDTC|EXENDTC
        T-10-1|1|DRUG|5|mg|TABLET|QD|ORAL|2|2024-01-10|2024-02-06
        T-10-1|2|DRUG|10|mg|TABLET|QD|ORAL|3|2024-02-07|2024-02-29
        T-20-3|1|PLACEBO|0|mg|TABLET|QD|ORAL|2|2024-01-10|2024-02-01
    """,
    "SE": """
        USUBJID|SESEQ|ETCD|ELEMENT|EPOCH|SESTDTC|SEENDTC
        T-10-1|1|SCRN|Screen|SCREENING|2024-01-03|2024-01-10
        T-10-1|2|ACT|Active|TREATMENT|2024-01-10|2024-03-01
        T-10-1|3|FU|Follow-up|FOLLOW-UP|2024-03-01|2024-03-10
        T-10-2|1|SCRN|Screen|SCREENING|2024-01-05|2024-01-20
        T-20-3|1|SCRN|Screen|SCREENING|2024-01-04|2024-01-10
        T-20-3|2|PLA|Placebo|TREATMENT|2024-01-10|2024-02-03
    """,
    "TA": """
        ARMCD|ARM|TAETORD|ETCD|ELEMENT|EPOCH
        Act|Active|1|SCRN|Screen|SCREENING
        Act|Active|2|ACT|Active|TREATMENT
        Act|Active|3|FU|Follow-up|FOLLOW-UP
        Pla|Placebo|1|SCRN|Screen|SCREENING
        Pla|Placebo|2|PLA|Placebo|TREATMENT
        Pla|Placebo|3|FU|Follow-up|FOLLOW-UP
    """,
    "TV": """
        VISITNUM|VISIT|VISITDY|TVSTRL
        1|SCREENING|-7|Start
        2|BASELINE|1|First dose
        3|WEEK 4|28|4 weeks
        4|WEEK 8|56|8 weeks
        90|FOLLOW-UP||After the end
    """,
}


def _frame(text: str) -> pl.DataFrame:
    names, *rows = (line.strip().split("|") for line in text.strip().splitlines())
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return pl.DataFrame(
        {
            name: [float(value) if value else None for value in values] if name in NUMBERS else list(values)
            for name, values in columns
        }
    )


def sample() -> dict[str, pl.DataFrame]:
    """Dataset name to frame, with the values and types that a file would have."""
    frames = {name: _frame(text) for name, text in TABLES.items()}
    frames["DM"] = pl.concat([frames["DM"], frames.pop("DM2")], how="horizontal")
    return {name: frame.select(pl.lit(STUDY).alias("STUDYID"), pl.all()) for name, frame in frames.items()}


def write_xport(folder: Path, name: str, frame: pl.DataFrame) -> Path:
    """Write a dataset as XPORT v5, text as UTF-8."""
    path = folder / f"{name.lower()}.xpt"
    filled = frame.with_columns(pl.col(pl.String).fill_null(""))
    pyreadstat.write_xport(filled, str(path), table_name=name, file_format_version=5)
    return path


def write_csv(folder: Path, name: str, frame: pl.DataFrame) -> Path:
    """Write a dataset as CSV."""
    path = folder / f"{name}.csv"
    frame.write_csv(path)
    return path


def _metadata(name: str, frame: pl.DataFrame) -> dict[str, object]:
    return {
        "datasetJSONCreationDateTime": "2024-05-01T00:00:00",
        "datasetJSONVersion": "1.1.0",
        "itemGroupOID": f"IG.{name}",
        "records": frame.height,
        "name": name,
        "label": name,
        "columns": [
            {
                "itemOID": f"IT.{name}.{column}",
                "name": column,
                "label": column,
                "dataType": "string" if dtype == pl.String else "double",
            }
            for column, dtype in frame.schema.items()
        ],
    }


def write_json(folder: Path, name: str, frame: pl.DataFrame) -> Path:
    """Write a dataset as Dataset-JSON 1.1."""
    path = folder / f"{name.lower()}.json"
    path.write_text(json.dumps({**_metadata(name, frame), "rows": [list(row) for row in frame.rows()]}))
    return path


def write_ndjson(folder: Path, name: str, frame: pl.DataFrame) -> Path:
    """Write a dataset as Dataset-JSON 1.1 in lines."""
    path = folder / f"{name.lower()}.ndjson"
    lines = [json.dumps(_metadata(name, frame)), *(json.dumps(list(row)) for row in frame.rows())]
    path.write_text("\n".join(lines) + "\n")
    return path


WRITERS = {"xpt": write_xport, "csv": write_csv, "json": write_json, "ndjson": write_ndjson}


def write_sample(folder: Path, kind: str = "csv", frames: dict[str, pl.DataFrame] | None = None) -> Path:
    """Write the sample (or given frames) to a folder in one format and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (frames or sample()).items():
        WRITERS[kind](folder, name, frame)
    return folder

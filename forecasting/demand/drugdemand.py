"""Reads the five CSV files of an interim cut in the form of the R package drugDemand (its columns are in the README of this package)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from forecasting.demand.errors import BadInterim
from forecasting.demand.interim import InterimCut

COLUMNS: Final[dict[str, dict[str, Any]]] = {
    "interim_subjects.csv": {
        "trialsdt": pl.Date,
        "usubjid": pl.String,
        "randdt": pl.Date,
        "treatment": pl.Int64,
        "treatment_description": pl.String,
        "time": pl.Int64,
        "event": pl.Int64,
        "dropout": pl.Int64,
        "cutoffdt": pl.Date,
    },
    "interim_dispensing.csv": {
        "usubjid": pl.String,
        "date": pl.Date,
        "kit": pl.Int64,
        "dispensed_quantity": pl.Int64,
    },
    "dosing_schedule.csv": {
        "kit": pl.Int64,
        "target_days": pl.Int64,
        "target_dose": pl.Int64,
        "max_cycles": pl.Int64,
    },
    "kit_description.csv": {"drug": pl.Int64, "kit": pl.Int64, "kit_name": pl.String},
    "treatment_by_drug.csv": {"treatment": pl.Int64, "drug": pl.Int64},
}
"""The files, and the columns of each that are read; others are let be."""

_KINDS: Final[dict[Any, str]] = {
    pl.Date: "a date like 2022-10-01",
    pl.Int64: "a whole number",
    pl.String: "a text",
}


def read_interim(folder: Path) -> InterimCut:
    """The interim cut in `folder`. Raises BadInterim, which names file, line and column."""
    if not folder.is_dir():
        raise BadInterim(
            f"there is no folder {folder}", field="--interim", fix="name the folder of the five CSV files"
        )
    tables = {name: _table(folder / name, columns) for name, columns in COLUMNS.items()}
    subjects = tables["interim_subjects.csv"].sort("randdt", "usubjid", maintain_order=True)
    if subjects.is_empty():
        raise BadInterim("no subject", field="interim_subjects.csv", fix="give at least one row")
    begins_on, cut_on = (_one(subjects, column) for column in ("trialsdt", "cutoffdt"))
    _check_subjects(subjects)
    schedule = (
        tables["kit_description.csv"]
        .join(tables["dosing_schedule.csv"], on="kit", how="left", maintain_order="left")
        .unique("kit", keep="first", maintain_order=True)
    )
    _refuse(schedule, pl.col("target_days").is_null(), "dosing_schedule.csv", "kit", "kit without a schedule")
    for column in ("target_days", "max_cycles"):
        _refuse(schedule, pl.col(column) < 1, "dosing_schedule.csv", column, "below 1")
        if schedule[column].n_unique() > 1:
            raise BadInterim(
                f"kits with different {column}: only one common schedule is forecast",
                field=f"dosing_schedule.csv, column {column}",
                fix="forecast the schedules apart",
            )
    kits = schedule["kit"].to_list()
    takes = tables["treatment_by_drug.csv"].join(tables["kit_description.csv"], on="drug", how="inner")
    names: dict[int, str] = dict(subjects.select("treatment", "treatment_description").unique().iter_rows())
    arms = sorted({*takes["treatment"].to_list()})
    _refuse(
        subjects,
        ~pl.col("treatment").is_in(arms),
        "interim_subjects.csv",
        "treatment",
        "not in treatment_by_drug.csv",
    )
    arm_kits = np.zeros((len(arms), len(kits)), dtype=np.bool_)
    for treatment, kit in takes.select("treatment", "kit").iter_rows():
        arm_kits[arms.index(treatment), kits.index(kit)] = True
    return InterimCut(
        begins_on=begins_on,
        cut_on=cut_on,
        arms=tuple(names.get(arm, f"treatment {arm}") for arm in arms),
        kits=tuple(schedule["kit_name"].to_list()),
        arm_kits=arm_kits,
        target_days=int(schedule["target_days"][0]),
        target_dose=schedule["target_dose"].to_numpy().astype(np.int64),
        max_cycles=int(schedule["max_cycles"][0]),
        subjects=tuple(subjects["usubjid"].to_list()),
        randomized=_days(subjects, "randdt", "trialsdt"),
        arm=np.array([arms.index(arm) for arm in subjects["treatment"]], dtype=np.int64),
        days_on_study=subjects["time"].to_numpy().astype(np.int64),
        ended=(subjects["event"] + subjects["dropout"] > 0).to_numpy(),
        **_visits(tables["interim_dispensing.csv"], subjects, kits),
    )


def _table(file: Path, columns: dict[str, Any]) -> pl.DataFrame:
    """The columns that are read, as their types; `line` is the line in the file."""
    if not file.is_file():
        raise BadInterim(f"there is no {file.name}", field=file.name, fix=f"put it into {file.parent}")
    try:
        raw = pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as unreadable:
        raise BadInterim(
            f"{file.name} is no CSV file: {str(unreadable).splitlines()[0]}",
            field=file.name,
            fix="save it as UTF-8 CSV",
        ) from unreadable
    absent = [name for name in columns if name not in raw.columns]
    if absent:
        raise BadInterim(
            f"{file.name} lacks {', '.join(absent)}", field=f"{file.name}, header", fix="add the column"
        )
    read = []
    for name, kind in columns.items():
        text = pl.col(name).str.strip_chars()
        if kind is pl.Int64:
            number = text.cast(pl.Float64, strict=False)
            read.append(
                pl.when(number == number.round()).then(number).cast(pl.Int64, strict=False).alias(name)
            )
        elif kind is pl.Date:
            read.append(text.str.to_date("%Y-%m-%d", strict=False).alias(name))
        else:
            read.append(pl.when(text != "").then(text).alias(name))
    table = raw.select(read).with_row_index("line", offset=2)
    for name, kind in columns.items():
        found = raw[name].to_list()
        for line in table.filter(pl.col(name).is_null())["line"].to_list()[:1]:
            raise BadInterim(
                f"{found[line - 2]!r} is not {_KINDS[kind]}",
                field=f"{file.name}, line {line}, column {name}",
                fix="correct the value",
            )
    return table


def _one(table: pl.DataFrame, column: str) -> date:
    values = table[column].unique().sort().to_list()
    if len(values) > 1:
        raise BadInterim(
            f"several days: {values[0]} to {values[-1]}",
            field=f"interim_subjects.csv, column {column}",
            fix="give all subjects the same",
        )
    found: date = values[0]
    return found


def _check_subjects(subjects: pl.DataFrame) -> None:
    file = "interim_subjects.csv"
    known = (pl.col("cutoffdt") - pl.col("randdt")).dt.total_days() + 1
    over = pl.col("event") + pl.col("dropout")
    _refuse(subjects, pl.col("usubjid").is_duplicated(), file, "usubjid", "the same subject twice")
    _refuse(subjects, pl.col("randdt") < pl.col("trialsdt"), file, "randdt", "before trialsdt")
    _refuse(subjects, pl.col("randdt") > pl.col("cutoffdt"), file, "randdt", "after cutoffdt")
    _refuse(subjects, pl.col("event").is_in([0, 1]).not_(), file, "event", "neither 0 nor 1")
    _refuse(subjects, pl.col("dropout").is_in([0, 1]).not_(), file, "dropout", "neither 0 nor 1")
    _refuse(subjects, pl.col("time") < 1, file, "time", "below 1 day")
    _refuse(subjects, pl.col("time") > known, file, "time", "beyond cutoffdt")
    _refuse(
        subjects,
        (over == 0) & (pl.col("time") < known),
        file,
        "time",
        "ends before cutoffdt without event or dropout",
    )


def _refuse(table: pl.DataFrame, fault: pl.Expr, file: str, column: str, what: str) -> None:
    wrong = table.filter(fault)
    if not wrong.is_empty():
        raise BadInterim(
            f"{wrong[column][0]}: {what}",
            field=f"{file}, line {wrong['line'][0]}, column {column}",
            fix="correct the value",
        )


def _days(table: pl.DataFrame, later: str, earlier: str) -> Any:
    return (table[later] - table[earlier]).dt.total_days().to_numpy().astype(np.int64)


def _visits(dispensing: pl.DataFrame, subjects: pl.DataFrame, kits: list[int]) -> dict[str, Any]:
    """The rows of kits as visits: all that a subject got on one day."""
    file = "interim_dispensing.csv"
    rows = dispensing.join(
        subjects.with_row_index("subject").select("usubjid", "subject", "randdt", "time"),
        on="usubjid",
        how="left",
        maintain_order="left",
    ).with_columns(day=(pl.col("date") - pl.col("randdt")).dt.total_days())
    _refuse(rows, pl.col("subject").is_null(), file, "usubjid", "not in interim_subjects.csv")
    _refuse(rows, ~pl.col("kit").is_in(kits), file, "kit", "not in kit_description.csv")
    _refuse(rows, pl.col("dispensed_quantity") < 0, file, "dispensed_quantity", "below 0")
    _refuse(rows, pl.col("day") < 0, file, "date", "before the subject's randdt")
    _refuse(rows, pl.col("day") >= pl.col("time"), file, "date", "after the subject's last day on study")
    visits = rows.select("subject", "day").unique().sort("subject", "day").with_row_index("visit")
    placed = rows.join(visits, on=["subject", "day"], how="left")
    quantities = np.zeros((len(visits), len(kits)), dtype=np.int64)
    at = np.array([kits.index(kit) for kit in placed["kit"]], dtype=np.int64)
    np.add.at(
        quantities, (placed["visit"].to_numpy().astype(np.int64), at), placed["dispensed_quantity"].to_numpy()
    )
    return {
        "visit_subject": visits["subject"].to_numpy().astype(np.int64),
        "visit_day": visits["day"].to_numpy().astype(np.int64),
        "quantities": quantities,
    }

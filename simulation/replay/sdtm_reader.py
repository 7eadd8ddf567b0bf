"""A folder of SDTM datasets to checked and normalised polars frames, whatever mixture of formats it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import polars as pl

from simulation.replay.errors import SourceDataError
from simulation.replay.sdtm_files import READERS
from simulation.replay.sdtm_variables import LAYOUTS, DatasetLayout, Kind

_ISO = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}(:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:\d{2})?)?)?)?", re.ASCII)
# A difference below this is noise of a binary float, not another visit: IBM floats in XPORT keep about 15 digits.
_NOISE = Decimal("0.000001")
_DECIMAL_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class SdtmDatasets:
    """Normalised datasets by name; columns are exactly those of `LAYOUTS`, rows in the order of the file.

    `unread`: by dataset, the other variables of the file that hold a value in some row.
    """

    study_id: str
    frames: dict[str, pl.DataFrame]
    files: dict[str, Path]
    unread: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __getitem__(self, dataset: str) -> pl.DataFrame:
        return self.frames[dataset]

    def __contains__(self, dataset: object) -> bool:
        return dataset in self.frames


def exact_decimal(value: float | str | Decimal | int) -> str:
    """The decimal number as text without trailing zeros ("9.3", "101"); float noise is removed. Raises ValueError otherwise."""
    try:
        given = Decimal(value.strip()) if isinstance(value, str) else Decimal(str(value))
        rounded = given.quantize(_DECIMAL_PLACES)
    except InvalidOperation as problem:
        raise ValueError(f"{value!r} is not a decimal number") from problem
    if abs(given - rounded) > _NOISE:
        raise ValueError(f"{value!r} has more than four decimal places")
    return f"{rounded.normalize():f}"


def _iso(value: str) -> str:
    """The value if it is an ISO 8601 date, date-time or partial date; else ValueError."""
    if not _ISO.fullmatch(value):
        raise ValueError(f"{value!r} is not an ISO 8601 date such as 2013-05-31")
    day, _, time = value.partition("T")
    parts = day.split("-")
    try:
        date(int(parts[0]), *(int(p) for p in [*parts[1:], "01", "01"][:2]))
        if time:
            datetime.fromisoformat(value if ":" in time else f"{value}:00")
    except ValueError as problem:
        raise ValueError(f"{value!r} is not a date of the calendar: {problem}") from problem
    return value


def _normalised(value: object, kind: Kind) -> object:
    """One value of the given kind; None for a blank one. Raises ValueError with what is wrong."""
    if isinstance(value, str):
        value = value.rstrip()
        if not value:
            return None
    elif value is None or (isinstance(value, float) and value != value):
        return None
    if kind is Kind.CHAR:
        if isinstance(value, float):
            # A CSV or JSON writer may have turned "701" into a number.
            return str(int(value)) if value.is_integer() else repr(value)
        return str(value)
    if kind is Kind.ISO:
        if isinstance(value, datetime | date):
            return value.isoformat()
        return _iso(str(value))
    if kind is Kind.DECIMAL:
        return exact_decimal(value)  # type: ignore[arg-type]
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None
    if kind is Kind.INT:
        if not number.is_integer():
            raise ValueError(f"{value!r} is not a whole number")
        return int(number)
    return number


_POLARS = {
    Kind.CHAR: pl.String,
    Kind.ISO: pl.String,
    Kind.DECIMAL: pl.String,
    Kind.NUM: pl.Float64,
    Kind.INT: pl.Int64,
}


def _row_name(layout: DatasetLayout, frame: pl.DataFrame, index: int) -> str:
    """How a person finds the row: its key and its number in the file."""
    row = frame.row(index, named=True)
    key = ", ".join(f"{name}={row[name]}" for name in layout.key if name in row and row[name] is not None)
    return f"row {index + 1}" + (f" ({key})" if key else "")


def normalise(frame: pl.DataFrame, dataset: str, source: str, *, unique: bool = True) -> pl.DataFrame:
    """Check a frame against its SDTM layout and return it with exactly the layout's columns and types.

    Blank text becomes null, VISITNUM exact decimal text; absent optional variables are added as null; others are left out.
    `source` names the file (or the export) in messages; `unique` False leaves rows with one key alone.

    Raises:
        SourceDataError: a required variable is absent, a value has the wrong type, or a key is null or occurs twice.
    """
    layout = LAYOUTS[dataset]
    frame = frame.rename({name: name.upper() for name in frame.columns})
    for name in layout.required:
        if name not in frame.columns:
            raise SourceDataError(
                f"the variable {name} is missing",
                code="source-variable-missing",
                field=f"{source}",
                fix=f"add {name}: SDTM {dataset} ({layout.label}) requires it here",
            )
    columns: list[pl.Series] = []
    for name, kind in layout.variables.items():
        if name not in frame.columns:
            columns.append(pl.Series(name, [None] * frame.height, dtype=_POLARS[kind]))
            continue
        values: list[object] = []
        for index, value in enumerate(frame.get_column(name).to_list()):
            try:
                values.append(_normalised(value, kind))
            except ValueError as problem:
                raise SourceDataError(
                    f"{_row_name(layout, frame, index)}: {problem}",
                    code="source-value",
                    field=f"{source} {name}",
                    fix=f"{name} must be a {kind.value}",
                ) from None
        columns.append(pl.Series(name, values, dtype=_POLARS[kind]))
    result = pl.DataFrame(columns)
    if unique:
        _check_key(result, layout, source)
    return result


def _unread(frame: pl.DataFrame, dataset: str) -> tuple[str, ...]:
    """The variables of a file that the layout leaves out, in capitals; those that are blank in every row say nothing."""
    return tuple(
        name.upper()
        for name in frame.columns
        if name.upper() not in LAYOUTS[dataset].variables
        and any(_normalised(value, Kind.CHAR) is not None for value in frame.get_column(name))
    )


def _check_key(frame: pl.DataFrame, layout: DatasetLayout, source: str) -> None:
    """Refuse a row whose first key variable is blank, and two rows with one key."""
    blank = frame.get_column(layout.key[0]).is_null().arg_true()
    if len(blank):
        raise SourceDataError(
            f"row {blank[0] + 1} has no {layout.key[0]}",
            code="source-key-blank",
            field=f"{source} {layout.key[0]}",
            fix="fill it in or remove the row",
        )
    keys = frame.select(layout.key)
    twice = keys.is_duplicated().arg_true()
    if len(twice):
        first = keys.row(twice[0])
        same = [index + 1 for index in twice.to_list() if keys.row(index) == first]
        key = ", ".join(f"{n}={v}" for n, v in zip(layout.key, first, strict=True) if v is not None)
        raise SourceDataError(
            f"the key {key} occurs in rows {', '.join(map(str, same))}",
            code="source-key-twice",
            field=f"{source} {'+'.join(layout.key)}",
            fix="keep one of the rows",
        )


def _find(folder: Path, dataset: str) -> Path | None:
    """The file of a dataset in the folder, in any format and any case of the name; more than one is refused."""
    found = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.stem.upper() == dataset and path.suffix.lower() in READERS
    )
    if len(found) > 1:
        raise SourceDataError(
            f"the dataset {dataset} is there more than once: {', '.join(path.name for path in found)}",
            code="source-ambiguous",
            field=dataset,
            fix="leave one of the files in the folder",
        )
    return found[0] if found else None


def _check_together(frames: dict[str, pl.DataFrame], files: dict[str, Path]) -> str:
    """Return the one study of all datasets; refuse a subject that DM does not have."""
    studies = {
        name: sorted(frame.get_column("STUDYID").drop_nulls().unique().to_list())
        for name, frame in frames.items()
    }
    known = studies["DM"]
    if len(known) != 1:
        raise SourceDataError(
            f"{len(known)} studies in one file: {', '.join(known) or 'none'}",
            code="source-study",
            field=f"{files['DM'].name} STUDYID",
            fix="give the datasets of one study",
        )
    subjects = set(frames["DM"].get_column("USUBJID").to_list())
    for name, frame in frames.items():
        if studies[name] not in (known, []):
            raise SourceDataError(
                f"is of study {', '.join(studies[name])}, DM of {known[0]}",
                code="source-study",
                field=f"{files[name].name} STUDYID",
                fix="give the datasets of one study",
            )
        if "USUBJID" not in frame.columns:
            continue
        strangers = sorted(set(frame.get_column("USUBJID").to_list()) - subjects)
        if strangers:
            more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
            raise SourceDataError(
                f"the subject {strangers[0]}{more} is not in {files['DM'].name}",
                code="source-unknown-subject",
                field=f"{files[name].name} USUBJID",
                fix=f"add the subject to {files['DM'].name} (is that file cut off?) or remove its rows",
            )
    return str(known[0])


def read_sdtm(folder: Path, datasets: Iterable[str] | None = None) -> SdtmDatasets:
    """Read the SDTM datasets of a study from a folder: XPT, CSV, Dataset-JSON (.json, .ndjson), mixed as they come.

    Args:
        folder: the folder; file names are dataset names in any case, such as dm.xpt or DM.json.
        datasets: which to read; by default all of `LAYOUTS`: DM, DS, SV, EX, TA, TV must be there, SE, TE, TI, TS may be.

    Raises:
        SourceDataError: a dataset is missing, there twice, cut off, wrong-typed, has a key twice, or does not fit the others.
    """
    if not folder.is_dir():
        raise SourceDataError(
            "is not a folder",
            code="source-missing",
            field=str(folder),
            fix="give the folder with the SDTM datasets",
        )
    frames: dict[str, pl.DataFrame] = {}
    files: dict[str, Path] = {}
    unread: dict[str, tuple[str, ...]] = {}
    for name in datasets if datasets is not None else LAYOUTS:
        path = _find(folder, name)
        if path is None:
            if LAYOUTS[name].needed or datasets is not None:
                wanted = ", ".join(f"{name.lower()}{suffix}" for suffix in READERS)
                raise SourceDataError(
                    f"the dataset {name} ({LAYOUTS[name].label}) is missing",
                    code="source-missing",
                    field=str(folder),
                    fix=f"add one of {wanted}",
                )
            continue
        as_it_is = READERS[path.suffix.lower()](path)
        frames[name] = normalise(as_it_is, name, path.name)
        unread[name] = _unread(as_it_is, name)
        files[name] = path
    return SdtmDatasets(_check_together(frames, files), frames, files, unread)

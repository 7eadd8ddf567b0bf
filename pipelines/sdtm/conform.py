"""Bringing a built frame into the form that the standard asks for, or saying exactly why it cannot be.

After `conform` a frame has the columns of the implementation guide in its order, with labels and types, every expected variable
present, no empty permissible one, rows in key order, and values that a SAS transport file can hold. Nothing is repaired by
guessing: a value that does not fit is an error that names dataset, variable and row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from pipelines.errors import ConformError
from pipelines.sdtm.metadata import Dataset, Variable, column_type
from pipelines.sdtm.metadata import dataset as standard_dataset

NAME_LENGTH, LABEL_LENGTH, VALUE_BYTES = 8, 40, 200
POLARS_TYPES = {"string": pl.String, "integer": pl.Int64, "float": pl.Float64}
ROWS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Conformed:
    """A dataset ready to be written. `labels` are by column in column order; `keys` are the key columns that it has."""

    name: str
    label: str
    frame: pl.DataFrame
    labels: Mapping[str, str]
    keys: tuple[str, ...]


def conform(name: str, frame: pl.DataFrame, *, ascii_only: bool = True) -> Conformed:
    """Return the frame as dataset `name` of the standard, sorted by its keys.

    Missing text is null, in the columns of the result; whole-number variables are Int64, other numbers Float64, text String.
    ascii_only: refuse characters that a SAS transport file cannot hold. Raises ConformError naming dataset, variable and the
    keys of the first rows concerned; UnknownDatasetError where the standard tables have no such dataset.
    """
    wanted, frame = standard_dataset(name), frame.rechunk()
    _refuse_unknown_columns(wanted, frame)
    columns: dict[str, pl.Series] = {}
    for variable in wanted.variables:
        column = _column(wanted, variable, frame, ascii_only)
        if column is not None:
            columns[variable.name] = column
    conformed = pl.DataFrame(columns)
    keys = tuple(key for key in wanted.keys if key in columns)
    _check_labels(wanted, conformed.columns)
    labels = {column: wanted.variable(column).label for column in conformed.columns}
    return Conformed(
        name, wanted.label, conformed.sort(keys, nulls_last=False, maintain_order=True), labels, keys
    )


def _refuse_unknown_columns(wanted: Dataset, frame: pl.DataFrame) -> None:
    for column in frame.columns:
        if column not in wanted.variable_names:
            raise ConformError(
                f"{wanted.name}.{column} is not a variable of {wanted.name} in SDTMIG 3.4: drop it or put it in SUPP{wanted.name}"
            )


def _column(wanted: Dataset, variable: Variable, frame: pl.DataFrame, ascii_only: bool) -> pl.Series | None:
    """The column with its final type; None for a permissible variable without a single value."""
    kind = POLARS_TYPES[column_type(variable)]
    if variable.name not in frame.columns:
        if variable.core == "Req":
            raise ConformError(f"{wanted.name}.{variable.name} is required, and the frame has no such column")
        return None if variable.core == "Perm" else pl.Series([None] * frame.height, dtype=kind)
    values = frame[variable.name]
    values = _text(wanted, variable, frame) if variable.type == "Char" else _number(wanted, variable, frame)
    if variable.core == "Perm" and values.null_count() == values.len():
        return None
    if variable.core == "Req" and values.null_count():
        raise ConformError(
            _message(wanted, variable, frame, values.is_null(), "is required and has no value")
        )
    if variable.type == "Char":
        _check_text(wanted, variable, frame, values, ascii_only)
    return values


def _text(wanted: Dataset, variable: Variable, frame: pl.DataFrame) -> pl.Series:
    values = frame[variable.name]
    if values.dtype == pl.Null:
        return values.cast(pl.String)
    if values.dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise ConformError(f"{wanted.name}.{variable.name} is text, the frame holds {values.dtype}")
    text = values.cast(pl.String)
    # SAS has no empty text, only missing: the two are one value in every format that we write.
    return text.set(text.str.strip_chars() == "", None)


def _number(wanted: Dataset, variable: Variable, frame: pl.DataFrame) -> pl.Series:
    values = frame[variable.name]
    if values.dtype == pl.Null:
        return values.cast(POLARS_TYPES[column_type(variable)])
    if not values.dtype.is_numeric():
        raise ConformError(f"{wanted.name}.{variable.name} is a number, the frame holds {values.dtype}")
    numbers = values.cast(pl.Float64)
    if (odd := numbers.is_nan() | numbers.is_infinite()).any():
        raise ConformError(_message(wanted, variable, frame, odd, "is not a number that a dataset can hold"))
    if not variable.is_integer:
        return numbers
    if (broken := numbers != numbers.floor()).any():
        raise ConformError(_message(wanted, variable, frame, broken, "is not a whole number"))
    return numbers.cast(pl.Int64)


def _check_text(
    wanted: Dataset, variable: Variable, frame: pl.DataFrame, values: pl.Series, ascii_only: bool
) -> None:
    too_long = values.str.len_bytes() > VALUE_BYTES
    if too_long.any():
        raise ConformError(
            _message(wanted, variable, frame, too_long, f"is longer than {VALUE_BYTES} bytes: split it")
        )
    if not ascii_only:
        return
    foreign = ~values.str.contains(r"^[\x20-\x7E]*$")
    if foreign.any():
        first = values.filter(foreign.fill_null(False))[0]
        character = next(one for one in first if not " " <= one <= "~")
        raise ConformError(
            _message(
                wanted,
                variable,
                frame,
                foreign,
                f"has the character {character!r} (U+{ord(character):04X}), which a SAS transport file cannot hold: "
                "write it in ASCII at its source",
            )
        )


def _check_labels(wanted: Dataset, columns: list[str]) -> None:
    for column in columns:
        label = wanted.variable(column).label
        if len(column) > NAME_LENGTH or len(label) > LABEL_LENGTH or not label.isascii():
            raise ConformError(
                f"{wanted.name}.{column}: a name has at most {NAME_LENGTH} and a label at most {LABEL_LENGTH} ASCII characters"
            )


def _message(wanted: Dataset, variable: Variable, frame: pl.DataFrame, which: pl.Series, what: str) -> str:
    rows = frame.filter(which.fill_null(False))
    keys = [key for key in wanted.keys if key in frame.columns]
    named = ["/".join(str(row[key]) for key in keys) for row in rows.head(ROWS_NAMED).iter_rows(named=True)]
    more = f" and {rows.height - ROWS_NAMED} more" if rows.height > ROWS_NAMED else ""
    return f"{wanted.name}.{variable.name} {what}, in the rows {', '.join(named)}{more} (by {'/'.join(keys)})"

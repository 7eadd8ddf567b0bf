"""Compare the datasets that the replayed study exports with the originals, by dataset and variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from simulation.replay.compared_variables import COMPARED, ComparedDataset, why_not_compared
from simulation.replay.comparison_result import (
    NO_VALUE,
    NOT_STATED,
    Comparison,
    DatasetComparison,
    NotCompared,
    VariableComparison,
)
from simulation.replay.listed_reasons import Difference, OriginalSubject, Row, reason_for
from simulation.replay.sdtm_reader import SdtmDatasets, normalise
from simulation.replay.sdtm_variables import LAYOUTS

_OCCURRENCE = "_occurrence"


def compare(originals: SdtmDatasets, exported: Mapping[str, pl.DataFrame]) -> Comparison:
    """Compare exported datasets with the originals of a recorded study.

    Rows are joined by the key of `COMPARED`; rows with one key are told apart by their order in time. A value that both sides
    lack is not applicable, nor one that follows from others and that the original does not state; a value or row that differs is not
    applicable only if one of `LISTED_REASONS` holds for it.

    Args:
        originals: the datasets that were replayed.
        exported: dataset name to polars frame, as the pipeline writes it; further datasets and variables are ignored.

    Raises:
        SourceDataError: an exported frame has values of the wrong type or lacks a key variable.
    """
    subjects = _original_subjects(originals)
    result = Comparison(originals.study_id)
    for compared in COMPARED.values():
        if compared.name in originals:
            result.datasets.append(_compare_dataset(compared, originals, exported, subjects))
    result.not_compared = [
        NotCompared(dataset, variable, why_not_compared(dataset, variable))
        for dataset, variable in _left_out(originals)
    ]
    return result


def _left_out(originals: SdtmDatasets) -> Iterator[tuple[str, str]]:
    """Dataset and variable of each that the original has a value of and that is neither compared nor the key of a row."""
    for dataset, frame in originals.frames.items():
        compared = COMPARED.get(dataset)
        done = () if compared is None else (*compared.key, *compared.variables)
        for variable in (*frame.columns, *originals.unread.get(dataset, ())):
            unread = variable not in frame.columns
            if variable not in done and (unread or frame[variable].null_count() < frame.height):
                yield dataset, variable


def _original_subjects(originals: SdtmDatasets) -> dict[str, OriginalSubject]:
    elements = (
        originals["TA"]
        .filter(pl.col("EPOCH").str.to_uppercase().str.contains("TREATMENT"))
        .get_column("ETCD")
        .to_list()
    )
    rows: dict[str, dict[str, list[Row]]] = {}
    for name in ("EX", "SE"):
        if name in originals:
            for row in originals[name].iter_rows(named=True):
                rows.setdefault(row["USUBJID"], {}).setdefault(name, []).append(row)
    return {
        row["USUBJID"]: OriginalSubject(
            row,
            tuple(rows.get(row["USUBJID"], {}).get("EX", [])),
            tuple(rows.get(row["USUBJID"], {}).get("SE", [])),
            frozenset(elements),
        )
        for row in originals["DM"].iter_rows(named=True)
    }


def _keyed(frame: pl.DataFrame, compared: ComparedDataset) -> dict[tuple[Any, ...], Row]:
    """The rows of a normalised frame by key and occurrence, in the frame's order of time."""
    frame = frame.with_columns(pl.col(name).str.to_uppercase() for name in compared.upper_case)
    frame = frame.sort([*compared.key, *compared.within], nulls_last=True, maintain_order=True)
    frame = frame.with_columns(pl.int_range(pl.len()).over(compared.key).alias(_OCCURRENCE))
    return {
        (*(row[name] for name in compared.key), row[_OCCURRENCE]): row for row in frame.iter_rows(named=True)
    }


def _exported_frame(dataset: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The export's frame in the layout of its dataset; a variable that it lacks counts as blank in every row."""
    there = {name.upper() for name in frame.columns}
    layout = LAYOUTS[dataset]
    absent = [name for name in layout.required if name not in there and name not in layout.key]
    padded = frame.with_columns(pl.lit(None).alias(name) for name in absent)
    return normalise(padded, dataset, f"exported {dataset}", unique=False)


def _compare_dataset(
    compared: ComparedDataset,
    originals: SdtmDatasets,
    exported: Mapping[str, pl.DataFrame],
    subjects: Mapping[str, OriginalSubject],
) -> DatasetComparison:
    original = originals[compared.name]
    frame = exported.get(compared.name)
    if frame is None:
        outcome = DatasetComparison(compared.name, original.height, 0, absent=True)
        exported_frame = original.clear()
    else:
        outcome = DatasetComparison(compared.name, original.height, frame.height)
        exported_frame = _exported_frame(compared.name, frame)
    before, after = _keyed(original, compared), _keyed(exported_frame, compared)
    _compare_rows(outcome, compared, before, after, subjects)
    both = [key for key in before if key in after]
    for name in compared.variables:
        variable = VariableComparison(name)
        for key in both:
            _compare_value(variable, compared, name, before[key], after[key], subjects)
        outcome.variables.append(variable)
    return outcome


def _key_of(compared: ComparedDataset, row: Row) -> dict[str, Any]:
    return {name: row[name] for name in compared.key}


def _subject(row: Row, subjects: Mapping[str, OriginalSubject]) -> OriginalSubject | None:
    return subjects.get(str(row.get("USUBJID")))


def _compare_rows(
    outcome: DatasetComparison,
    compared: ComparedDataset,
    before: Mapping[tuple[Any, ...], Row],
    after: Mapping[tuple[Any, ...], Row],
    subjects: Mapping[str, OriginalSubject],
) -> None:
    """Count the rows on both sides, and judge those on one side only."""
    outcome.rows.matched = sum(key in after for key in before)
    one_sided: list[tuple[Row, Row | None, Row | None]] = [
        *((row, row, None) for key, row in before.items() if key not in after),
        *((row, None, row) for key, row in after.items() if key not in before),
    ]
    for row, original, exported in one_sided:
        reason = reason_for(Difference(compared.name, None, original, exported, _subject(row, subjects)))
        if reason is not None:
            outcome.rows.excused(reason.code)
            continue
        outcome.missing += exported is None
        outcome.extra += original is None
        outcome.rows.differs(
            {"key": _key_of(compared, row), "original": _plain(original), "exported": _plain(exported)}
        )


def _plain(row: Row | None) -> dict[str, Any] | None:
    return (
        None
        if row is None
        else {name: value for name, value in row.items() if value is not None and name != _OCCURRENCE}
    )


def _compare_value(
    variable: VariableComparison,
    compared: ComparedDataset,
    name: str,
    original: Row,
    exported: Row,
    subjects: Mapping[str, OriginalSubject],
) -> None:
    before, after = original[name], exported[name]
    if before is None and after is None:
        variable.excused(NO_VALUE)
    elif before is None and name in compared.derived:
        variable.excused(NOT_STATED)
    elif before == after:
        variable.matched += 1
    else:
        reason = reason_for(Difference(compared.name, name, original, exported, _subject(original, subjects)))
        if reason is not None:
            variable.excused(reason.code)
        else:
            variable.differs({"key": _key_of(compared, original), "original": before, "exported": after})

"""The reader of an interim cut's files."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from forecasting.demand.drugdemand import COLUMNS, read_interim
from forecasting.demand.errors import BadInterim
from tests.forecasting.demand.small_interim import made_cut, write_files


def test_a_cut_is_read_as_it_was_written(tmp_path: Path) -> None:
    cut = made_cut(1, 300)
    read = read_interim(write_files(cut, tmp_path))
    for field in fields(cut):
        assert np.array_equal(getattr(read, field.name), getattr(cut, field.name)), field.name


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "what"),
    [
        (
            "interim_subjects.csv",
            "2024-01-01,S-000,",
            "2024-01-01,S-001,",
            "usubjid",
            "the same subject twice",
        ),
        ("interim_subjects.csv", ",active,", ",,", "treatment_description", "is not a text"),
        ("interim_subjects.csv", ".0,0.0,0.0,", ".5,0.0,0.0,", "time", "is not a whole number"),
        ("interim_subjects.csv", ".0,0.0,0.0,", ".0,2.0,0.0,", "event", "neither 0 nor 1"),
        ("interim_subjects.csv", ".0,1.0,0.0,", "9.0,1.0,0.0,", "time", "beyond cutoffdt"),
        ("interim_subjects.csv", ".0,1.0,0.0,", ".0,0.0,0.0,", "time", "ends before cutoffdt"),
        ("interim_dispensing.csv", "S-003,", "X-003,", "usubjid", "not in interim_subjects.csv"),
        ("interim_dispensing.csv", "Visit,2024-0", "Visit,2023-0", "date", "before the subject's randdt"),
        ("interim_dispensing.csv", "Visit,2024-", "Visit,2025-", "date", "after the subject's last day"),
        ("interim_dispensing.csv", ",1,1\n", ",9,1\n", "kit", "not in kit_description.csv"),
        ("interim_dispensing.csv", ",1,1\n", ",1,-1\n", "dispensed_quantity", "below 0"),
        ("dosing_schedule.csv", "1,28,2", "1,21,2", "target_days", "different target_days"),
        ("dosing_schedule.csv", "2,28,1,1000\n", "", "kit", "without a schedule"),
        ("treatment_by_drug.csv", "2,2\n", "", "treatment", "not in treatment_by_drug.csv"),
    ],
)
def test_a_fault_is_refused_by_file_and_column(
    tmp_path: Path, file: str, old: str, new: str, where: str, what: str
) -> None:
    path = write_files(made_cut(1, 300), tmp_path) / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInterim, match=what) as refused:
        read_interim(tmp_path)
    assert refused.value.field is not None
    assert "csv" in refused.value.field
    assert refused.value.field.endswith(f"column {where}")
    assert refused.value.fix


@pytest.mark.parametrize("file", COLUMNS)
def test_an_absent_file_and_an_absent_column_are_named(tmp_path: Path, file: str) -> None:
    path = write_files(made_cut(1, 100), tmp_path) / file
    first = next(iter(COLUMNS[file]))
    path.write_text(path.read_text(encoding="utf-8").replace(first, "other", 1), encoding="utf-8")
    with pytest.raises(BadInterim, match=f"lacks {first}"):
        read_interim(tmp_path)
    path.unlink()
    with pytest.raises(BadInterim, match="there is no"):
        read_interim(tmp_path)


def test_drugdemands_interim_has_the_kits_that_its_files_have(shared_data: Path) -> None:
    cut = read_interim(shared_data / "demand")
    assert dict(zip(cut.kits, cut.quantities.sum(axis=0).tolist(), strict=True)) == {
        "Drug A": 708,
        "Drug B": 705,
        "Drug C": 505,
        "Placebo": 372,
    }
    assert np.bincount(cut.arm).tolist() == [70, 70, 35]
    assert int(cut.ended.sum()) == 78

"""`rtsm pipeline refresh` and `rtsm export`, as typed, on a home with the small trial."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines.lake import Lake
from rtsm import app
from tests.pipelines.small_trial import STUDY, SmallTrial

Rtsm = Callable[..., Any]


@pytest.fixture
def rtsm(sqlite_trial: SmallTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rtsm:
    """Run a command in the trial's home; gives exit code and output."""
    monkeypatch.setenv("RTSM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RTSM_DATABASE_URL", raising=False)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, list(arguments))

    return run


@pytest.mark.slow
def test_a_refresh_says_what_was_built_and_the_second_that_nothing_was_to_do(
    rtsm: Rtsm, tmp_path: Path
) -> None:
    first = rtsm("pipeline", "refresh", STUDY, "--json")
    assert first.exit_code == 0, first.output
    answer = json.loads(first.stdout)
    assert (answer["changed"], answer["rows"]["sdtm/dm"], answer["cut_off"]) == (True, 7, "2026-04-14")
    assert Lake(tmp_path / "home").snapshot(STUDY, "blinded").name == answer["snapshots"]["blinded"]
    again = rtsm("pipeline", "refresh", STUDY)
    assert again.exit_code == 0
    assert "the lake was up to date as of ledger position" in again.stdout


@pytest.mark.slow
def test_an_export_is_blinded_unless_it_is_asked_to_unblind(rtsm: Rtsm, tmp_path: Path) -> None:
    for options, arms in (((), ["Blinded Treatment"]), (("--unblinded",), ["Active", "Placebo"])):
        out = tmp_path / "out"
        done = rtsm("export", "--study", STUDY, "--format", "csv,xpt", "--out", str(out), "--json", *options)
        assert done.exit_code == 0, done.output
        manifest = json.loads(done.stdout)
        assert manifest["blinded"] is (options == ())
        arm = pl.read_csv(out / "csv" / "dm.csv")["ARM"].drop_nulls().unique().sort().to_list()
        assert arm == arms
        assert (out / "xpt" / "dm.xpt").exists()
        assert (out / "csv" / "kit_movements.csv").exists()
        assert (out / "csv" / "kits.csv").exists() is (options != ())


@pytest.mark.slow
def test_the_same_ledger_gives_the_same_bytes_and_an_earlier_position_other_ones(
    rtsm: Rtsm, built_lake: Path, tmp_path: Path
) -> None:
    def files(name: str, *options: str) -> dict[str, bytes]:
        out = tmp_path / name
        done = rtsm("export", "--format", "xpt,dataset-json,parquet", "--out", str(out), *options)
        assert done.exit_code == 0, done.output
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    first = files("first")
    assert files("second") == first
    shutil.copytree(built_lake, tmp_path / "home" / "lake")
    assert rtsm("pipeline", "refresh", STUDY).stdout.startswith(f"{STUDY}: the lake was up to date")
    assert files("from-the-lake") == first
    assert files("earlier", "--as-of", "20") != first


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("pipeline", "refresh", "NOPE"), "study 'NOPE' is not loaded (loaded: SMALL-1)"),
        (("export", "--out", "x", "--study", "NOPE"), "study 'NOPE' is not loaded (loaded: SMALL-1)"),
        (("export", "--out", "x", "--as-of", "9999"), "no ledger position 9999"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_1(
    rtsm: Rtsm, arguments: tuple[str, ...], told: str
) -> None:
    done = rtsm(*arguments)
    assert done.exit_code == 1
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_unknown_format_is_refused_and_nothing_is_written(rtsm: Rtsm, tmp_path: Path) -> None:
    done = rtsm("export", "--out", str(tmp_path / "out"), "--format", "docx")
    assert done.exit_code == 1
    assert "docx" in done.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_usage_is_exit_code_2(rtsm: Rtsm) -> None:
    assert rtsm("export").exit_code == 2
    assert rtsm("pipeline", "refresh").exit_code == 2

"""The folder of a run: whole batches only, what is missing and nothing else is played, and another run is refused."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from simulation.engines.outcomes import OUTCOMES, SERIES
from simulation.replicates.folder import RunFolder, RunRefused
from simulation.replicates.playing import play_parts
from simulation.replicates.run import Engine, Run, batch_size, parts_of, play_part, read_run
from simulation.replicates.workforce import Workforce, workforce
from tests.simulation.replicates.conftest import write_small_trial


def played(folder: RunFolder, run: Run, replicates: int, size: int, workers: int = 1) -> list[int]:
    """Play what is missing; gives the first replicates of the batches that were played."""
    begun = []
    with workforce(replace(run, engine=Engine.COMPILED).engine, workers) as force:

        def play(part):
            begun.append(part.first)
            return play_part(part)

        play_parts(parts_of(run, folder.missing(replicates), size), force, folder.keep, play)
    return sorted(begun)


def results(folder: RunFolder, replicates: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    return folder.outcomes(replicates), folder.weekly(replicates).collect().sort("replicate", "week")


def test_results_do_not_depend_on_the_batches_or_the_workers(small_run: Run, tmp_path: Path) -> None:
    one = RunFolder(tmp_path / "one", small_run)
    assert played(one, small_run, 30, 100) == [0]
    outcomes, weekly = results(one, 30)
    assert outcomes.columns == ["replicate", *(column.name for column in OUTCOMES)]
    assert weekly.columns == ["replicate", "week", *(column.name for column in SERIES)]
    assert outcomes["replicate"].to_list() == list(range(30))
    assert outcomes["missed_dispensings"].sum() > 0
    for name, size, workers in (("sevens", 7, 1), ("threads", 4, 3)):
        other = RunFolder(tmp_path / name, small_run)
        assert played(other, small_run, 30, size, workers) == list(range(0, 30, size))
        for mine, theirs in zip(results(one, 30), results(other, 30), strict=True):
            assert_frame_equal(mine, theirs)


def test_a_run_that_was_cut_off_goes_on_with_what_is_missing(small_run: Run, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "cut", small_run)
    kept = 0

    def keep(batch):
        nonlocal kept
        if kept == 2:
            raise KeyboardInterrupt
        folder.keep(batch)
        kept += 1

    with workforce(small_run.engine, 1) as force, pytest.raises(KeyboardInterrupt):
        play_parts(parts_of(small_run, folder.missing(40), 10), force, keep)
    assert folder.missing(40) == [(20, 40)]
    again = RunFolder(tmp_path / "cut", small_run)
    assert played(again, small_run, 40, 15) == [20, 35]  # batches of another size are no hindrance
    assert again.missing(40) == []
    assert played(again, small_run, 50, 15) == [40]  # more replicates later
    whole = RunFolder(tmp_path / "whole", small_run)
    played(whole, small_run, 50, 50)
    for mine, theirs in zip(results(again, 50), results(whole, 50), strict=True):
        assert_frame_equal(mine, theirs)
    assert again.outcomes(25).height == 25  # fewer are the first ones


def test_a_process_killed_while_it_writes_leaves_no_part_of_a_file(small_run: Run, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, small_run)
    child = os.fork()
    if child == 0:
        folder.write(
            "outcomes/00000000-00000009.parquet",
            lambda path: (path.write_bytes(b"half"), os.kill(os.getpid(), signal.SIGKILL)),
        )
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = list((tmp_path / "outcomes").iterdir())
    assert [file.suffix for file in left] == [".unfinished"]
    assert RunFolder(tmp_path, small_run).missing(10) == [(0, 10)]
    assert list((tmp_path / "outcomes").iterdir()) == []  # and it is cleared away


def test_a_file_that_a_disk_did_not_keep_is_played_again(small_run: Run, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, small_run)
    played(folder, small_run, 30, 10)
    (tmp_path / "weekly" / "00000010-00000019.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "outcomes" / "00000020-00000029.parquet").unlink()
    assert folder.missing(30) == [(10, 30)]
    assert played(folder, small_run, 30, 20) == [10]
    assert folder.missing(30) == []


def test_another_run_in_the_same_folder_is_refused_with_field_and_fix(small_run: Run, tmp_path: Path) -> None:
    RunFolder(tmp_path / "runs", small_run)
    changed = read_run(write_small_trial(tmp_path / "changed", max_buffer=3), Engine.SIMPY)
    for other, field, message in (
        (replace(small_run, seed=99), "--seed", "seed 1, not 99"),
        (replace(small_run, engine=Engine.COMPILED), "--engine", "engine simpy, not compiled"),
        (changed, "SCENARIO", r"before it or its protocol changed \(other resupply\)"),
    ):
        with pytest.raises(RunRefused, match=message) as refused:
            RunFolder(tmp_path / "runs", other)
        assert (refused.value.field, refused.value.code) == (field, "other-run")
        assert "--out" in str(refused.value.fix)
    RunFolder(tmp_path / "runs", small_run)  # the same is welcome


def test_other_rules_are_refused_by_the_folder_and_by_the_worker(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFolder(tmp_path, small_run)
    part = next(parts_of(small_run, [(0, 1)], 1))
    monkeypatch.setattr("simulation.replicates.run.rules_hash", lambda: "edited")
    monkeypatch.setattr("simulation.replicates.folder.rules_hash", lambda: "edited")
    with pytest.raises(RunRefused, match="other rules or engines"):
        RunFolder(tmp_path, small_run)
    with pytest.raises(Exception, match="a worker has other rules") as refused:
        play_part(part)
    assert refused.value.code == "other-rules"


def test_a_folder_that_cannot_be_used_is_refused(small_run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RunRefused, match="cannot be written to") as refused:
        RunFolder(file / "below", small_run)
    assert refused.value.field == "--out"
    folder = RunFolder(tmp_path / "runs", small_run)
    for text in ("{", "[]"):
        (folder.folder / "manifest.json").write_text(text)
        with pytest.raises(RunRefused, match=r"manifest\.json that cannot be read"):
            RunFolder(folder.folder, small_run)
    (folder.folder / "manifest.json").unlink()
    (folder.folder / "outcomes" / "00000000-00000009.parquet").touch()
    with pytest.raises(RunRefused, match="results without a manifest"):
        RunFolder(folder.folder, small_run)


@pytest.mark.parametrize(
    ("replicates", "workers", "size"), [(1, 1, 100), (1000, 2, 100), (10_000, 2, 625), (10**6, 4, 1000)]
)
def test_batches_are_of_100_to_1000_replicates_and_several_for_each_worker(
    replicates: int, workers: int, size: int
) -> None:
    assert batch_size(replicates, workers) == size


def test_errors_of_a_worker_reach_the_caller(small_run: Run) -> None:
    def fail(_part):
        raise ZeroDivisionError("in a worker")

    with workforce(Engine.COMPILED, 2) as force, pytest.raises(ZeroDivisionError, match="in a worker"):
        play_parts(parts_of(small_run, [(0, 10)], 5), Workforce(force.executor, lambda: 2), print, fail)

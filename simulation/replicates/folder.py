"""The folder of a run: a manifest that says what is played, and a Parquet file for the outcomes and for the weeks of each finished batch.

    manifest.json                       engine, seed, hashes of the plan and of the rules
    outcomes/00000000-00000099.parquet  a row a replicate: `replicate` and the columns of OUTCOMES
    weekly/00000000-00000099.parquet    a row a replicate and week: `replicate`, `week` and the columns of SERIES

A file appears whole or not at all, and a batch is there when its outcomes are: so a run may be cut off at any moment, and goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import psutil

from simulation.engines.outcomes import OUTCOMES, SERIES, Batch, Column
from simulation.errors import SimulationError
from simulation.replicates.run import Run, rules_hash

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
OUTCOMES_FOLDER: Final = "outcomes"
WEEKLY_FOLDER: Final = "weekly"
_UNFINISHED: Final = ".unfinished"
_IN_PARTS: Final = ("currency", "kg")
"""Units that are not counted in whole numbers."""


class RunRefused(SimulationError):
    """The folder of a run cannot be written to, or holds another run."""

    default_code = "run-refused"


class RunFolder:
    """A run's folder. Two commands may write to one at the same time: both write the same."""

    def __init__(self, folder: Path, run: Run) -> None:
        """Open the folder for the run, or make it. Raises RunRefused where it holds another run or cannot be written to."""
        self.folder = folder
        manifest = _manifest(run)
        try:
            for name in (OUTCOMES_FOLDER, WEEKLY_FOLDER):
                (folder / name).mkdir(parents=True, exist_ok=True)
            _clear(folder)
            if (folder / MANIFEST).exists():
                _check_same(json.loads((folder / MANIFEST).read_text(encoding="utf-8")), manifest, folder)
            elif any((folder / OUTCOMES_FOLDER).iterdir()):
                raise _refused(folder, "has results without a manifest")
            else:
                text = json.dumps(manifest, indent=2) + "\n"
                self.write(MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))
        except OSError as unwritable:
            raise RunRefused(
                f"{folder} cannot be written to ({unwritable.strerror})",
                field="--out",
                fix="name a folder that you may write to",
            ) from unwritable
        except (ValueError, AttributeError) as unreadable:
            raise _refused(folder, f"has a {MANIFEST} that cannot be read") from unreadable

    def missing(self, replicates: int) -> list[tuple[int, int]]:
        """The ranges (first, last + 1) of the first `replicates` that are not there."""
        ranges, reached = [], 0
        for first, end in self._batches():
            if first >= replicates:
                break
            if first > reached:
                ranges.append((reached, first))
            reached = end
        return [*ranges, (reached, replicates)] if reached < replicates else ranges

    def keep(self, batch: Batch) -> None:
        """Write a batch: its weeks first, so that it is whole when its outcomes are there."""
        count, weeks, _ = batch.weekly.shape
        replicates = np.arange(batch.first, batch.first + count)
        weekly = pl.DataFrame(
            {
                "replicate": np.repeat(replicates, weeks),
                "week": np.tile(np.arange(weeks, dtype=np.int32), count),
                **{
                    column.name: batch.weekly[:, :, index].ravel().astype(np.int32)
                    for index, column in enumerate(SERIES)
                },
            }
        )
        whole = [column.name for column in OUTCOMES if column.unit not in _IN_PARTS]
        outcomes = batch.frame().with_columns(pl.col(whole).cast(pl.Int64))
        name = _file_name(batch.first, batch.first + count)
        self.write_frame(weekly, f"{WEEKLY_FOLDER}/{name}", SERIES)
        self.write_frame(outcomes, f"{OUTCOMES_FOLDER}/{name}", OUTCOMES)

    def outcomes(self, replicates: int) -> pl.DataFrame:
        """The outcomes of the first `replicates`, in their order."""
        return self._scan(OUTCOMES_FOLDER, replicates).collect().sort("replicate")

    def weekly(self, replicates: int) -> pl.LazyFrame:
        """The weeks of the first `replicates`, still to be read."""
        return self._scan(WEEKLY_FOLDER, replicates)

    def write_frame(self, frame: pl.DataFrame, name: str, columns: tuple[Column, ...] = ()) -> None:
        """Write a frame as Parquet, with unit and meaning of its columns in the file."""
        told = {column.name: f"{column.unit}: {column.meaning}" for column in columns}
        self.write(name, lambda path: frame.write_parquet(path, compression="zstd", metadata=told))

    def write(self, name: str, content: Callable[[Path], object]) -> Path:
        """Write a file of the folder by `content`, so that it appears whole or not at all, whatever happens meanwhile."""
        return write_whole(self.folder / name, content)

    def _scan(self, name: str, replicates: int) -> pl.LazyFrame:
        files = [
            self.folder / name / _file_name(first, end)
            for first, end in self._batches()
            if first < replicates
        ]
        return pl.scan_parquet(files).filter(pl.col("replicate") < replicates)

    def _batches(self) -> list[tuple[int, int]]:
        """The batches that are there and whole, in their order, none over another (which two commands at a time may leave)."""
        kept: list[tuple[int, int]] = []
        for file in sorted((self.folder / OUTCOMES_FOLDER).glob("*.parquet")):
            first, last = (int(part) for part in file.stem.split("-"))
            if kept and first < kept[-1][1]:
                continue
            if _rows(file) == last + 1 - first and _rows(self.folder / WEEKLY_FOLDER / file.name) > 0:
                kept.append((first, last + 1))
        return kept


def write_whole(path: Path, content: Callable[[Path], object]) -> Path:
    """Write a file by `content`, so that it appears whole or not at all, whatever happens meanwhile."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{_UNFINISHED}")
    try:
        content(unfinished)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _file_name(first: int, end: int) -> str:
    return f"{first:08}-{end - 1:08}.parquet"


def _rows(file: Path) -> int:
    """Rows by the end of the file, which is written last; -1 for a file that a disk did not keep."""
    try:
        return int(pl.scan_parquet(file).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError):
        return -1


def _manifest(run: Run) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "study": run.protocol.study.id,
        "scenario": run.scenario.name,
        "engine": run.engine.value,
        "seed": run.seed,
        "rules": rules_hash(),
        "plan": run.plan_hashes(),
        "openrtsm": version("openrtsm"),
    }


def _check_same(there: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    if there.get("format") != FORMAT:
        raise _refused(folder, "was written by another version of this command")
    before, now = there.get("plan") or {}, wanted["plan"]
    changed = [topic for topic in {**before, **now} if before.get(topic) != now.get(topic)]
    if changed:
        name = f"scenario {there.get('scenario')}"
        name += "" if there.get("scenario") != wanted["scenario"] else ", before it or its protocol changed"
        raise _refused(folder, f"has results of {name} (other {', '.join(changed)})", "SCENARIO")
    for field, option in (("seed", "--seed"), ("engine", "--engine")):
        if there.get(field) != wanted[field]:
            raise _refused(folder, f"has results of {field} {there.get(field)}, not {wanted[field]}", option)
    if there.get("rules") != wanted["rules"]:
        raise _refused(folder, "has results of other rules or engines: this version has changed them")


def _refused(folder: Path, what: str, field: str = "--out") -> RunRefused:
    return RunRefused(
        f"{folder} {what}", code="other-run", field=field, fix="name another folder with --out, or remove it"
    )


def _clear(folder: Path) -> None:
    """Remove what a command that was killed left unfinished."""
    for file in folder.rglob(f".*{_UNFINISHED}"):
        owner = file.name.removesuffix(_UNFINISHED).rpartition(".")[2]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            file.unlink(missing_ok=True)

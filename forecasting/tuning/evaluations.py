"""What candidates come to, replicate by replicate, on common random numbers: played where it is not known yet, and kept in a folder.

A replicate's random numbers are addressed by its number, never by the thresholds, so the replicates `first` to `first` + n - 1 of two
candidates are the same trial tapes (common random numbers). Batches are kept as they come, a file each: an interrupted tuning goes on, and
since all that is decided is a function of what was evaluated, it ends as an unbroken one does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecasting.tuning.candidates import Candidate
from forecasting.tuning.errors import OtherTuning
from forecasting.tuning.figures import from_day_0
from forecasting.tuning.trial import Trial
from simulation.engines.outcomes import OUTCOMES, Batch
from simulation.replicates.folder import write_whole
from simulation.replicates.run import Part, play_part, rules_hash

Play = Callable[[Part], Batch]
Want = tuple[Candidate, int]
"""A candidate, and how many replicates of it are wanted."""

BATCH: Final = 250
"""Replicates of a batch."""
SEARCH: Final = 0
CERTIFICATION: Final = 1_000_000_000
"""The first replicates of the search and of the certification: no search comes so far, so certification sees fresh numbers."""
EVALUATED: Final = "evaluated"
MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1


class LimitReached(Exception):
    """No more replicates may be played."""


class Evaluations:
    """All that was evaluated of a trial. `limit`: replicates that may be used in all; `used` counts those that were asked for."""

    def __init__(
        self,
        trial: Trial,
        folder: Path | None,
        limit: int,
        workers: int = 1,
        tailored: bool = False,
        played: Callable[[int], None] = lambda _: None,
        play: Play = play_part,
    ) -> None:
        """`folder` None: nothing is kept. `played` is told of replicates as they come. Raises OtherTuning for a folder of another trial."""
        self.trial, self.folder, self.limit = trial, folder, limit
        self.workers, self.tailored, self.played, self._play = workers, tailored, played, play
        self.used = self.restored = 0
        self.candidates: dict[str, Candidate] = {}
        self._known: dict[tuple[str, int], NDArray[np.float64]] = {}
        if folder is not None:
            _open(folder, trial)

    def count(self, candidate: Candidate, start: int = SEARCH) -> int:
        """Replicates from `start` on that were asked for of a candidate."""
        return len(self._known.get((candidate.key, start), ()))

    def outcomes(
        self, candidate: Candidate, count: int | None = None, start: int = SEARCH
    ) -> NDArray[np.float64]:
        """The outcomes of the first `count` replicates from `start` on; None: of all that were asked for."""
        found = self._known[candidate.key, start]
        return found if count is None else found[:count]

    def evaluate(self, wants: Iterable[Want], start: int = SEARCH, keep_back: int = 0) -> None:
        """See that so many replicates (up to whole batches) of each candidate are there.

        Raises LimitReached, before any is played, where all together would leave fewer than `keep_back` of the limit.
        """
        missing: list[tuple[Candidate, int]] = []
        for candidate, count in wants:
            self.candidates.setdefault(candidate.key, candidate)
            there = self.count(candidate, start)
            missing += [(candidate, first) for first in range(there, count, BATCH)]
        missing = list(dict.fromkeys(missing))
        if self.used + BATCH * len(missing) > self.limit - keep_back:
            raise LimitReached
        found = self._get(missing, start)
        new: dict[tuple[str, int], list[NDArray[np.float64]]] = {}
        for candidate, first in missing:
            place = candidate.key, start
            new.setdefault(place, [self._known[place]] if place in self._known else []).append(
                found[candidate, first]
            )
            self.used += BATCH
        self._known |= {place: np.concatenate(parts) for place, parts in new.items()}

    def _get(
        self, missing: list[tuple[Candidate, int]], start: int
    ) -> dict[tuple[Candidate, int], NDArray[np.float64]]:
        found: dict[tuple[Candidate, int], NDArray[np.float64]] = {}
        parts: dict[tuple[Candidate, int], Part] = {}
        run = self.trial.run
        for candidate, first in missing:
            kept = self._read(candidate, start + first)
            if kept is not None:
                found[candidate, first] = kept
                self.restored += BATCH
                self.played(BATCH)
                continue
            plan = self.trial.plan_under(candidate.thresholds)
            parts[candidate, first] = Part(
                plan, run.engine, run.seed, start + first, BATCH, rules_hash(), self.tailored
            )
        for wanted, played in self._in_turn(parts):
            outcomes = from_day_0(played, self.trial.plan)
            self._write(wanted[0], start + wanted[1], outcomes)
            found[wanted] = outcomes
            self.played(BATCH)
        return found

    def _in_turn(
        self, parts: dict[tuple[Candidate, int], Part]
    ) -> Iterator[tuple[tuple[Candidate, int], NDArray[np.float64]]]:
        """The outcomes of each batch as it is done; the engine runs without the interpreter's lock, so threads play it.

        Where there are fewer batches than threads, each is played in pieces.
        """
        if self.workers == 1:
            for wanted, part in parts.items():
                yield wanted, self._play(part).outcomes
            return
        pieces = 1 if len(parts) >= self.workers else self.workers
        pool = ThreadPoolExecutor(self.workers)
        try:
            waiting: dict[Future[Batch], tuple[Candidate, int]] = {}
            done: dict[tuple[Candidate, int], list[Batch]] = {wanted: [] for wanted in parts}
            for wanted, part in parts.items():
                edges = [round(at * part.count / pieces) for at in range(pieces + 1)]
                for first, end in pairwise(edges):
                    piece = replace(part, first=part.first + first, count=end - first)
                    waiting[pool.submit(self._play, piece)] = wanted
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    wanted = waiting.pop(future)
                    done[wanted].append(future.result())
                    if len(done[wanted]) == pieces:
                        whole = sorted(done[wanted], key=lambda batch: batch.first)
                        yield wanted, np.concatenate([batch.outcomes for batch in whole])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _file(self, candidate: Candidate, first: int) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / EVALUATED / f"{candidate.key}-{first:012}.parquet"

    def _read(self, candidate: Candidate, first: int) -> NDArray[np.float64] | None:
        file = self._file(candidate, first)
        if file is None or not file.exists():
            return None
        try:
            rows = pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError):
            return None
        return rows.select(column.name for column in OUTCOMES).to_numpy() if rows.height == BATCH else None

    def _write(self, candidate: Candidate, first: int, outcomes: NDArray[np.float64]) -> None:
        file = self._file(candidate, first)
        if file is not None:
            frame = Batch(first, outcomes, np.zeros((0, 0, 0), dtype=np.int64)).frame()
            write_whole(file, lambda path: frame.write_parquet(path, compression="zstd"))


def _open(folder: Path, trial: Trial) -> None:
    manifest: dict[str, Any] = {
        "format": _FORMAT,
        "study": trial.run.protocol.study.id,
        "seed": trial.run.seed,
        "rules": rules_hash(),
        "plan": trial.run.plan_hashes(),
        "openrtsm": version("openrtsm"),
    }
    file = folder / MANIFEST
    try:
        (folder / EVALUATED).mkdir(parents=True, exist_ok=True)
        if file.exists():
            there = json.loads(file.read_text(encoding="utf-8"))
            changed = [name for name in manifest if name != "openrtsm" and there.get(name) != manifest[name]]
            if changed:
                raise OtherTuning(
                    f"{folder} has what was evaluated of another trial (other {', '.join(changed)})",
                    field="--out",
                    fix="name another folder with --out, or remove it",
                )
        else:
            text = json.dumps(manifest, indent=2) + "\n"
            write_whole(file, lambda path: path.write_text(text, encoding="utf-8"))
    except OSError as unwritable:
        raise OtherTuning(
            f"{folder} cannot be written to ({unwritable.strerror})",
            field="--out",
            fix="name a folder that you may write to",
        ) from unwritable
    except (ValueError, AttributeError) as unreadable:
        raise OtherTuning(
            f"{folder} has a {MANIFEST} that cannot be read",
            field="--out",
            fix="name another folder with --out, or remove it",
        ) from unreadable

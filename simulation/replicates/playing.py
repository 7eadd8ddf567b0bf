"""Hands the batches to the workers, keeps each result as it comes, and gives the batch of a lost worker to another."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from typing import Final

from simulation.engines.outcomes import Batch
from simulation.errors import SimulationError
from simulation.replicates.run import Part, play_part
from simulation.replicates.workforce import Workforce

MOST_TRIES: Final = 3
"""Workers that a batch may take down with it before it is to blame."""
LOOK_AGAIN_SECONDS: Final = 5
"""How long to wait for a batch before asking whether there is room for more: workers may join a cluster."""


class BatchLost(SimulationError):
    """A batch could not be played: every worker that had it was lost, or the cluster went away."""

    default_code = "batch-lost"


def play_parts(
    parts: Iterable[Part],
    workers: Workforce,
    keep: Callable[[Batch], None],
    play: Callable[[Part], Batch] = play_part,
) -> None:
    """Play all `parts`, in any order, and give each batch to `keep` as soon as it is there. `play` is what a worker does.

    Raises what a worker raises, and BatchLost; what was kept before stays.
    """
    waiting = deque(parts)
    playing: dict[Future[Batch], Part] = {}
    tries: Counter[int] = Counter()
    while waiting or playing:
        room = workers.room()
        while waiting and len(playing) < room:
            part = waiting.popleft()
            playing[workers.executor.submit(play, part)] = part
        for future in wait(playing, LOOK_AGAIN_SECONDS, FIRST_COMPLETED).done:
            part = playing.pop(future)
            try:
                batch = future.result()
            except CancelledError as gone:  # nobody cancels here: the scheduler is out of reach
                raise BatchLost(
                    "the cluster went away",
                    code="cluster-lost",
                    field="--cluster",
                    fix="start it again; the same command goes on from here",
                ) from gone
            except BrokenExecutor as lost:
                tries[part.first] += 1
                if tries[part.first] >= MOST_TRIES:
                    raise _lost(part) from lost
                waiting.appendleft(part)
                continue
            except Exception as error:
                if type(error).__name__ == "KilledWorker":  # Dask's, which is not loaded without a cluster
                    raise _lost(part) from error
                raise
            keep(batch)


def _lost(part: Part) -> BatchLost:
    return BatchLost(
        f"replicates {part.first} to {part.first + part.count - 1} ended {MOST_TRIES} workers that played them",
        field="replicates",
        fix="see whether the workers run out of memory and whether the cluster is up; the same command goes on from here",
    )

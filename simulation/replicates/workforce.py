"""Who plays the batches, behind one interface (`concurrent.futures.Executor`): this process, its threads, processes, or a Dask cluster.

The compiled engine runs without the interpreter's lock, so on this machine it is played by threads: nothing is copied, and the kernel is
compiled once. The SimPy engine holds the lock and is played by processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from simulation.replicates.processes import Processes
from simulation.replicates.run import Engine


@dataclass(frozen=True)
class Workforce:
    """An executor, and how many batches may be with it at a time: one that is played and one that waits for each worker."""

    executor: Executor
    room: Callable[[], int]


class Here(Executor):
    """Plays each batch in this process when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The finished future of the call."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed over, as every executor does
            done.set_exception(error)
        return done


def workers_of_machine() -> int:
    """The processors of this machine."""
    return os.cpu_count() or 1


@contextmanager
def workforce(engine: Engine, workers: int, cluster: str | None = None) -> Iterator[Workforce]:
    """The workers of a run: `workers` of this machine, or those of a Dask cluster (its address, or `local` for one made here).

    What has not begun when the block ends is given up. Raises ClusterError for a cluster that cannot be reached.
    """
    if cluster is not None:
        from simulation.replicates.cluster import joined  # here: loading Dask takes a second

        with joined(cluster, workers) as client:
            yield Workforce(client.executor, client.room)
        return
    if workers == 1:
        yield Workforce(Here(), lambda: 1)
        return
    executor = ThreadPoolExecutor(workers) if engine is Engine.COMPILED else Processes(workers)
    try:
        yield Workforce(executor, lambda: 2 * workers)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)

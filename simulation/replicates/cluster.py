"""A Dask cluster as workers: one that runs somewhere (tcp://HOST:PORT), or one that is started on this machine for the run.

The scheduler gives the batches of a lost worker to others by itself (`distributed.scheduler.allowed-failures` times, 3 if not set).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from distributed import Client, LocalCluster

from simulation.errors import SimulationError

LOCAL: Final = "local"
REACH_SECONDS: Final = 10
"""How long a scheduler may take to answer."""


class ClusterError(SimulationError):
    """A cluster cannot be reached, went away, or lost a batch with every worker that had it."""

    default_code = "cluster"


@dataclass(frozen=True)
class Joined:
    """A cluster in use: its executor, and how many batches may be with it now (workers may come and go)."""

    executor: Executor
    room: Callable[[], int]


@contextmanager
def joined(cluster: str, workers: int) -> Iterator[Joined]:
    """The cluster at an address; `local`: a new one of `workers` processes, which ends with the block. Raises ClusterError."""
    with ExitStack() as stack:
        logging.getLogger("distributed").setLevel(logging.ERROR)  # what goes wrong comes as an error
        address = cluster if cluster != LOCAL else stack.enter_context(_local(workers)).scheduler_address
        client = stack.enter_context(_client(address))

        def room() -> int:
            try:
                return max(2, 2 * sum(client.nthreads().values()))
            except (OSError, AttributeError):  # cut off: the batches that are out will say so
                return 0

        executor = client.get_executor(pure=False)
        try:
            yield Joined(executor, room)
        finally:
            executor.shutdown(wait=False)


@contextmanager
def _local(workers: int) -> Iterator[LocalCluster]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.ERROR,
            local_directory=folder,
        ) as cluster,
    ):
        yield cluster


@contextmanager
def _client(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=REACH_SECONDS, set_as_default=False)
    except (OSError, ValueError) as unreachable:
        raise ClusterError(
            f"no Dask scheduler answers at {address}",
            code="cluster-unreachable",
            field="--cluster",
            fix="start it with `dask scheduler` and `dask worker`, correct the address, or use local",
        ) from unreachable
    with client:
        yield client

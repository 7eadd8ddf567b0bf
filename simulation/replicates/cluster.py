"""A Dask cluster as workers: one that runs somewhere (tcp://HOST:PORT, or the scheduler's file), or one that is started here for the run.

The scheduler gives the batches of a lost worker to others by itself (`distributed.scheduler.allowed-failures` times, 3 if not set).
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from distributed import Client, LocalCluster

from simulation.errors import SimulationError

LOCAL: Final = "local"
REACH_SECONDS: Final = 10
"""How long a scheduler may take to answer."""
START_SECONDS: Final = 120
"""How long the workers of a local cluster may take to start."""


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
    """The cluster at an address, or that of a scheduler's file; `local`: a new one of `workers` processes, which ends with the block.

    Raises ClusterError.
    """
    with ExitStack() as stack:
        logging.getLogger("distributed").setLevel(logging.ERROR)  # what goes wrong comes as an error
        client = stack.enter_context(_local(workers) if cluster == LOCAL else _client(_address(cluster)))

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
def _local(workers: int) -> Iterator[Client]:
    """A scheduler in this process, with workers as Dask's own command starts them.

    Not those of a LocalCluster: each of these runs the main module of this process first, which may be a page of Streamlit.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        # Any port, on this machine alone: without an address it would ask for 8787 and complain where another run has it.
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR) as scheduler,
        _client(scheduler.scheduler_address) as client,
        _worker_command(scheduler.scheduler_address, workers, Path(folder)) as (process, log),
    ):
        latest = time.monotonic() + START_SECONDS
        while len(client.nthreads()) < workers:
            if process.poll() is not None or time.monotonic() > latest:
                told = log.read_text(encoding="utf-8").splitlines() or ["they say nothing"]
                raise ClusterError(
                    f"the workers of the local cluster do not start: {told[-1]}",
                    code="cluster-not-started",
                    field="--cluster",
                    fix="play without --cluster, or with fewer --workers",
                )
            time.sleep(0.05)
        yield client


@contextmanager
def _worker_command(
    address: str, workers: int, folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The command that runs so many worker processes with one thread each, and what it writes. It ends with the block."""
    log = folder / "workers.log"
    command = [sys.executable, "-m", "dask", "worker", address, "--nthreads", "1", "--nworkers", str(workers)]
    command += ["--no-dashboard", "--local-directory", str(folder), "--death-timeout", str(START_SECONDS)]
    # What this process can import, they can.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, env=environment, stdout=written, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process, log
    finally:
        process.terminate()
        try:
            process.wait(timeout=REACH_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(cluster: str) -> str:
    """The address itself, or the one in the file that a scheduler wrote (`dask scheduler --scheduler-file`)."""
    if "://" in cluster:
        return cluster
    try:
        return str(json.loads(Path(cluster).read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError) as other:
        raise ClusterError(
            f"{cluster} is no file of a Dask scheduler",
            code="cluster-unreachable",
            field="--cluster",
            fix="name the file of `dask scheduler --scheduler-file`, an address, or local",
        ) from other


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

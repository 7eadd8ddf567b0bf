"""`rtsm simulate --cluster` on a scheduler and workers that run on their own, as `dask scheduler` and `dask worker` start them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

import rtsm
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

REPLICATES = 150
SECONDS = 120
"""How long anything here may take on a machine that has much else to do."""


class Cluster(NamedTuple):
    """A scheduler's file, and the processes of its workers."""

    file: Path
    workers: list[subprocess.Popen[bytes]]

    @property
    def address(self) -> str:
        """As the scheduler tells it."""
        return str(json.loads(self.file.read_text(encoding="utf-8"))["address"])


def wait_until(happened: Callable[[], bool]) -> None:
    latest = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < latest, "it does not happen"
        time.sleep(0.02)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler at a free port, and two workers of one thread."""
    file = tmp_path / "scheduler.json"
    with ExitStack() as stack:

        def started(*arguments: object) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "dask", *map(str, arguments), "--no-dashboard"]
            process = stack.enter_context(
                subprocess.Popen(
                    command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            stack.callback(process.kill)
            return process

        started("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file)
        worker = ("worker", "--scheduler-file", file, "--nthreads", 1, "--no-nanny")
        workers = [started(*worker, "--local-directory", tmp_path / name) for name in ("one", "two")]
        wait_until(file.exists)
        yield Cluster(file, workers)


def simulate(scenario: Path, out: Path, replicates: int, *more: object) -> None:
    arguments = ["--replicates", replicates, "--engine", "simpy", "--batch", 10, "--out", out, *more]
    result = CliRunner().invoke(rtsm.app, ["simulate", str(scenario), *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert f"{replicates:,} replicates played" in result.stdout or "were there before" in result.stdout


def test_a_remote_cluster_that_loses_a_worker_gives_the_serial_results(
    small_file: Path, tmp_path: Path, cluster: Cluster
) -> None:
    """First by the scheduler's file, then by its address: the second command goes on, and a worker is killed while it does."""
    out, serial = tmp_path / "cluster", tmp_path / "serial"
    simulate(small_file, out, 20, "--cluster", cluster.file)
    kept_when_killed = []

    def kill_one() -> None:
        batches = out / "outcomes"
        wait_until(lambda: len(list(batches.glob("*.parquet"))) >= 4)
        cluster.workers[0].kill()
        kept_when_killed.append(len(list(batches.glob("*.parquet"))))

    killer = threading.Thread(target=kill_one)
    killer.start()
    simulate(small_file, out, REPLICATES, "--cluster", cluster.address)
    killer.join()
    assert kept_when_killed[0] < REPLICATES / 10, "it was killed in the middle of the run"
    assert cluster.workers[0].wait() < 0
    assert cluster.workers[1].poll() is None
    simulate(small_file, serial, REPLICATES, "--workers", 1)
    for part in ("outcomes", "weekly"):
        played, expected = (
            pl.read_parquet(folder / part).sort(pl.selectors.by_name("replicate", "week", require_all=False))
            for folder in (out, serial)
        )
        assert_frame_equal(played, expected)
    assert expected.height > REPLICATES

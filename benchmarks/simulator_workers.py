"""Two worker processes against one, on the same replicates of RTSM-BENCH-100, in turn in every round."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

from benchmarks.bench100 import Thresholds
from benchmarks.bench100_study import bench100_study
from simulation.engines import compiled
from simulation.engines.plan_of_study import plan_of


@cache
def _plan(thresholds: Thresholds) -> Any:
    return plan_of(*bench100_study(thresholds))


def _play(thresholds: Thresholds, first: int, count: int) -> float:
    outcomes = compiled.play_batch(_plan(thresholds), 1, first, count).outcomes
    return float(outcomes.sum())


def _shared_by(
    pool: ProcessPoolExecutor, workers: int, thresholds: Thresholds, count: int
) -> tuple[float, float]:
    """(seconds, a checksum) of `count` replicates in as many equal batches as there are workers."""
    share = count // workers
    start = time.perf_counter()
    sums = [pool.submit(_play, thresholds, share * one, share) for one in range(workers)]
    total = sum(one.result() for one in sums)
    return time.perf_counter() - start, total


def two_workers(thresholds: Thresholds, rounds: int, count: int) -> dict[str, float]:
    """How many times as fast two workers are as one: median, least and most over the rounds.

    Raises ValueError where they do not give the same outcomes: a replicate may not depend on who plays it.
    """
    count -= count % 2
    found = []
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for _ in range(4):  # both workers have the kernel and the plan
            _shared_by(pool, 2, thresholds, 8)
        for turn in range(rounds):
            order = (1, 2) if turn % 2 else (2, 1)
            seconds = {}
            sums = set()
            for workers in order:
                seconds[workers], total = _shared_by(pool, workers, thresholds, count)
                sums.add(round(total, 3))
            if len(sums) != 1:
                raise ValueError(f"two workers and one differ in their outcomes: {sums}")
            found.append(seconds[1] / seconds[2])
    return {"median": statistics.median(found), "least": min(found), "most": max(found)}

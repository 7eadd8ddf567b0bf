"""The compiled engine: `play_batch` for many replicates, `play` for one with its trace. What it plays is a `TrialPlan`.

The first call of a fresh cache compiles for some seconds; later processes read the kernel from the cache (cache.py). Memory is for one
replicate and thread, whatever the number of replicates, beside the results.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from simulation.engines.compiled.batches import play_many
from simulation.engines.compiled.cache import kernel
from simulation.engines.compiled.memory import EVENTS, memory_for
from simulation.engines.outcomes import N_OUTCOMES, N_SERIES, Batch, Replicate
from simulation.engines.plan import TrialPlan
from simulation.engines.trace import COLUMNS, canonical

MASK = 0xFFFFFFFFFFFFFFFF


def play_batch(
    plan: TrialPlan, seed: int, first: int, count: int, *, threads: int = 1, tailored: bool = False
) -> Batch:
    """Play replicates `first` to `first` + `count` - 1; the results are the same for any number of threads.

    `tailored`: by a kernel compiled for plans of this shape, with the same results in little more than half of the time; the first call
    for a shape compiles for a minute or two, whatever is in the cache for others.
    """
    outcomes = np.zeros((count, N_OUTCOMES), dtype=np.float64)
    weekly = np.zeros((count, plan.calendar.weeks, N_SERIES), dtype=np.int64)
    edges = [round(index * count / threads) for index in range(threads + 1)]
    run = kernel(play_many)

    def part(begin: int, end: int) -> None:
        capacity, done = plan.subjects_expected, begin
        while done < end:
            memory = memory_for(plan, capacity, tailored=tailored and capacity == plan.subjects_expected)
            done += run(
                *memory,
                np.uint64(seed & MASK),
                np.uint64(first + done),
                outcomes[done:end],
                weekly[done:end],
            )
            capacity *= 2

    if threads == 1:
        part(0, count)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for waiting in [pool.submit(part, *pair) for pair in pairwise(edges)]:
                waiting.result()
    return Batch(first, outcomes, weekly)


def play(plan: TrialPlan, seed: int, replicate: int, trace: bool = True) -> Replicate:
    """Play one replicate, with its trace."""
    if not trace:
        batch = play_batch(plan, seed, replicate, 1)
        return Replicate(batch.outcomes[0], batch.weekly[0], None)
    capacity, room = plan.subjects_expected, 4096
    run = kernel(play_many)
    while True:
        outcomes = np.zeros((1, N_OUTCOMES), dtype=np.float64)
        weekly = np.zeros((1, plan.calendar.weeks, N_SERIES), dtype=np.int64)
        memory = memory_for(plan, capacity, room)
        played = run(*memory, np.uint64(seed & MASK), np.uint64(replicate), outcomes, weekly)
        events = int(memory.ints[memory.at["level"][0] + EVENTS])
        if not played:
            capacity *= 2
        elif events > room:
            room = events
        else:
            begin = memory.at["trace"][0]
            rows = memory.ints[begin : begin + events * len(COLUMNS)]
            return Replicate(outcomes[0], weekly[0], canonical(rows))

"""How the cost of a replicate grows with subject-visits and with sites, and what a very large trial takes in time and memory."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.bench100 import LEAVES, SITES, VISITS, Thresholds
from benchmarks.bench100_study import bench100_study
from simulation.engines import compiled
from simulation.engines.outcomes import VISITS as VISITS_MADE
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of

SUBJECTS_OF = (600, 1200, 2400, 4800)
SITES_OF = (100, 400, 1600)
BUSY = 2400
"""Subjects where sites are varied."""
LARGE = {"sites": 1000, "subjects": 10_000, "visits": 52}


def _ms(plan: TrialPlan, count: int, seed: int) -> float:
    start = time.process_time()
    compiled.play_batch(plan, seed, 0, count)
    return 1000 * (time.process_time() - start) / count


def growth(thresholds: Thresholds, rounds: int) -> dict[str, Any]:
    """By subject-visits and by sites: ms by size, the slope of a line through them in us, and the exponent of a power law."""
    per_subject = (1 - (1 - LEAVES) ** VISITS) / LEAVES
    plans = {
        "subject-visits": {
            per_subject * subjects: plan_of(*bench100_study(thresholds, SITES, subjects))
            for subjects in SUBJECTS_OF
        },
        "sites": {sites: plan_of(*bench100_study(thresholds, sites, BUSY)) for sites in SITES_OF},
    }
    found = {}
    compiled.play_batch(plans["sites"][SITES], 0, 0, 1)  # the kernel is there
    for name, by_size in plans.items():
        times: dict[float, list[float]] = {size: [] for size in by_size}
        for turn in range(rounds):
            for size, plan in by_size.items():
                times[size].append(_ms(plan, 40, turn))
        ms = {size: statistics.median(some) for size, some in times.items()}
        sizes, values = np.array(list(ms)), np.array(list(ms.values()))
        found[name] = {
            "ms_by_size": ms,
            "slope_us": float(1000 * np.polyfit(sizes, values, 1)[0]),
            "exponent": float(np.polyfit(np.log(sizes), np.log(values), 1)[0]),
        }
    return found


def large_trial() -> dict[str, float]:
    """Play the large trial in a process of its own; gives its time and memory.

    Raises subprocess.CalledProcessError where it fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", "from benchmarks.simulator_growth import play_large_trial as p; p()"],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def play_large_trial() -> None:
    """Play it in this process, and print what it took as JSON."""
    compiled.play_batch(plan_of(*bench100_study(Thresholds(5, 14))), 1, 0, 1)
    before = _peak_mb()
    plan = plan_of(*bench100_study(Thresholds(5, 14), **LARGE))
    with_plan = _peak_mb()
    compiled.play_batch(plan, 1, 0, 1)
    one = _peak_mb()
    start = time.process_time()
    batch = compiled.play_batch(plan, 1, 0, 10)
    visits = batch.outcomes[:, VISITS_MADE].mean()
    seconds = (time.process_time() - start) / 10
    report = {
        "ms a replicate": 1000 * seconds,
        "visits a replicate": float(visits),
        "ns a visit": float(1e9 * seconds / visits),
        "MB before (Python, numba, kernel)": before,
        "MB peak with the plan": with_plan,
        "MB peak of one replicate": one,
        "MB peak of ten": _peak_mb(),
    }
    print(json.dumps(report))

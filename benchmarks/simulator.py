"""How fast the compiled engine plays RTSM-BENCH-100, as ratios to a SimPy model of it and to a bare kernel of it in the same run.

* speed: processor time of a replicate on one core, against `simpy_peer.py` (one daily review process; also with a review of the changed
  sites only) and `floor_kernel.py`, in turn in every round; the aims are those of the engine compiled for the plan (`--tailored`), and the
  one for any plan stands beside it; and the whole time of two worker processes against one;
* growth: processor time by subject-visits and by sites, and a trial of 10,000 subjects at 1,000 sites with 52 visits, with its memory;
* command: the whole time of a warm `rtsm simulate` of 1,000 replicates.

`--check` exits with 1 where an aim is missed. `python -m benchmarks.simulator --help` lists the options.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import floor_kernel, simpy_peer
from benchmarks.bench100 import Thresholds
from benchmarks.bench100_study import bench100_study
from benchmarks.machine import machine_facts
from benchmarks.simulator_command import warm_command
from benchmarks.simulator_growth import growth, large_trial
from benchmarks.simulator_workers import two_workers
from simulation.engines import compiled
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of

THRESHOLDS = Thresholds(2, 5)
"""The pair with the most shipments."""
SIMPY, CHANGED, FLOOR = "SimPy, daily review", "SimPy, changed sites", "bare kernel"
ENGINE, TAILORED = "engine for any plan", "engine"
"""The second is compiled for the plan (`rtsm simulate --tailored`), as for every long run."""
PIECES = 4
"""Into so many pieces a round's work is cut, taken in turn."""

AIMS = {
    "engine to SimPy": (">=", 150.0),
    "engine to bare kernel": (">=", 0.5),
    "two workers to one": (">=", 1.7),
    "cost by subject-visits, exponent": ("<=", 1.15),
    "cost by sites, exponent": ("<=", 1.15),
    "warm command, s": ("<=", 5.0),
}
"""What is asked for (issue 5): ratio or seconds -> at least or at most. An exponent of 1 is linear."""


def works(replicates: int) -> dict[str, tuple[int, Callable[[int], Any]]]:
    """By name: how many replicates a piece plays, and the work, given a seed."""
    plan = plan_of(*bench100_study(THRESHOLDS))
    if not same_results(plan):
        raise AssertionError(
            "the kernel that is compiled for the plan gives other results than that for any plan"
        )

    def simpy(count: int, only_changed: bool) -> Callable[[int], Any]:
        return lambda seed: [
            simpy_peer.play(THRESHOLDS, 1000 * seed + one, only_changed) for one in range(count)
        ]

    return {
        SIMPY: (2, simpy(2, False)),
        CHANGED: (2, simpy(2, True)),
        FLOOR: (replicates, lambda seed: floor_kernel.play(THRESHOLDS, seed, replicates)),
        ENGINE: (replicates, lambda seed: compiled.play_batch(plan, seed, 0, replicates)),
        TAILORED: (replicates, lambda seed: compiled.play_batch(plan, seed, 0, replicates, tailored=True)),
    }


def same_results(plan: TrialPlan) -> bool:
    """Whether both kernels give the same replicates, figure for figure."""
    any_plan = compiled.play_batch(plan, 11, 5, 50)
    tailored = compiled.play_batch(plan, 11, 5, 50, tailored=True)
    return np.array_equal(any_plan.outcomes, tailored.outcomes) and np.array_equal(
        any_plan.weekly, tailored.weekly
    )


def measure(todo: dict[str, tuple[int, Callable[[int], Any]]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of a replicate, by name and round; the order of the turns is reversed with every piece."""
    for _, work in todo.values():
        work(0)
    seconds: dict[str, list[float]] = {name: [] for name in todo}
    order = list(todo)
    for turn in range(rounds):
        spent = dict.fromkeys(todo, 0.0)
        for piece in range(PIECES):
            for name in order:
                start = time.process_time()
                todo[name][1](1 + turn * PIECES + piece)
                spent[name] += time.process_time() - start
            order.reverse()
        for name, (count, _) in todo.items():
            seconds[name].append(spent[name] / (PIECES * count))
    return seconds


def ratio(seconds: dict[str, list[float]], ours: str, peer: str) -> dict[str, float]:
    """How many times as fast as the peer one of ours is: median, least and most over the rounds."""
    found = [other / own for other, own in zip(seconds[peer], seconds[ours], strict=True)]
    return {"median": statistics.median(found), "least": min(found), "most": max(found)}


def missed_aims(found: dict[str, float]) -> list[str]:
    """A line for each aim that was measured and missed."""
    missed = []
    for name, (sense, aim) in AIMS.items():
        if name in found and not (found[name] >= aim if sense == ">=" else found[name] <= aim):
            missed.append(f"{name}: {found[name]:.2f}, not {sense} {aim:g}")
    return missed


def run(rounds: int, replicates: int, parts: Sequence[str]) -> dict[str, Any]:
    """Measure the parts that are asked for; gives what was found, with the single numbers of AIMS under `aims`."""
    report: dict[str, Any] = {}
    aims: dict[str, float] = {}
    if "speed" in parts:
        seconds = measure(works(replicates), rounds)
        report["ms_per_replicate"] = {
            name: 1000 * statistics.median(found) for name, found in seconds.items()
        }
        report["ratios"] = {
            f"{ours} to {peer}": ratio(seconds, ours, peer)
            for ours in (TAILORED, ENGINE)
            for peer in (SIMPY, CHANGED, FLOOR)
        }
        aims["engine to SimPy"] = report["ratios"][f"engine to {SIMPY}"]["median"]
        aims["engine to bare kernel"] = report["ratios"][f"engine to {FLOOR}"]["median"]
        report["ratios"]["two workers to one"] = two_workers(THRESHOLDS, rounds, 10 * replicates)
        aims["two workers to one"] = report["ratios"]["two workers to one"]["median"]
    if "growth" in parts:
        report["growth"] = growth(THRESHOLDS, rounds)
        for name, found in report["growth"].items():
            aims[f"cost by {name}, exponent"] = found["exponent"]
        report["large_trial"] = large_trial()
    if "command" in parts:
        report["warm_command_s"] = warm_command()
        aims["warm command, s"] = statistics.median(report["warm_command_s"])
    report["aims"] = aims
    report["missed"] = missed_aims(aims)
    return report


def show(report: dict[str, Any]) -> None:
    """Print a report for people."""
    for name, found in report.get("ms_per_replicate", {}).items():
        print(f"{name:>24} {found:9.3f} ms of a processor a replicate")
    if "ratios" in report:
        print(f"\n{'':>42} {'median':>9} {'least':>8} {'most':>8}")
    for name, row in report.get("ratios", {}).items():
        print(f"{name:>42} {row['median']:9.2f} {row['least']:8.2f} {row['most']:8.2f}")
    for name, row in report.get("growth", {}).items():
        sizes = ", ".join(f"{size:g}: {ms:.3f}" for size, ms in row["ms_by_size"].items())
        print(f"\nms a replicate by {name}: {sizes}")
        print(f"  slope {row['slope_us']:.3f} us each, exponent {row['exponent']:.2f} (1 is linear)")
    if "large_trial" in report:
        print("\n10,000 subjects, 1,000 sites, 52 visits:")
        for name, found in report["large_trial"].items():
            print(f"{name:>32} {found:,.1f}")
    if "warm_command_s" in report:
        print(
            "\nwarm rtsm simulate, 1,000 replicates:",
            ", ".join(f"{s:.1f} s" for s in report["warm_command_s"]),
        )
    for line in report["missed"]:
        print(f"missed: {line}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument(
        "--replicates", type=int, default=200, help="replicates of a compiled piece (default 200)"
    )
    parser.add_argument(
        "--part", action="append", choices=("speed", "growth", "command"), help="only this; again for more"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 where an aim is missed")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    facts = machine_facts()
    report = run(options.rounds, options.replicates, options.part or ("speed", "growth", "command"))
    facts["whole run"] = f"{time.perf_counter() - start:.0f} s"
    if options.json:
        print(json.dumps({"machine": facts, **report}, indent=2))
    else:
        for name, fact in facts.items():
            print(f"{name:>24}  {fact}")
        print()
        show(report)
    return 1 if options.check and report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())

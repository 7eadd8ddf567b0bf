"""How few replicates `rtsm tune` needs to find the known optimum of RTSM-BENCH-100, for three risks.

The reference optima are those of brute force over 153 points, min_buffer 0 to 16 and max_buffer 2 to 10 above it, with 20,000 replicates
each: 3,060,000. A shipment costs 250, a kit 100. A tuning is scored by its choice, its cost against the optimum's, whether the choice keeps
the risk on fresh replicates that neither its search nor its certificate has seen, and the replicates that it used.

`--wider` lets the grid reach as far as the closed forms see any use, and finds what is cheaper than the optimum of the 153 points.
`--check` exits with 1 where an aim is missed. `python -m benchmarks.tuning --help` lists the options.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.bench100_study import SCENARIO
from benchmarks.machine import machine_facts
from forecasting.tuning.evaluations import BATCH, Evaluations
from forecasting.tuning.figures import figure
from forecasting.tuning.grid import parse_grid
from forecasting.tuning.objective import Objective, ObjectiveName
from forecasting.tuning.risk import parse_risk
from forecasting.tuning.run import LIMIT
from forecasting.tuning.trial import Trial, trial_of_documents
from forecasting.tuning.tuning import Asked, Tuned, tune
from simulation.engines.compiled import play_batch
from simulation.replicates.workforce import workers_of_machine

GRID = ["min_buffer=0:16", "max_above_min=2:10"]
BRUTE_FORCE = 153 * 20_000
FRESH_FROM = 2_000_000_000
"""The first replicate of those that judge a choice."""
WITHIN = 0.002
"""Of the optimum's cost, where the choice is another."""


class Optimum(NamedTuple):
    """The best of the 153 points, and its cost."""

    label: str
    cost: float


OPTIMA = {
    "missed_share<=0.001": Optimum("(5, 14)", 992_266),
    "any_missed<=0.1": Optimum("(8, 17)", 1_052_527),
    "any_missed<=0.2": Optimum("(7, 16)", 1_032_613),
}
"""Of the project's field notes; the costs have standard errors of about 60."""


def score(trial: Trial, risk: str, grid: list[str], fresh: int, tailored: bool) -> dict[str, Any]:
    """Tune for a risk, and judge the choice on `fresh` replicates more (0: not)."""
    workers = workers_of_machine()
    begun = time.perf_counter()
    evaluations = Evaluations(trial, None, LIMIT, workers, tailored)
    asked = Asked(
        parse_risk(risk), Objective(ObjectiveName.COST, trial.run.protocol.study.currency), parse_grid(grid)
    )
    tuned = tune(evaluations, asked)
    found: dict[str, Any] = {
        "risk": risk,
        "choice": tuned.choice.label,
        "certified": tuned.feasible,
        "upper_bound": tuned.certificate.upper_bound,
        "replicates": evaluations.used,
        "points": len(tuned.evaluated),
        "seconds": time.perf_counter() - begun,
        "optimum": OPTIMA[risk].label,
        "cost_of_optimum": OPTIMA[risk].cost,
    }
    return found | judged(trial, tuned, fresh, workers, tailored)


def judged(trial: Trial, tuned: Tuned, fresh: int, workers: int, tailored: bool) -> dict[str, Any]:
    """The choice's cost and risk on fresh replicates; without any, its cost in the search."""
    judge = tuned.judge
    if not fresh:
        return {"cost": judge.value(tuned.choice), "fresh_risk": None, "keeps_risk": None}
    plan = trial.plan_under(tuned.choice.thresholds)
    outcomes = play_batch(
        plan, trial.run.seed, FRESH_FROM, fresh, threads=workers, tailored=tailored
    ).outcomes
    risk = judge.risk.estimate(outcomes)
    return {
        "cost": float(np.mean(figure(outcomes, "cost"))),
        "fresh_risk": risk,
        "keeps_risk": bool(risk <= judge.risk.at_most),
    }


def missed_aims(found: list[dict[str, Any]]) -> list[str]:
    """A line for each aim that was missed: the optimum or nearly its cost, feasible, with few replicates."""
    missed = []
    for one in found:
        above = one["cost"] / one["cost_of_optimum"] - 1
        if one["choice"] != one["optimum"] and above > WITHIN:
            missed.append(
                f"{one['risk']}: {one['choice']} costs {100 * above:.2f} % more than {one['optimum']}"
            )
        if not one["certified"] or one["keeps_risk"] is False:
            missed.append(f"{one['risk']}: {one['choice']} does not keep the risk")
        if one["replicates"] > LIMIT:
            missed.append(f"{one['risk']}: {one['replicates']:,} replicates, more than {LIMIT:,}")
    return missed


def show(found: list[dict[str, Any]]) -> None:
    """Print the scores for people."""
    print(
        f"{'risk':>20} {'optimum':>8} {'choice':>8} {'cost':>10} {'to optimum':>10} {'fresh risk':>11} {'bound':>9} "
        f"{'points':>6} {'replicates':>10} {'of brute force':>14} {'seconds':>8}"
    )
    for one in found:
        above = 100 * (one["cost"] / one["cost_of_optimum"] - 1)
        fresh = "" if one["fresh_risk"] is None else f"{one['fresh_risk']:.6f}"
        print(
            f"{one['risk']:>20} {one['optimum']:>8} {one['choice']:>8} {one['cost']:10,.0f} {above:+9.2f}% {fresh:>11} "
            f"{one['upper_bound']:9.6f} {one['points']:6} {one['replicates']:10,} "
            f"{100 * one['replicates'] / BRUTE_FORCE:13.2f}% {one['seconds']:8.1f}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of all random numbers (default 1)")
    parser.add_argument(
        "--fresh",
        type=int,
        default=50_000,
        help="replicates that judge each choice (default 50,000; 0: none)",
    )
    parser.add_argument("--wider", action="store_true", help="also search as far as closed forms see any use")
    parser.add_argument("--tailored", action="store_true", help="by a kernel compiled for the plan")
    parser.add_argument("--check", action="store_true", help="exit with 1 where an aim is missed")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    trial = trial_of_documents(SCENARIO, options.seed)
    play_batch(trial.plan, 0, 0, 1, tailored=options.tailored)  # compiled before the clock starts
    facts = machine_facts()
    found = [score(trial, risk, GRID, options.fresh, options.tailored) for risk in OPTIMA]
    wider = [score(trial, risk, [], options.fresh, options.tailored) for risk in OPTIMA if options.wider]
    missed = missed_aims(found)
    if options.json:
        print(json.dumps({"machine": facts, "tunings": found, "wider": wider, "missed": missed}, indent=2))
    else:
        for name, fact in facts.items():
            print(f"{name:>24}  {fact}")
        print(f"\nOver the 153 points of the reference, in batches of {BATCH}, at most {LIMIT:,} replicates:")
        show(found)
        if wider:
            print("\nAs far as closed forms see any use:")
            show(wider)
        for line in missed:
            print(f"missed: {line}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())

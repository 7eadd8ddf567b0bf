"""The report of a tuning: what was chosen, what it rests on, what each rival would cost; as JSON with its hash, and as a table of points.

Nothing in it depends on when or by how many workers it was made, so a resumed tuning writes the same bytes as an unbroken one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import norm

from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.study.canonical import canonical_json as canonical_document
from forecasting.tuning.candidates import Candidate
from forecasting.tuning.choosing import measured
from forecasting.tuning.evaluations import CERTIFICATION, SEARCH
from forecasting.tuning.figures import SHOWN, SUMS, figure
from forecasting.tuning.tuning import Asked, Tuned
from simulation.engines.outcomes import OUTCOMES
from simulation.replicates.folder import write_whole
from simulation.scenario import Scenario

KIND: Final = "threshold-tuning"
_MOST_RIVALS: Final = 20


class Written(NamedTuple):
    """A report on disk, with the scenario whose hash it names: what is filed with the service. `files`: all others."""

    path: Path
    sha256: str
    report: dict[str, Any]
    scenario: Scenario
    files: tuple[Path, ...]


def report_of(tuned: Tuned) -> dict[str, Any]:
    """The report as plain values."""
    asked, evaluations = tuned.asked, tuned.judge.evaluations
    baseline = asked.baseline
    certified = evaluations.count(tuned.choice, CERTIFICATION)
    return {
        "kind": KIND,
        **evaluations.trial.facts(),
        "objective": asked.objective.as_json(),
        "risk": asked.risk.as_json(),
        "by": list(asked.by),
        "grid": {name: list(values) for name, values in asked.grid.items()},
        "feasible": tuned.feasible,
        "why": tuned.why,
        "choice": row_of(tuned, tuned.choice, CERTIFICATION),
        "certificate": tuned.certificate.as_json(),
        "baseline": None if baseline is None else row_of(tuned, baseline, CERTIFICATION),
        "against_baseline": None if baseline is None else differences(tuned, baseline, certified),
        "chance_of_a_better_one": tuned.mistake,
        "indifference": asked.indifference,
        "failed": [
            {"label": one.label, "key": one.key, "certificate": certificate.as_json()}
            for one, certificate in tuned.failed
        ],
        "rivals": [row_of(tuned, one) for one in tuned.rivals[:_MOST_RIVALS]],
        "pareto": [row_of(tuned, one) for one in pareto(tuned)],
        "points": len(tuned.evaluated),
        "replicates_used": evaluations.used,
        "fit": evaluations.trial.fit,
        "calibration": evaluations.trial.calibration,
    }


def row_of(tuned: Tuned, candidate: Candidate, start: int = SEARCH) -> dict[str, Any]:
    """A candidate with what it comes to, in the replicates of the search or of the certification."""
    judge = tuned.judge
    outcomes = judge.evaluations.outcomes(candidate, start=start)
    means, errors = {}, {}
    for name in (*(column.name for column in OUTCOMES), *SUMS):
        found = measured(figure(outcomes, name))
        means[name], errors[name] = found.mean, found.error
    low, high = judge.risk.interval(outcomes)
    missed = figure(outcomes, "missed")
    return {
        "key": candidate.key,
        "label": candidate.label,
        "parameters": list(candidate.parameters),
        "replicates": len(outcomes),
        "objective": float(judge.objective.values(outcomes).mean()),
        "cost": means["cost"],
        "risk": {"estimate": judge.risk.estimate(outcomes), "low": float(low), "high": float(high)},
        "missed_share": float(missed.sum() / max(figure(outcomes, "visits").sum(), 1)),
        "any_missed": float((missed > 0).mean()),
        "means": means,
        "standard_errors": errors,
    }


def differences(tuned: Tuned, baseline: Candidate, count: int) -> dict[str, Any]:
    """The choice less the baseline on the same fresh replicates, with paired 95 % intervals; shares are of the baseline's mean."""
    evaluations = tuned.judge.evaluations
    count = min(count, evaluations.count(baseline, CERTIFICATION))
    pair = [evaluations.outcomes(one, count, CERTIFICATION) for one in (tuned.choice, baseline)]
    found: dict[str, Any] = {"replicates": count}
    for name in SHOWN:
        own, other = (figure(outcomes, name) for outcomes in pair)
        found[name] = _difference(own, other)
    any_own, any_other = (np.asarray(figure(one, "missed") > 0, dtype=np.float64) for one in pair)
    found["any_missed"] = _difference(any_own, any_other)
    return found


def _difference(own: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float | None]:
    found = measured(own - other)
    half = float(norm.ppf(0.975)) * found.error
    whole = float(other.mean())
    return {
        "difference": found.mean,
        "low": found.mean - half,
        "high": found.mean + half,
        "share": found.mean / whole if whole else None,
    }


def pareto(tuned: Tuned) -> list[Candidate]:
    """Of all that was evaluated, those that none beats in both risk and objective; by falling risk."""
    judge = tuned.judge
    front: list[Candidate] = []
    least = np.inf
    for one in sorted(tuned.evaluated, key=lambda one: (judge.value(one), judge.excess(one).mean, one.key)):
        if judge.excess(one).mean < least:
            least = judge.excess(one).mean
            front.append(one)
    return front


def points_of(tuned: Tuned) -> pl.DataFrame:
    """Every evaluated point: a row each."""
    rows = []
    front = {one.key for one in pareto(tuned)}
    for one in tuned.evaluated:
        row = row_of(tuned, one)
        rows.append(
            {
                **{name: row[name] for name in ("key", "label", "replicates", "objective")},
                **{f"risk_{name}": value for name, value in row["risk"].items()},
                **{name: row[name] for name in ("missed_share", "any_missed")},
                **{f"mean_{name}": value for name, value in row["means"].items()},
                **{f"error_{name}": value for name, value in row["standard_errors"].items()},
                "parameters": json.dumps(row["parameters"]),
                "on_pareto_front": one.key in front,
                "chosen": one == tuned.choice,
            }
        )
    return pl.DataFrame(rows).sort("objective", "key")


def name_of(asked: Asked, limit: int) -> str:
    """The name of the report's files: of what was asked for, so that questions about one trial stand beside each other."""
    text = json.dumps(
        [
            asked.risk.as_json(),
            asked.objective.as_json(),
            {name: list(values) for name, values in sorted(asked.grid.items())},
            asked.by,
            None if asked.baseline is None else (asked.baseline.key, asked.baseline.label),
            asked.indifference,
            limit,
        ]
    )
    return f"tune-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def write_report(tuned: Tuned, folder: Path) -> Written:
    """Write the report (`tune-XXXXXXXX.json`), its scenario and all points beside it; answers the report's path and hash.

    The report is canonical JSON, so that the SHA-256 of its bytes is that under which the service keeps it when it is filed.
    """
    report = report_of(tuned)
    scenario = tuned.judge.evaluations.trial.run.scenario
    name = name_of(tuned.asked, tuned.judge.evaluations.limit)
    points, text, assumed = points_of(tuned), canonical_json(report), canonical_document(scenario)
    files = (
        write_whole(
            folder / f"{name}-points.parquet", lambda path: points.write_parquet(path, compression="zstd")
        ),
        write_whole(
            folder / f"{name}-scenario.json", lambda path: path.write_text(assumed, encoding="utf-8")
        ),
    )
    file = write_whole(folder / f"{name}.json", lambda path: path.write_text(text, encoding="utf-8"))
    return Written(file, sha256_hex(text), report, scenario, files)

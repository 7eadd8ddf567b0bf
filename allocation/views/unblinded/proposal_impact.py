"""The simulated impact of a proposal, baseline against proposed, as its report has it."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Final

from allocation.study.tuning_report import RiskEstimate, SimulatedRow, TuningReport
from allocation.views.unblinded.proposal_models import ComparedOutcome, ComparedRisk, Estimate

CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def compared_outcomes(report: TuningReport) -> tuple[ComparedOutcome, ...]:
    """Every outcome that either of the two has, the objective first and then as the report has them.

    Where the report has no paired difference, its interval takes the two means as independent: sqrt(se1^2 + se2^2). Under common random
    numbers they are positively correlated as a rule, and the interval is then wider than it need be (Law, Simulation Modeling and Analysis,
    5th ed., 11.2).
    """
    base, ours = report.baseline, report.choice
    names = dict.fromkeys([*_means(ours), *(() if base is None else _means(base))])
    first = [name for name in names if name == report.objective.name]
    return tuple(_compared(report, name) for name in [*first, *(name for name in names if name not in first)])


def _compared(report: TuningReport, name: str) -> ComparedOutcome:
    base, ours, paired = report.baseline, report.choice, report.paired(name)
    if paired is not None:
        difference: Estimate | None = Estimate(mean=paired.difference, low=paired.low, high=paired.high)
    else:
        difference = None if base is None else _difference(base, ours, name)
    return ComparedOutcome(
        outcome=name,
        baseline=None if base is None else _estimate(base, name),
        proposed=_estimate(ours, name),
        difference=difference,
        paired=paired is not None,
    )


def compared_risk(report: TuningReport) -> ComparedRisk:
    """The risk of the two with its interval, and what fresh replicates certify of the choice."""
    certificate = report.certificate
    return ComparedRisk(
        measure=report.risk.measure,
        at_most=report.risk.at_most,
        baseline=None if report.baseline is None else _of_risk(report.baseline.risk),
        proposed=_of_risk(report.choice.risk),
        replicates=certificate.replicates,
        events=certificate.events,
        upper_bound=certificate.upper_bound,
        confidence=certificate.confidence,
        feasible=report.feasible,
        certified=report.certified,
    )


def _means(row: SimulatedRow) -> dict[str, float]:
    """The row's means, with its cost where that stands apart."""
    return dict(row.means) if row.cost is None else {"cost": row.cost, **row.means}


def _estimate(row: SimulatedRow, name: str) -> Estimate | None:
    mean = _means(row).get(name)
    return None if mean is None else _with_interval(mean, row.standard_errors.get(name))


def _difference(base: SimulatedRow, ours: SimulatedRow, name: str) -> Estimate | None:
    before, after = _means(base).get(name), _means(ours).get(name)
    if before is None or after is None:
        return None
    errors = [row.standard_errors.get(name) for row in (base, ours)]
    known = [error for error in errors if error is not None]
    both = sqrt(sum(error * error for error in known)) if len(known) == len(errors) else None
    return _with_interval(after - before, both)


def _with_interval(mean: float, error: float | None) -> Estimate:
    if error is None:
        return Estimate(mean=mean, low=None, high=None)
    return Estimate(mean=mean, low=mean - _Z * error, high=mean + _Z * error)


def _of_risk(risk: RiskEstimate | None) -> Estimate | None:
    return None if risk is None else Estimate(mean=risk.estimate, low=risk.low, high=risk.high)

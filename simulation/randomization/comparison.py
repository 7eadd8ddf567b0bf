"""Designs side by side: each figure exact where it can be, else from simulated trials with its standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulation.randomization.bias import false_positives
from simulation.randomization.compiled import compiled
from simulation.randomization.contenders import Contender, trials
from simulation.randomization.kernels import OUTCOMES, measure
from simulation.randomization.plan import TrialPlan

Report = Callable[[int, int, str], None]
"""Told (done, total, what is worked on)."""

_IMBALANCES: Final = frozenset({"overall", "largest", "stratum", "margin"})


@dataclass(frozen=True)
class Figure:
    """A value and its standard error; exact where there is none."""

    value: float
    standard_error: float | None = None

    @property
    def exact(self) -> bool:
        """Whether it was computed, not simulated."""
        return self.standard_error is None

    def times(self, factor: float) -> Figure:
        """The figure in another unit."""
        error = self.standard_error
        return Figure(self.value * factor, None if error is None else error * factor)

    def as_json(self) -> dict[str, Any]:
        """Value, whether it is exact, and the standard error of a simulated one."""
        shown: dict[str, Any] = {"value": self.value, "exact": self.exact}
        return shown if self.exact else {**shown, "standard_error": self.standard_error}


@dataclass(frozen=True)
class Row:
    """The figures of one design.

    `overall`, `margin`, `stratum`: expected imbalance at the end, of the study and the mean over factor levels and over strata;
    `largest`: the largest overall imbalance on the way. Imbalance is |N1 - N2| with two arms 1:1, else the Euclidean length of the
    deviations from the ratio. `loss`: subjects' worth of information lost (Atkinson). `correct`: proportion of right guesses by the
    convergence strategy; `excess`: right guesses in the trial beyond those under complete randomization (Blackwell & Hodges).
    `determined`: proportion of certain assignments. `forcing`: mean distance of the probabilities from the ratio.
    `trend`, `guessing`: how often a test at 5 % that does not adjust finds an effect where there is none, under the plan's biases.
    """

    label: str
    method: str
    overall: Figure
    largest: Figure
    loss: Figure
    margin: Figure | None
    stratum: Figure | None
    correct: Figure
    excess: Figure
    determined: Figure
    forcing: Figure
    trend: Figure | None = None
    guessing: Figure | None = None
    of_protocol: bool = False

    def figures(self) -> dict[str, Figure]:
        """Name -> figure, without those that make no sense for the plan or were not asked for."""
        names = (
            "overall",
            "margin",
            "stratum",
            "largest",
            "loss",
            "correct",
            "excess",
            "determined",
            "forcing",
            "trend",
            "guessing",
        )
        return {name: figure for name in names if (figure := getattr(self, name)) is not None}


def compare(
    plan: TrialPlan, contenders: Sequence[tuple[str, Contender, bool]], report: Report = lambda *_: None
) -> list[Row]:
    """A row for each contender, given as (method, contender, whether it is the protocol's own)."""
    rows: list[Row] = []
    for done, (method, contender, own) in enumerate(contenders):
        report(done, len(contenders), contender.label)
        rows.append(_row(plan, method, contender, own))
    report(len(contenders), len(contenders), "")
    return rows


def simulated(plan: TrialPlan, contender: Contender) -> NDArray[np.float64]:
    """The outcomes of every simulated trial: replicates x OUTCOMES."""
    outcomes = np.empty((plan.replicates, len(OUTCOMES)), dtype=np.float64)
    ratio = np.array(plan.ratio, dtype=np.int64)
    start = 0
    for strata, arms, chances in trials(plan, contender):
        by_stratum = contender.watched == "strata"
        compiled(measure)(
            arms,
            chances,
            strata,
            len(plan.prevalences),
            plan.margins,
            plan.margin_count,
            strata if by_stratum else np.zeros_like(strata),
            len(plan.prevalences) if by_stratum else 1,
            ratio,
            outcomes[start : start + len(strata)],
        )
        start += len(strata)
    return outcomes


def _row(plan: TrialPlan, method: str, contender: Contender, own: bool) -> Row:
    exact = contender.exact(plan)
    strata = len(plan.prevalences) > 1
    needed = set(OUTCOMES) if strata else set(OUTCOMES) - {"margin", "stratum"}
    outcomes = simulated(plan, contender) if needed - set(exact) else np.zeros((0, len(OUTCOMES)))
    unit = float(np.sqrt(2)) if plan.even else 1.0

    def figure(name: str) -> Figure:
        found = Figure(exact[name]) if name in exact else _mean(outcomes[:, OUTCOMES.index(name)])
        return found.times(unit) if name in _IMBALANCES else found

    errors = {
        name: _mean(wrong.astype(np.float64)) for name, wrong in false_positives(plan, contender).items()
    }
    return Row(
        label=contender.label,
        method=method,
        overall=figure("overall"),
        largest=figure("largest"),
        loss=figure("loss"),
        margin=figure("margin") if strata else None,
        stratum=figure("stratum") if strata else None,
        correct=figure("correct"),
        excess=figure("gain").times(plan.subjects),
        determined=figure("determined"),
        forcing=figure("forcing"),
        trend=errors.get("trend"),
        guessing=errors.get("guessing"),
        of_protocol=own,
    )


def _mean(column: NDArray[np.float64]) -> Figure:
    return Figure(float(column.mean()), float(column.std(ddof=1) / np.sqrt(len(column))))

"""The demand forecast of an interim cut: kits by type and week to a day, of those on study and of those still to come, with quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from forecasting.demand.enrolment import block_of, draw_arms, draw_arrivals, enrolment_rate, weekly_counts
from forecasting.demand.errors import BadRequest
from forecasting.demand.interim import Days, InterimCut
from forecasting.demand.posterior import draw_parameters, seen_gaps
from forecasting.demand.projection import newcomers, on_study, play

QUANTILES: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
LEVEL: Final = 0.9
FEW: Final = 20
"""Below so many observations the prior still weighs, and the forecast says so."""
LONGEST_DAYS: Final = 1830
_AT_ONCE: Final = 500
"""Replicates played together: keeps the arrays in some tens of megabytes."""


@dataclass(frozen=True)
class Models:
    """The models that a forecast uses; the defaults are those that the back-test chose (README)."""

    enrolment: str = "recent"
    leaving: str = "constant"


@dataclass(frozen=True)
class DemandForecast:
    """Draws of the demand: `of_present` and `of_new` by draw, week after the cut (the last may be shorter) and kit type.

    `newcomers`: subjects randomized after the cut, by draw. `basis`: what each part rests on, with the observations.
    """

    cut: InterimCut
    until: date
    models: Models
    target: int | None
    seed: int
    of_present: Days
    of_new: Days
    newcomers: Days
    basis: dict[str, str]

    @property
    def total(self) -> Days:
        """Kits by draw and kit type in the whole time."""
        found: Days = (self.of_present + self.of_new).sum(axis=1)
        return found

    def as_json(self) -> dict[str, Any]:
        """As plain values: quantiles and means of kits, in all, by who asks for them, and by week."""
        cut, weekly = self.cut, self.of_present + self.of_new
        ends = [
            min(cut.cut_on + timedelta(days=7 * (week + 1)), self.until) for week in range(weekly.shape[1])
        ]
        running = np.cumsum(weekly, axis=1)
        return {
            "what": "kits dispensed after cut_on until the day until, that included",
            "cut_on": cut.cut_on.isoformat(),
            "until": self.until.isoformat(),
            "interval_level": LEVEL,
            "enrolment_target": self.target,
            "seed": self.seed,
            "draws": len(weekly),
            "models": {"enrolment": self.models.enrolment, "leaving": self.models.leaving},
            "basis": self.basis,
            "kits": [
                {
                    "kit": name,
                    **summary(self.total[:, kit]),
                    "of_subjects_on_study": summary(self.of_present[:, :, kit].sum(axis=1)),
                    "of_new_subjects": summary(self.of_new[:, :, kit].sum(axis=1)),
                }
                for kit, name in enumerate(cut.kits)
            ],
            "all_kits": summary(self.total.sum(axis=1)),
            "new_subjects": summary(self.newcomers),
            "weeks": [
                {
                    "until": end.isoformat(),
                    "kits": {
                        name: {
                            "in_week": summary(weekly[:, week, kit]),
                            "since_cut": summary(running[:, week, kit]),
                        }
                        for kit, name in enumerate(cut.kits)
                    },
                }
                for week, end in enumerate(ends)
            ],
        }


def summary(values: Days) -> dict[str, Any]:
    """The mean, the 90 % interval and the quantiles of draws. Quantiles are values that occur: kits are whole."""
    found = np.quantile(values, QUANTILES, method="inverted_cdf")
    by_level = {str(level): int(value) for level, value in zip(QUANTILES, found, strict=True)}
    return {
        "mean": round(float(values.mean()), 2),
        "low": by_level["0.05"],
        "median": by_level["0.5"],
        "high": by_level["0.95"],
        "quantiles": by_level,
    }


def forecast_demand(
    cut: InterimCut,
    until: date,
    *,
    draws: int = 2000,
    seed: int = 1,
    target: int | None = None,
    models: Models = Models(),
) -> DemandForecast:
    """Forecast `cut` to the day `until`. `target`: subjects after which enrolment ends, None for none. Raises BadRequest."""
    days = (until - cut.cut_on).days
    if not 1 <= days <= LONGEST_DAYS:
        raise BadRequest(
            f"{until} is {days} days after the cut of {cut.cut_on}",
            field="--until",
            fix=f"give a day from 1 to {LONGEST_DAYS} days after the cut",
        )
    if target is not None and target < len(cut.subjects):
        raise BadRequest(
            f"{len(cut.subjects)} subjects were randomized until the cut, more than {target}",
            field="--target",
            fix="give at least so many, or leave it out",
        )
    if draws < 1:
        raise BadRequest(f"{draws} draws", field="--draws", fix="give at least 1")
    most = None if target is None else target - len(cut.subjects)
    rate = enrolment_rate(*weekly_counts(cut), models.enrolment)
    parts = []
    # Each batch has random numbers of its own, so that a forecast does not depend on how many follow.
    for number, first in enumerate(range(0, draws, _AT_ONCE)):
        size = min(_AT_ONCE, draws - first)
        rng = np.random.default_rng([seed, number])
        drawn = draw_parameters(rng, cut, size, models.leaving)
        arrivals = draw_arrivals(rng, rate, size, days, most)
        arms = draw_arms(rng, cut, size, arrivals.shape[1])
        parts.append(
            (
                play(rng, cut, drawn, on_study(cut, size), days, 7),
                play(rng, cut, drawn, newcomers(arrivals, arms), days, 7),
                (arrivals <= days).sum(axis=1),
            )
        )
    present, new, count = (np.concatenate(part) for part in zip(*parts, strict=True))
    return DemandForecast(
        cut, until, models, target, seed, present, new, count, _basis(cut, rate.mean_a_week)
    )


def _basis(cut: InterimCut, a_week: float) -> dict[str, str]:
    """What each part of the forecast rests on. Parts with few observations lean on their prior."""
    seen = seen_gaps(cut)
    subjects, ends = len(cut.subjects), int(cut.ended.sum())
    block = block_of(cut.arm, len(cut.arms))
    found = {
        "enrolment": (subjects, f"{subjects} subjects randomized, now {a_week:.2f} a week"),
        "arms": (
            subjects,
            f"permuted blocks of {':'.join(map(str, block))}, as all blocks so far"
            if block is not None
            else f"shares of {subjects} subjects",
        ),
        "leaving": (ends, f"{ends} ends of treatment in {int(cut.days_on_study.sum())} days on study"),
        "visits": (len(seen.gap_days), f"{len(seen.gap_days)} gaps between dispensings"),
        "quantities": (len(cut.visit_day), f"{len(cut.visit_day)} visits with dispensing"),
    }
    return {part: _said(count, text) for part, (count, text) in found.items()}


def _said(count: int, text: str) -> str:
    if count >= FEW:
        return text
    return f"{'no data: the prior' if count == 0 else 'few data, the prior weighs'} ({text})"


def crps(draws: Days, seen: float) -> float:
    """The continuous ranked probability score of draws (Gneiting & Raftery, JASA 2007;102:359, equation 21): lower is better."""
    ordered = np.sort(draws).astype(np.float64)
    n = len(ordered)
    spread = 2 * ((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / n**2
    return float(np.abs(ordered - seen).mean() - spread / 2)


def covered(draws: Days, seen: Sequence[int] | Days, level: float) -> list[bool]:
    """For each column of `draws` whether its central interval of that level has what was seen."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf")
    return [
        bool(one <= value <= other)
        for one, value, other in zip(low, np.asarray(seen).tolist(), high, strict=True)
    ]

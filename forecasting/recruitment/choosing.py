"""Which pattern of time to believe: the one whose forecasts, made from what was known at past moments, were the best.

The rule is fixed and sees nothing after the census. From the middle of the record on, each pattern is fitted to the first s periods, for
every s (20 of them where there are more), and forecasts the total of the next block, a quarter of the record long, at the centres open
then. Its score is the mean logarithm of the probability that it gave to what came (Gneiting & Raftery 2007, JASA 102:359), times the
number of blocks that do not overlap. The constant rate holds unless another pattern is better by 1, that is e times as probable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.recruitment.fit import STEADY, RecruitmentFit, Wander, fit
from forecasting.recruitment.patterns import all_patterns, constant, spread_out
from forecasting.recruitment.record import AccrualRecord

_FEWEST_PERIODS: Final = 8
_FEWEST_SUBJECTS: Final = 40
"""Twice what a rate needs: for less than so many, no pattern is looked for."""
_MOST_FORECASTS: Final = 20
_BETTER: Final = 1.0
"""By which another pattern's score has to exceed that of constant rates."""
LEVEL: Final = 0.9
"""Of the intervals whose coverage is counted."""


@dataclass(frozen=True)
class Score:
    """How a pattern forecast the past: its `score` (higher is better), how many forecasts, in how many their 90 % interval held."""

    code: str
    score: float
    forecasts: int
    covered: int
    wander: Wander


@dataclass(frozen=True)
class Choice:
    """The pattern that was chosen, as it is fitted at the census, with the scores of all; `why` for people."""

    fit: RecruitmentFit
    wander: Wander
    scores: tuple[Score, ...]
    block: int
    why: str


def choose(record: AccrualRecord, prior_rate: float) -> Choice:
    """Choose by the rule of this module; constant rates where the record is too short to tell."""
    block = max(record.periods // 4, 1)
    if record.periods < _FEWEST_PERIODS or record.subjects < _FEWEST_SUBJECTS:
        why = (
            f"{record.subjects} subjects in {record.periods} periods are too few to look for a pattern "
            f"(it takes {_FEWEST_SUBJECTS} in {_FEWEST_PERIODS})"
        )
        return Choice(fit(record, constant(record), prior_rate), STEADY, (), block, why)
    origins = spread_out(range(record.periods // 2, record.periods - block + 1), _MOST_FORECASTS)
    patterns = {one.code: one for one in all_patterns(record)}
    scores = _scores(record, list(patterns), origins, block, prior_rate)
    plain = next(one for one in scores if one.code == "constant")
    best = max(scores, key=lambda one: one.score)
    chosen = best if best.score > plain.score + _BETTER else plain
    why = (
        f"{best.code} forecast the past better than constant rates by {best.score - plain.score:.1f}"
        if chosen is not plain
        else f"no pattern forecast the past better than constant rates by more than {_BETTER:.0f}"
    )
    return Choice(fit(record, patterns[chosen.code], prior_rate), chosen.wander, tuple(scores), block, why)


def _scores(
    record: AccrualRecord, codes: Sequence[str], origins: Sequence[int], block: int, prior_rate: float
) -> list[Score]:
    logs: dict[str, list[float]] = {code: [] for code in codes}
    beyond: dict[str, list[float]] = {code: [] for code in codes}
    covered = dict.fromkeys(codes, 0)
    for origin in origins:
        known = record.until(origin)
        came = int(record.later(origin, block).sum())
        there = {one.code: one for one in all_patterns(known)}
        for code in codes:
            # A record that was too short for a pattern then had constant rates for it.
            law = fit(known, there.get(code, there["constant"]), prior_rate).count(block)
            logs[code].append(law.log_probability(came))
            covered[code] += law.quantile((1 - LEVEL) / 2) <= came <= law.quantile((1 + LEVEL) / 2)
            beyond[code].append(((came - law.mean) ** 2 - law.variance) / max(law.mean, came, 1.0) ** 2)
    return [
        Score(
            code,
            float(np.mean(logs[code])) * (record.periods - origins[0]) / block,
            len(origins),
            covered[code],
            Wander(max(float(np.mean(beyond[code])), 0.0), block),
        )
        for code in codes
    ]

"""More replicates for close rivals alone, until the best is known: OCBA-CO (Lee, Pujowidianto, Li & Chen, IEEE TAC 57(11), 2012).

Whether a candidate may be better than the best so far is decided either by its objective or by its risk, whichever tells it apart more
clearly: with z standard errors between them it needs replicates in proportion to 1 / z^2 of what it has; the best so far needs the root
of the sum of the squares of those that are told apart by the objective, or what its own risk asks for. A difference of less than the
indifference is none. It ends when the chances of a mistake (their sum, by Bonferroni) are small, or where more replicates are not worth it.

The objective is compared on common random numbers, where the independent samples of the paper would need more: its allocation stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm

from forecasting.tuning.candidates import Candidate
from forecasting.tuning.choosing import Judge
from forecasting.tuning.evaluations import BATCH, LimitReached

MISTAKE: Final = 0.01
"""The chance of a mistake that is small enough."""
_ROUND: Final = 8
"""Batches that are shared out at a time."""
_MOST: Final = 20_000
"""Replicates of one candidate, at most."""
_NEAR: Final = 0.3
"""Distances below it are taken for it, so that no candidate asks for everything."""


@dataclass(frozen=True)
class Standing:
    """How clearly each candidate is told apart from the best, in standard errors; whether by its objective."""

    best: Candidate
    own: float
    others: dict[str, tuple[float, bool]]

    @property
    def mistake(self) -> float:
        """The chance that the best fails, or that another one is better by more than the indifference: at most."""
        return float(
            min(sum(norm.sf(distance) for distance in [self.own, *(z for z, _ in self.others.values())]), 1.0)
        )


def standing_of(judge: Judge, candidates: list[Candidate], indifference: float) -> Standing | None:
    """The standing of the candidates; None where none is within the limit."""
    best = judge.best(candidates)
    if best is None:
        return None
    tolerated = indifference * abs(judge.value(best))
    others = {}
    for one in candidates:
        if one == best:
            continue
        dearer = judge.dearer(one, best)
        by_value = dearer._replace(mean=dearer.mean + tolerated).distance
        by_risk = judge.excess(one).distance
        others[one.key] = (max(by_value, by_risk), by_value >= by_risk)
    return Standing(best, -judge.excess(best).distance, others)


def settle(judge: Judge, candidates: list[Candidate], indifference: float, keep_back: int) -> Standing | None:
    """Share out replicates until the best of the candidates is known as well as it is worth; gives how they stand then."""
    evaluations = judge.evaluations
    while True:
        standing = standing_of(judge, candidates, indifference)
        if standing is None or standing.mistake <= MISTAKE:
            return standing
        shares = _shares(judge, candidates, standing)
        counts = {one.key: evaluations.count(one) for one in candidates}
        total = sum(counts.values()) + _ROUND * BATCH
        whole = sum(shares.values())
        lacking = {key: total * share / whole - counts[key] for key, share in shares.items()}
        wants = dict(counts)
        for _ in range(_ROUND):
            open_to = [key for key in lacking if wants[key] < _MOST]
            if not open_to:
                return standing
            key = max(open_to, key=lambda one: (lacking[one], one))
            lacking[key] -= BATCH
            wants[key] += BATCH
        try:
            evaluations.evaluate(
                [(one, wants[one.key]) for one in candidates if wants[one.key] > counts[one.key]],
                keep_back=keep_back,
            )
        except LimitReached:
            return standing


def _shares(judge: Judge, candidates: list[Candidate], standing: Standing) -> dict[str, float]:
    """Of the replicates, in proportion."""
    shares, squares = {}, 0.0
    for one in candidates:
        if one == standing.best:
            continue
        distance, by_value = standing.others[one.key]
        shares[one.key] = judge.evaluations.count(one) / max(distance, _NEAR) ** 2
        squares += shares[one.key] ** 2 if by_value else 0.0
    own = judge.evaluations.count(standing.best) / max(standing.own, _NEAR) ** 2
    shares[standing.best.key] = max(own, float(np.sqrt(squares)))
    return shares

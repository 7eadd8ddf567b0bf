"""What is drawn for each replicate: leaving, visits without dispensing, delays and quantities, each from its posterior.

* Leaving: a constant hazard (pooled), one before and one after day 84 (periods), or one for each arm that leans on the pooled one (arms).
  Conjugate gamma posteriors.
* Cycles between one dispensing and the next: the probability that dispensing happens g cycles after the last, given that it did not
  before; a beta posterior for each g, from 6 on together. So a subject's silence until the cut counts, and gaps that the cut or the
  end of treatment cuts off are censored, not left out. Cycles before the first dispensing likewise, from 0.
* Delays: the days of a gap of g cycles are normal around g times a length that is estimated, with one standard deviation.
* Quantities: a Dirichlet posterior of the kits of each type at a visit; its prior is one visit at the target dose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.demand.interim import Array, Days, InterimCut, Mask

GAPS: Final = 24
"""Cycles without dispensing that are told apart; what is longer is rarer than any interval here sees."""
POOLED_FROM: Final = 6
PERIOD: Final = 84.0
ARM_PRIOR_EVENTS: Final = 10.0
"""What the pooled hazard is worth where each arm has its own."""
PRIOR_YEARLY_LEAVING: Final = 0.5
_PRIOR_EVENTS: Final = 0.5
_DISPENSED, _NOT = 0.8, 0.2
"""Beta prior of dispensing at a cycle: worth one cycle."""
_PRIOR_SD, _PRIOR_GAPS = 3.0, 2.0


@dataclass(frozen=True)
class Draws:
    """One row for each replicate. `hazard[r, arm, period]` a day, `edges` where the periods end (days on study).

    `gap[r, g]`, `first[r, g]`: cumulative probability that the next (first) dispensing is at most g + 1 (g) cycles after the last (after
    randomization). `cycle[r]`, `sd[r]`: days of a cycle and of a gap's delay. `first_days`: days from randomization of first dispensings
    within the first cycle. `quantity[k][r, q]`: cumulative probability of at most q kits of type k at a visit.
    """

    edges: Array
    hazard: Array
    gap: Array
    first: Array
    cycle: Array
    sd: Array
    first_days: Days
    quantity: tuple[Array, ...]


@dataclass(frozen=True)
class Seen:
    """The counts that the posteriors rest on; gaps in cycles as (dispensed, at risk) for each length."""

    gap: tuple[Days, Days]
    first: tuple[Days, Days]
    gap_cycles: Days
    gap_days: Days
    first_days: Days


def seen_gaps(cut: InterimCut) -> Seen:
    """Gaps between dispensings, those that are cut off included."""
    one = cut.target_days
    same = np.diff(cut.visit_subject, prepend=-1) == 0
    days = np.diff(cut.visit_day, prepend=0)[same]
    cycles = np.maximum(np.rint(days / one).astype(np.int64), 1)
    silent = np.where(
        cut.last_visit < 0, cut.days_on_study - 1, cut.days_on_study - 1 - np.maximum(cut.last_visit, 0)
    )
    # A cycle counts as passed in silence once its day is a day behind. With normal delays of 3 days, as many who are late and still to
    # come are then counted wrongly as there are who let it pass and do not count yet (solved for dispensing in 0.3 to 0.6 of cycles).
    passed = np.maximum((silent - 1) // one, 0)
    never = cut.last_visit < 0
    starts = cut.visit_day[~same]
    first_cycles = np.rint(starts / one).astype(np.int64)
    return Seen(
        gap=_at_risk(cycles - 1, passed[~never]),
        first=_at_risk(first_cycles, ((silent[never] - 2) // one + 1).clip(min=0)),
        gap_cycles=cycles,
        gap_days=days,
        first_days=starts[first_cycles == 0],
    )


def _at_risk(ended: Days, censored: Days) -> tuple[Days, Days]:
    """How many gaps ended at each index, and how many were open there. `censored`: indices passed without an end."""
    ended, censored = np.minimum(ended, GAPS - 1), np.minimum(censored, GAPS)
    ends = np.bincount(ended, minlength=GAPS)[:GAPS]
    open_at = np.array([(ended >= g).sum() + (censored > g).sum() for g in range(GAPS)])
    return ends.astype(np.int64), open_at.astype(np.int64)


def draw_parameters(rng: np.random.Generator, cut: InterimCut, draws: int, leaving: str) -> Draws:
    """Parameters from their posteriors; without data, from their priors."""
    seen = seen_gaps(cut)
    edges, hazard = _leaving(rng, cut, draws, leaving)
    cycle, sd = _delays(rng, cut, seen, draws)
    first_days = seen.first_days[seen.first_days < cut.target_days // 2]
    return Draws(
        edges=edges,
        hazard=hazard,
        gap=_cumulative(rng, *seen.gap, draws),
        first=_cumulative(rng, *seen.first, draws),
        cycle=cycle,
        sd=sd,
        first_days=first_days if len(first_days) else np.array([0, 1]),
        quantity=tuple(_quantities(rng, cut, kit, draws) for kit in range(len(cut.kits))),
    )


def _leaving(rng: np.random.Generator, cut: InterimCut, draws: int, model: str) -> tuple[Array, Array]:
    edges = np.array([PERIOD, np.inf]) if model == "periods" else np.array([np.inf])
    begins = np.r_[0.0, edges[:-1]]
    time = cut.days_on_study.astype(np.float64)
    exposure = np.clip(time[:, None] - begins, 0, edges - begins)
    ends = (cut.ended[:, None] & (time[:, None] > begins) & (time[:, None] <= edges)).astype(np.float64)
    prior = _PRIOR_EVENTS / (PRIOR_YEARLY_LEAVING / 365.25)
    pooled = rng.gamma(ends.sum(0) + _PRIOR_EVENTS, size=(draws, len(edges))) / (exposure.sum(0) + prior)
    if model != "arms":
        return edges, np.repeat(pooled[:, None, :], len(cut.arms), axis=1)
    of_arm = np.array([[cut.arm == arm] for arm in range(len(cut.arms))])[:, 0, :].astype(np.float64)
    shape = of_arm @ ends + ARM_PRIOR_EVENTS
    hazard = rng.gamma(shape, size=(draws, *shape.shape)) / (
        of_arm @ exposure + ARM_PRIOR_EVENTS / pooled[:, None, :]
    )
    return edges, hazard


def _cumulative(rng: np.random.Generator, ends: Days, open_at: Days, draws: int) -> Array:
    ends, open_at = ends.copy(), open_at.copy()
    ends[POOLED_FROM - 1 :], open_at[POOLED_FROM - 1 :] = (
        ends[POOLED_FROM - 1 :].sum(),
        open_at[POOLED_FROM - 1 :].sum(),
    )
    each = rng.beta(
        ends[:POOLED_FROM] + _DISPENSED, (open_at - ends)[:POOLED_FROM] + _NOT, size=(draws, POOLED_FROM)
    )
    hazard = np.concatenate([each, np.repeat(each[:, -1:], GAPS - POOLED_FROM, axis=1)], axis=1)
    found: Array = 1 - np.cumprod(1 - hazard, axis=1)
    found[:, -1] = 1.0
    return found


def _delays(rng: np.random.Generator, cut: InterimCut, seen: Seen, draws: int) -> tuple[Array, Array]:
    """Normal regression through the origin; the prior is worth two gaps at the target with a standard deviation of 3 days."""
    cycles, days = seen.gap_cycles.astype(np.float64), seen.gap_days.astype(np.float64)
    weight = (cycles**2).sum() + _PRIOR_GAPS
    mean = ((cycles * days).sum() + _PRIOR_GAPS * cut.target_days) / weight
    squares = ((days - mean * cycles) ** 2).sum() + _PRIOR_GAPS * _PRIOR_SD**2
    freedom = len(days) + _PRIOR_GAPS
    sd = np.sqrt(squares / rng.chisquare(freedom, draws))
    return mean + rng.standard_normal(draws) * sd / np.sqrt(weight), sd


def _quantities(rng: np.random.Generator, cut: InterimCut, kit: int, draws: int) -> Array:
    takes: Mask = cut.arm_kits[cut.arm[cut.visit_subject], kit]
    given = cut.quantities[takes, kit]
    counts = np.bincount(given, minlength=int(cut.target_dose[kit]) + 1).astype(np.float64)
    counts[cut.target_dose[kit]] += 1
    possible = np.flatnonzero(counts)
    share = np.zeros((draws, len(counts)))
    share[:, possible] = rng.dirichlet(counts[possible], size=draws)
    found: Array = np.cumsum(share, axis=1)
    found[:, -1] = 1.0
    return found

"""Plays subjects from the cut on: their next dispensings, one after the other, until they leave or the forecast ends. All draws at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from forecasting.demand.interim import Array, Days, InterimCut, Mask
from forecasting.demand.posterior import GAPS, Draws


@dataclass(frozen=True)
class Playing:
    """Subjects by draw (rows) and subject (columns). Days count from the cut: it is day 0.

    `randomized`: below 1 for those on study. `last`: day of the last dispensing from randomization, -1 where there was none.
    """

    arm: Days
    randomized: Days
    last: Days


def on_study(cut: InterimCut, draws: int) -> Playing:
    """Those on study at the cut."""
    here = ~cut.ended & (cut.days_on_study == cut.cut_day - cut.randomized + 1)
    return Playing(
        *(
            np.tile(values[here], (draws, 1))
            for values in (cut.arm, cut.randomized - cut.cut_day, cut.last_visit)
        )
    )


def newcomers(arrivals: Days, arms: Days) -> Playing:
    """Those randomized after the cut."""
    return Playing(arms, arrivals, np.full_like(arrivals, -1))


def play(
    rng: np.random.Generator, cut: InterimCut, draws: Draws, who: Playing, days: int, bin_days: int
) -> Days:
    """Kits by draw, period of `bin_days` after the cut (the last may be shorter), and kit type."""
    rows, columns = who.arm.shape
    bins = -(-days // bin_days)
    kits = np.zeros((rows, bins, len(cut.kits)), dtype=np.int64)
    if not columns:
        return kits
    leaves = who.randomized + _time_on_study(rng, draws, who)
    day = who.randomized + _first_step(rng, draws, who)
    end = np.minimum(leaves, days)
    place = np.arange(rows)[:, None]
    while True:
        # The schedule ends with its last cycle, whether or not earlier ones were let pass.
        now = (day <= end) & (np.rint((day - who.randomized) / cut.target_days) < cut.max_cycles)
        if not now.any():
            return kits
        row, column = np.nonzero(now)
        at = (day[row, column].astype(np.int64) - 1) // bin_days
        for kit in range(len(cut.kits)):
            takes = cut.arm_kits[who.arm[row, column], kit]
            if takes.any():
                chosen = row[takes]
                given = (rng.random(len(chosen))[:, None] > draws.quantity[kit][chosen]).sum(axis=1)
                np.add.at(kits, (chosen, at[takes], kit), given)
        cycles = 1 + _index(rng, draws.gap, who.arm.shape)
        gap = cycles * draws.cycle[place] + draws.sd[place] * rng.standard_normal(who.arm.shape)
        day = np.where(now, day + np.maximum(np.rint(gap), 1), np.inf)


def _index(rng: np.random.Generator, cumulative: Array, shape: tuple[int, ...]) -> Days:
    """How many cycles are let pass, by each row's cumulative probabilities."""
    uniform = rng.random(shape)
    found = np.zeros(shape, dtype=np.int64)
    for g in range(cumulative.shape[1] - 1):
        beyond = uniform > cumulative[:, g, None]
        if not beyond.any():
            break
        found += beyond
    return found


def _time_on_study(rng: np.random.Generator, draws: Draws, who: Playing) -> Array:
    """Days from randomization to the end of treatment, given that it lasted until the cut."""
    rows = np.arange(who.arm.shape[0])[:, None]
    been = np.maximum(1 - who.randomized, 0).astype(np.float64)
    left = rng.standard_exponential(who.arm.shape)
    found = np.full(who.arm.shape, np.inf)
    begins = 0.0
    for period, ends in enumerate(draws.edges):
        hazard = draws.hazard[rows, who.arm, period]
        start = np.maximum(been, begins)
        reached = start + left / hazard
        found = np.where(np.isinf(found) & (start < ends) & (reached <= ends), reached, found)
        left = left - hazard * np.maximum(ends - start, 0) if np.isfinite(ends) else left
        begins = float(ends)
    return found


def _first_step(rng: np.random.Generator, draws: Draws, who: Playing) -> Array:
    """Day from randomization of the next dispensing, given that there was none between the last and the cut."""
    found = np.zeros(who.arm.shape)
    waited = -who.randomized
    new = who.randomized > 0
    before: Mask = ~new & (who.last >= 0)
    never = ~new & (who.last < 0)
    for which, cumulative, offset in ((before, draws.gap, 1), (never | new, draws.first, 0)):
        row, column = np.nonzero(which)
        if not len(row):
            continue
        share = np.diff(cumulative, axis=1, prepend=0.0)[row]
        mean = (np.arange(GAPS) + offset) * draws.cycle[row][:, None]
        mean += 0.0 if offset else draws.first_days.mean()
        sd = draws.sd[row][:, None]
        silent = np.where(
            new[row, column], -1e9, waited[row, column] - np.maximum(who.last[row, column], 0) + 0.5
        )
        beyond = log_ndtr((mean - silent[:, None]) / sd)
        weight = share * np.exp(beyond - beyond.max(axis=1, keepdims=True))
        chances = np.cumsum(weight, axis=1)
        cycles = (rng.random(len(row))[:, None] * chances[:, -1:] > chances).sum(axis=1)
        centre = mean[np.arange(len(row)), cycles]
        above = ndtr((centre - silent) / sd[:, 0])
        gap = centre - sd[:, 0] * ndtri(np.clip(rng.random(len(row)) * above, 1e-300, 1 - 1e-16))
        if offset == 0:
            at_once = (cycles == 0) & new[row, column]
            gap = np.where(at_once, rng.choice(draws.first_days, size=len(row)), gap)
        floor = np.where(new[row, column], 0, waited[row, column] + 1)
        found[row, column] = np.maximum(np.rint(np.maximum(who.last[row, column], 0) + gap), floor)
    return found

"""How many kits each run makes, and which depot gets how many, at one share of the trials that each of them is to be enough for.

A run is to last until the run after it is released (the last one: to the end). What a depot needs of it is the quantile of what is asked
there, beside what is left of earlier lots and before those expire. One share holds for every run, kit type and depot, so that all are
equally safe; which share it has to be, for the whole trial to be as safe as was asked, is found by playing (search.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from allocation.rules.fair_share import ANYWHERE, share_out
from forecasting.supply_plan.candidates import Candidate
from forecasting.supply_plan.cover import ENDLESS, Met, Stock, least_share, meet
from forecasting.supply_plan.demand_tape import Array, Pair
from forecasting.supply_plan.supply_case import MadeRun, SupplyCase
from simulation.production import Campaign

Amounts = dict[str, dict[int, int]]
"""Run -> depot -> kits that are made for it, before the yield; runs that make nothing are not in it."""

_MOST_ROUNDS = 12
"""Of moving to earlier runs what a later one is too small for."""


@dataclass(frozen=True)
class Sized:
    """Runs with their kits. `share`: of the trials that each is enough for."""

    amounts: Amounts
    share: float

    def campaigns(self, case: SupplyCase) -> list[Campaign]:
        """As campaigns of a scenario, by the day on which they begin."""
        depots = case.trial.names.depots
        return [
            one.run.made({depots[depot]: kits for depot, kits in self.amounts[one.run.code].items()})
            for one in case.runs
            if one.run.code in self.amounts
        ]

    def made(self, case: SupplyCase, kit_type: int) -> int:
        """Kits of a type that are made, before the yield."""
        return sum(
            sum(self.amounts.get(one.run.code, {}).values()) for one in case.runs if one.kit_type == kit_type
        )

    def good(self, case: SupplyCase, kit_type: int) -> int:
        """Kits of a type that are made and can be used."""
        return sum(
            one.run.campaign.good(kits)
            for one in case.runs
            if one.kit_type == kit_type
            for kits in self.amounts.get(one.run.code, {}).values()
        )

    def cost(self, case: SupplyCase) -> float:
        """Of kits and runs, by which choices of runs are compared."""
        return sum(
            case.kit_cost[one.kit_type] * sum(self.amounts[one.run.code].values())
            + one.run.campaign.cost_per_run
            for one in case.runs
            if one.run.code in self.amounts
        )


def in_proportion(kits: int, weights: dict[int, int]) -> dict[int, int]:
    """So many kits, in proportion to the weights; in equal parts where these are all 0. The parts are the fair shares of
    rules/fair_share.py."""
    weights = weights if any(weights.values()) else dict.fromkeys(weights, 1)
    # Wanted so many times over that the kits are scarce, or just enough: then they are shared out as a scarce depot is.
    wanted = np.array(list(weights.values()), dtype=np.int64)
    wanted *= -(-kits // int(wanted.sum()))
    shares, given = np.zeros_like(wanted), np.zeros_like(wanted)
    share_out(wanted, np.zeros_like(wanted), ANYWHERE, kits, shares, given)
    return {depot: int(share) for depot, share in zip(weights, shares, strict=True)}


def allotted(candidate: Candidate, wanted: dict[int, int]) -> dict[int, int]:
    """A batch in which each depot gets what it wants (kits that can be used), and its part of what the batch is larger or smaller."""
    needed = {depot: candidate.to_make(kits) for depot, kits in wanted.items()}
    batch = candidate.batch(sum(needed.values()))
    return {depot: kits for depot, kits in in_proportion(batch, needed).items() if kits > 0}


Wanted = Callable[[MadeRun, int, list[Stock], Array], int]
"""Kits that can be used which a depot (its index) wants of a run, given its other lots and the days until which the run is to last."""


def size_runs(case: SupplyCase, runs: Sequence[MadeRun], wanted: Wanted) -> Amounts:
    """The kits of these runs, one after the other. Where the largest batch is too small, earlier runs make the rest in advance."""
    amounts: Amounts = {}
    for kit_type in sorted({one.kit_type for one in runs}):
        mine = [one for one in runs if one.kit_type == kit_type]
        ahead = [0] * len(mine)
        for _ in range(_MOST_ROUNDS):
            found, lacking = _in_turn(case, mine, wanted, ahead)
            moved = False
            for at in range(len(mine) - 1, 0, -1):
                for before in range(at - 1, -1, -1):
                    room = mine[before].run.campaign.largest - sum(
                        found.get(mine[before].run.code, {}).values()
                    )
                    more = min(lacking[at], room)
                    if more > 0:
                        ahead[before] += more
                        lacking[at] -= more
                        moved = True
            if not moved:
                break
        amounts |= found
    return amounts


def _in_turn(
    case: SupplyCase, runs: list[MadeRun], wanted: Wanted, ahead: list[int]
) -> tuple[Amounts, list[int]]:
    """The kits of runs of one kit type, and by run how many more were wanted than it can make. `ahead`: made in advance for later ones."""
    stocks = {
        (depot, one.kit_type): list(case.at_hand.get((depot, one.kit_type), []))
        for one in runs
        for depot in one.depots
    }
    amounts: Amounts = {}
    lacking = []
    for at, one in enumerate(runs):
        wants = {
            depot: wanted(one, depot, stocks[depot, one.kit_type], lasts_until(case, runs, at, depot))
            for depot in one.depots
        }
        total = sum(wants.values())
        more = in_proportion(ahead[at], wants)
        given = allotted(one.run.campaign, {depot: kits + more[depot] for depot, kits in wants.items()})
        good = 0
        for depot, kits in given.items():
            stock = Stock(one.run.campaign.good(kits), one.released, one.last)
            stocks[depot, one.kit_type].append(stock)
            good += stock.kits
        lacking.append(max(total - good, 0))
        if given:
            amounts[one.run.code] = given
    return amounts, lacking


def lasts_until(case: SupplyCase, runs: Sequence[MadeRun], at: int, depot: int) -> Array:
    """The day of each trial on which the run after this one is released for a depot; the end where there is none."""
    after = [one.released for one in runs[at + 1 :] if depot in one.depots]
    if not after:
        return np.full(case.tape.trials, case.tape.days, dtype=np.int64)
    return np.maximum(after[0], runs[at].released)


def at_share(case: SupplyCase, runs: Sequence[MadeRun], share: float) -> Sized:
    """The kits of these runs if each is to be enough in that share of the trials (above 1: so many times the most that any asks)."""

    def wanted(one: MadeRun, depot: int, others: list[Stock], until: Array) -> int:
        endless = Stock(ENDLESS, one.released, one.last)
        met = meet(case.tape.asked[depot, one.kit_type], [*others, endless], until)
        return least_share(met.taken[-1], share)

    return Sized(size_runs(case, runs, wanted), share)


def stocks_of(case: SupplyCase, sized: Sized, pair: Pair) -> list[Stock]:
    """All that a depot has and gets of a kit type."""
    made = [
        Stock(one.run.campaign.good(sized.amounts[one.run.code][pair[0]]), one.released, one.last)
        for one in case.runs
        if one.kit_type == pair[1] and pair[0] in sized.amounts.get(one.run.code, {})
    ]
    return [*case.at_hand.get(pair, []), *made]


def met_by(case: SupplyCase, sized: Sized) -> dict[Pair, Met]:
    """How far the plan meets what is asked, by depot and kit type."""
    end = np.full(case.tape.trials, case.tape.days, dtype=np.int64)
    return {pair: meet(asked, stocks_of(case, sized, pair), end) for pair, asked in case.tape.asked.items()}


def short_share(case: SupplyCase, sized: Sized) -> float:
    """The share of the trials in which some order cannot be met in full when it is made."""
    short = np.zeros(case.tape.trials, dtype=np.bool_)
    for met in met_by(case, sized).values():
        short |= met.short_from >= 0
    return float(short.mean())


def worthwhile_runs(case: SupplyCase, share: float) -> tuple[MadeRun, ...]:
    """The runs that are worth making at a share: one after the other is left out as long as that costs no more and leaves no more short.

    A run that is left out has its kits made by the one before it, if they last so long; fewer runs are fewer least batches and costs of
    runs.
    """
    runs = case.runs
    best = at_share(case, runs, share)
    short = short_share(case, best)
    while True:
        making = [one for one in runs if one.run.code in best.amounts]
        tried = []
        for left_out in making:
            fewer = tuple(one for one in making if one is not left_out)
            found = at_share(case, fewer, share)
            if found.cost(case) < best.cost(case) and short_share(case, found) <= max(short, 1 - share):
                tried.append((found.cost(case), fewer, found))
        if not tried:
            return tuple(making)
        _, runs, best = min(tried, key=lambda one: one[0])

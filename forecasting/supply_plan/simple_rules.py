"""Rules of thumb that plans are made by elsewhere, sized for the same runs: a fixed overage, the worst case, a quantile at each site."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from allocation.study.allocation_scheme import event_ratio
from forecasting.supply_plan.closed_forms import least_stock, region_law
from forecasting.supply_plan.cover import Stock, least_share
from forecasting.supply_plan.demand_tape import Array, Pair
from forecasting.supply_plan.sizing import Sized, size_runs
from forecasting.supply_plan.supply_case import MadeRun, SupplyCase
from simulation.engines.plan import due_lines

OVERAGES: Final = (0.25, 0.5, 1.0)


class Rule(NamedTuple):
    """A rule and what it makes."""

    name: str
    says: str
    sized: Sized


def rules_of_thumb(case: SupplyCase, level: float) -> Iterator[Rule]:
    """The rules, with runs of the same calendar and batches; each run gets the part of the mean demand that falls into its time."""
    types = case.kit_types
    means = {kit_type: float(case.tape.dispensed[:, :, kit_type].sum(axis=1).mean()) for kit_type in types}
    for overage in OVERAGES:
        yield Rule(
            f"overage of {overage:.0%}",
            "of the mean number of kits that are dispensed",
            _sized(
                case, _by_mean(case, {kit_type: ceil((1 + overage) * means[kit_type]) for kit_type in types})
            ),
        )
    yield Rule(
        "every site's quantile",
        f"the sum over sites of the {level:.1%} quantile of what each dispenses: nothing is pooled",
        _sized(
            case,
            _by_mean(
                case,
                {
                    kit_type: sum(
                        least_share(case.tape.dispensed[:, site, kit_type], level)
                        for site in range(case.tape.dispensed.shape[1])
                    )
                    for kit_type in types
                },
            ),
        ),
    )
    regional = regional_bounds(case, level)
    if regional:
        yield Rule(
            "regional bound",
            "subjects of each depot's sites at most (beta-binomial, Bonferroni over depots and kit types), each with every kit to the end",
            _sized(case, regional),
        )
    yield Rule(
        "worst case",
        "as many subjects as the protocol lets in, each with every kit to the end at the highest dose",
        _sized(case, _by_mean(case, {kit_type: most_kits(case, kit_type) for kit_type in types})),
    )


def _by_mean(case: SupplyCase, totals: dict[int, int]) -> dict[Pair, float]:
    """Kits for each depot: those of a type that are not at sites, in proportion to what is asked of the depots on average."""
    found: dict[Pair, float] = {}
    for kit_type, total in totals.items():
        left = max(total - int(case.at_sites[kit_type]), 0)
        asked = {
            pair: float(case.tape.asked[pair][:, -1].mean())
            for pair in case.tape.asked
            if pair[1] == kit_type
        }
        of_all = sum(asked.values())
        found |= {pair: left * mean / of_all if of_all else 0.0 for pair, mean in asked.items()}
    return found


def _sized(case: SupplyCase, totals: dict[Pair, float]) -> Sized:
    """Runs that bring each depot's supply, with what it has, to its part of the total by the mean demand until the run after."""
    rows = np.arange(case.tape.trials)

    def wanted(one: MadeRun, depot: int, others: list[Stock], until: Array) -> int:
        asked = case.tape.asked[depot, one.kit_type]
        mean = float(asked[:, -1].mean())
        part = float(asked[rows, np.clip(until, 0, case.tape.days)].mean()) / mean if mean else 0.0
        return max(ceil(totals[depot, one.kit_type] * part - sum(stock.kits for stock in others)), 0)

    return Sized(size_runs(case, case.runs, wanted), 0.0)


def most_subjects(case: SupplyCase) -> int:
    """Subjects who can be randomized at most: by the cap of the study, else those planned."""
    protocol = case.beginning.protocol
    caps = [cap.limit for cap in protocol.caps if cap.kind == "randomization" and cap.scope == "study"]
    return min(caps, default=protocol.study.planned_subjects)


def kits_of_subject(case: SupplyCase, arm: int, kit_type: int) -> int:
    """Kits of a type that a subject of an arm gets to the last visit, on the dose level that needs most of it at each."""
    visits = case.trial.plan.visits
    levels = case.trial.plan.doses.levels
    kits = 0
    for visit in range(visits.size):
        of_level = []
        for level in range(levels):
            lines = due_lines(visits, arm * levels + level, visit)
            mine = visits.line_kit_type[lines] == kit_type
            of_level.append(int(visits.line_quantity[lines][mine].sum()))
        kits += max(of_level)
    return kits


def subjects_by_arm(case: SupplyCase) -> dict[int, int]:
    """Subjects of each arm (its index) at most, by the ratio, rounded up."""
    protocol = case.beginning.protocol
    ratio = event_ratio(protocol, protocol.randomization[0])
    whole, codes = sum(share for _, share in ratio), [arm.code for arm in protocol.arms]
    subjects = most_subjects(case)
    return {codes.index(arm): ceil(subjects * share / whole) for arm, share in ratio}


def most_kits(case: SupplyCase, kit_type: int) -> int:
    """Kits of a type if every subject who can come takes all of them. A running study has given some of them already."""
    return sum(
        subjects * kits_of_subject(case, arm, kit_type) for arm, subjects in subjects_by_arm(case).items()
    )


def regional_bounds(case: SupplyCase, level: float) -> dict[Pair, float]:
    """By depot and kit type, kits by the bound of the depot's subjects; empty for one depot, or a study that is running."""
    sites = case.trial.plan.sites
    depots = sorted({depot for depot, _ in case.tape.asked})
    if len(depots) < 2 or case.beginning.live is not None:
        return {}
    risk = (1 - level) / len(case.tape.asked)
    shape = float(sites.gamma_shape) or None
    return {
        (depot, kit_type): float(
            sum(
                kits_of_subject(case, arm, kit_type)
                * least_stock(
                    region_law(subjects, int((sites.depot == depot).sum()), len(sites.depot), shape), risk
                )
                for arm, subjects in subjects_by_arm(case).items()
            )
        )
        for depot, kit_type in case.tape.asked
    }

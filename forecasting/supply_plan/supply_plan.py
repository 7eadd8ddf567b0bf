"""A supply plan: the runs with their kits, how safe they are and how safe they were meant to be, beside rules of thumb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from forecasting.supply_plan.beginning import Beginning
from forecasting.supply_plan.candidates import Choices
from forecasting.supply_plan.closed_forms import critical_ratio
from forecasting.supply_plan.cover import least_share
from forecasting.supply_plan.demand_tape import Array
from forecasting.supply_plan.errors import SupplyPlanError
from forecasting.supply_plan.playing import FRESH, SERVED, Service, Trials
from forecasting.supply_plan.search import Found, find_plan, with_own_expiries
from forecasting.supply_plan.simple_rules import Rule, rules_of_thumb
from forecasting.supply_plan.sizing import lasts_until, met_by
from forecasting.supply_plan.supply_case import SupplyCase, supply_case
from simulation.replicates.table import figure

MOST_TAPED: Final = 200
"""Trials whose orders are written down one by one, to size runs by; whether the plan is safe enough is judged by all."""

_SHOWN: Final = 4
"""Depots and kit types that are told to be short where no plan reaches the level."""
MOST_COMPARED: Final = 300
"""Trials that the rules of thumb are played in: dry depots, which most of them have, take ten times as long."""

Progress = Callable[[str], Callable[[int, int], None]]
"""Gives, for a step of the work, the function that is told (done, of so many)."""


@dataclass(frozen=True)
class SupplyPlan:
    """The plan. `level` was asked for; `found` has what is made; `verified` is how it did in trials that it was not made from."""

    choices: Choices
    case: SupplyCase
    level: float
    seed: int
    found: Found
    verified: Service
    rules: tuple[tuple[Rule, Service], ...]

    @property
    def beginning(self) -> Beginning:
        """What it was planned from."""
        return self.case.beginning

    @property
    def verdict(self) -> str:
        """`reached`, `not told apart` (the interval holds the level that was asked for) or `missed`."""
        low, high = self.verified.interval
        if self.verified.share >= self.level:
            return "reached"
        return "not told apart" if low <= self.level <= high else "missed"

    def date_of(self, days: Array, share: float = 0.5) -> date:
        """The date that a quantile of days stands for."""
        return self.beginning.day0 + timedelta(days=least_share(days, share))

    def runs(self) -> list[dict[str, Any]]:
        """The runs that make something, by the day on which they begin."""
        case, rows = self.case, []
        amounts = self.found.sized.amounts
        met = met_by(case, self.found.sized)
        making = [one for one in case.runs if one.run.code in amounts]
        for one in making:
            mine = [other for other in making if other.kit_type == one.kit_type]
            given = amounts[one.run.code]
            short = np.zeros(case.tape.trials, dtype=np.bool_)
            last = np.zeros(case.tape.trials, dtype=np.int64)
            for depot in given:
                until = lasts_until(case, mine, mine.index(one), depot)
                begins = met[depot, one.kit_type].short_from
                short |= (begins >= 0) & (begins < until)
                last = np.maximum(last, until)
            depots = {case.trial.names.depots[depot]: kits for depot, kits in given.items()}
            rows.append(
                {
                    "run": one.run.code,
                    "campaign": one.run.campaign.code,
                    "kit_type": one.run.campaign.kit_type,
                    "begins_on": one.run.begins.isoformat(),
                    "labelled_from": self.date_of(one.labelled).isoformat(),
                    "released_on": self.date_of(one.released).isoformat(),
                    "released_by_95": self.date_of(one.released, 0.95).isoformat(),
                    "expires_on": one.run.expires.isoformat(),
                    "last_shipped_on": (self.beginning.day0 + timedelta(days=one.last)).isoformat(),
                    "kits_made": sum(given.values()),
                    "kits_usable": sum(one.run.campaign.good(kits) for kits in given.values()),
                    "by_depot": depots,
                    "lasts_until": min(self.date_of(last), self.beginning.until).isoformat(),
                    "orders_met_until_then": float(1 - short.mean()),
                }
            )
        return rows

    def kit_types(self) -> list[dict[str, Any]]:
        """By kit type that may be made: what there is, what is made and what is dispensed, and what the depots would need as one."""
        case, rows = self.case, []
        for kit_type in case.kit_types:
            there, good = case.there(kit_type), self.found.sized.good(case, kit_type)
            mean = float(case.tape.dispensed[:, :, kit_type].sum(axis=1).mean())
            asked = [found[:, -1] for pair, found in case.tape.asked.items() if pair[1] == kit_type]
            apart = sum(least_share(one, self.level) for one in asked)
            pooled = least_share(np.sum(asked, axis=0), self.level)
            rows.append(
                {
                    "kit_type": case.trial.names.kit_types[kit_type],
                    "there_or_coming": there,
                    "made_usable": good,
                    "dispensed_mean": mean,
                    "overage": (there + good) / mean - 1 if mean else None,
                    "asked_by_depot": apart,
                    "asked_pooled": pooled,
                    "pooling_saves": 1 - pooled / apart if apart else 0.0,
                }
            )
        return rows

    def shortages(self) -> list[dict[str, Any]]:
        """Where orders wait with the plan: by depot and kit type the share of the trials, and the median first day; the worst first."""
        names, found = self.case.trial.names, []
        for (depot, kit_type), met in met_by(self.case, self.found.sized).items():
            short = met.short_from[met.short_from >= 0]
            if len(short):
                found.append(
                    {
                        "depot": names.depots[depot],
                        "kit_type": names.kit_types[kit_type],
                        "share": len(short) / len(met.short_from),
                        "from": self.date_of(short).isoformat(),
                    }
                )
        return sorted(found, key=lambda one: (-one["share"], one["from"]))

    def notes(self) -> list[str]:
        """What is to be known beside the numbers."""
        notes = list(self.choices.notes)
        if not self.found.reached:
            notes.append(
                f"NO PLAN REACHES {self.level:.1%}: the most that may be made serves {self.found.service.share:.1%} of the trials. Kits "
                "come too late, or expire too early: begin a run earlier, or add one."
            )
            notes += [
                f"  {one['kit_type']} at {one['depot']}: orders wait in {one['share']:.0%} of the trials, from {one['from']} on (median)."
                for one in self.shortages()[:_SHOWN]
            ]
        elif self.verdict == "missed":
            low, high = self.verified.interval
            notes.append(
                f"In fresh trials the plan serves {low:.1%} to {high:.1%}: less than the {self.level:.1%} that was asked for. Plan with "
                "more --replicates."
            )
        missed = self.verified.mean("missed_dispensings")
        if missed > 0:
            notes.append(
                f"Besides, {figure(missed)} doses a trial are missed while kits are upstream: that is for the thresholds of sites, not for "
                "a plan of what is made."
            )
        costs, scenario = self.beginning.protocol.kit_types, self.beginning.scenario
        lost = scenario.costs.lost_subject * scenario.drop_out.after_missed_dispensing_probability
        kit = max((float(one.cost or 0) for one in costs), default=0.0) + scenario.costs.destruction_per_kit
        if lost > 0 and kit > 0:
            notes.append(
                f"A kit too many costs up to {kit:,.2f} (kit and destruction), a dose missed {lost:,.2f} on average (a lost subject by the "
                f"chance of leaving): a kit pays if it is needed with a probability of {1 - critical_ratio(kit, lost):.1%} or more "
                "(newsvendor)."
            )
        return notes

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        beginning, service = self.beginning, self.verified
        return {
            "kind": "supply-plan",
            "study": beginning.protocol.study.id,
            "protocol_version": beginning.protocol.study.version,
            "assumptions": beginning.source,
            "ledger_position": None if beginning.live is None else beginning.live.state.position,
            "live_start": None if beginning.live is None else beginning.live.as_json(),
            "seed": self.seed,
            "from": beginning.day0.isoformat(),
            "until": beginning.until.isoformat(),
            "service": {
                "asked": self.level,
                "definition": SERVED,
                "searched": self.found.service.as_json(),
                "verified": service.as_json(),
                "verdict": self.verdict,
                "reached_in_search": self.found.reached,
            },
            "each_run_enough_in": self.found.sized.share,
            "runs": self.runs(),
            "kit_types": self.kit_types(),
            "rules": [
                {
                    "rule": rule.name,
                    "says": rule.says,
                    "kits_made": sum(
                        rule.sized.made(self.case, kit_type) for kit_type in self.case.kit_types
                    ),
                    **played.as_json(),
                }
                for rule, played in self.rules
            ],
            "shortages": self.shortages(),
            "notes": self.notes(),
        }


def plan_supply(
    beginning: Beginning,
    choices: Choices,
    level: float,
    seed: int,
    replicates: int,
    workers: int,
    progress: Progress,
) -> SupplyPlan:
    """Plan from `replicates` trials, and test the plan on as many fresh ones, and the rules of thumb on the first of these."""
    taped = min(replicates, MOST_TAPED)
    case = supply_case(beginning, choices, seed, taped, workers, progress("demand"))
    if not case.tape.dispensed[:, :, case.kit_types].any():
        raise SupplyPlanError(
            "no kit of what may be made is dispensed in any of the trials, though the depots never run out",
            field="SCENARIO",
            fix="look at them with `rtsm simulate`: sites may never get stock to begin with, or nobody comes",
        )
    case = with_own_expiries(case, level, seed, workers, progress("demand of the plan"))
    searched = Trials.of(beginning, seed, 0, replicates, workers)
    found = find_plan(case, searched, level, progress("plans played"))
    fresh = Trials.of(beginning, seed, FRESH, replicates, workers)
    verified = fresh.played(found.sized.campaigns(case))
    fewer = Trials.of(beginning, seed, FRESH, min(replicates, MOST_COMPARED), workers)
    rules = list(rules_of_thumb(case, level))
    report, tested = progress("rules of thumb"), []
    for done, rule in enumerate(rules, start=1):
        tested.append((rule, fewer.played(rule.sized.campaigns(case))))
        report(done, len(rules))
    return SupplyPlan(choices, case, level, seed, found, verified, tuple(tested))

"""An inventory of the textbook as a trial that the engines play: a site is an inventory, a subject with a single visit is a demand.

Demands come one by one, as a Poisson process at each site; an unmet one is lost, since a subject who is not dispensed does not wait.
Backorders are played by a shift: where demand is never short, an order-up-to policy acts on differences of levels alone, so a site whose
thresholds and first stock are `shift` kits higher than the case's holds, `shift` kits above it, the case's net inventory.

A day of the engine stands for a small slice of the case's unit of time. Orders are made at the end of a day for all demands of the day,
and a lead time of n days brings them at the start of the n-th day after it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allocation.study.protocol import Protocol
from simulation.engines import compiled
from simulation.engines.outcomes import (
    WEEKLY_AT_SITES,
    WEEKLY_DISPENSED,
    WEEKLY_EXPIRED,
    WEEKLY_MISSED,
    WEEKLY_SHIPMENTS,
    Batch,
)
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from simulation.scenario import DAYS_PER_MONTH, Scenario

STARTS_ON = date(2025, 1, 1)


class Policy(NamedTuple):
    """Order up to `up_to` when the inventory position is at (or, `below`, under) the trigger."""

    trigger: int
    up_to: int
    below: bool = False


def protocol_of(policy: Policy, lead_days: int, site_count: int = 1, **other: Any) -> Protocol:
    """A protocol of one kit type and one visit. `other` replaces whole parts of the document."""
    document: dict[str, Any] = {
        "study": {"id": "INVENTORY", "title": "An inventory", "version": 1, "blinding": "open_label"},
        "arms": [{"code": "A", "name": "A", "ratio": 1}, {"code": "B", "name": "B", "ratio": 1}],
        "randomization": [{"code": "RAND", "visit": "V1", "method": "permuted_block", "block_sizes": [2]}],
        "criteria": [{"code": "IN01", "category": "INCLUSION", "text": "Consent."}],
        "screening": {"visit": "SCR"},
        "epochs": [
            {"code": "SCR", "name": "Screening", "term": "SCREENING"},
            {"code": "TRT", "name": "Treatment", "term": "TREATMENT"},
        ],
        "visits": [
            {
                "code": "SCR",
                "number": 0,
                "name": "SCREENING",
                "epoch": "SCR",
                "anchor": "screening",
                "target_day": 1,
            },
            {
                "code": "V1",
                "number": 1,
                "name": "DEMAND",
                "epoch": "TRT",
                "target_day": 1,
                "dispensing": True,
            },
        ],
        "dispensing": [{"visits": ["V1"], "kits": [{"kit_type": "KIT", "quantity": 1}]}],
        "dosing": {"valid_until_next_visit": False},
        "blinding_groups": [{"code": "G", "label": "Kit"}],
        "kit_types": [
            {"code": "KIT", "name": "Kit", "blinding_group": "G", "units_per_kit": 1, "unit": "KIT"}
        ],
        "depots": [{"code": "DEP", "name": "Depot", "country": "DEU", "timezone": "Europe/Berlin"}],
        "countries": [{"code": "DEU", "name": "Germany", "depot": "DEP", "timezone": "Europe/Berlin"}],
        "lanes": [{"depot": "DEP", "country": "DEU", "lead_time_days": lead_days}],
        "sites": [
            {"code": f"S{number:04}", "name": f"Site {number}", "country": "DEU"}
            for number in range(1, site_count + 1)
        ],
        "supply": {
            "run_weekdays": [],
            "on_event": True,
            "single_kit_protection": False,
            "single_type_protection": False,
            "depot_shortage": "first_come",
            "seeding": "none",
            "parameters": [
                {
                    "level": "study",
                    "parameters": {
                        "min_buffer": policy.trigger,
                        "max_buffer": policy.up_to,
                        "trigger": "below" if policy.below else "at",
                    },
                }
            ],
        },
    }
    return Protocol.model_validate(document | other)


def scenario_of(rate: float, days: int, delay: dict[str, Any] | None = None, **other: Any) -> Scenario:
    """`rate` demands a day at each site, for so many days; `delay` is the law of the days beyond the lead time."""
    document: dict[str, Any] = {
        "name": "An inventory",
        "protocol": "none.yaml",
        "seed": 1,
        "starts_on": STARTS_ON,
        "duration_days": days,
        "recruitment": {
            # A scenario's field takes 1,000 a month; a country's factor goes beyond it.
            "screened_per_site_month": rate * DAYS_PER_MONTH / 10,
            "country_factors": {"DEU": 10},
            "weekdays_only": False,
        },
        "screening": {"duration_days": {}, "failure_probability": 0, "failed_criteria": {"IN01": 1}},
        "population": {
            "age_mean_years": 50,
            "age_sd_years": 10,
            "sex": {"F": 1},
            "race": {"NOT REPORTED": 1},
            "ethnicity": {"NOT REPORTED": 1},
        },
        "visits": {
            "missed_probability": 0,
            "late_probability": 0,
            "late_days": {},
            "weekdays_only": False,
        },
        "drop_out": {"monthly_probability": {"A": 0, "B": 0}, "reasons": {"OTHER": 1}},
        "shipping": {
            "dispatch_days": {},
            "lane_delays": [{"days": delay or {}}],
            "weekday_receipt": False,
        },
        "site_stock_at_start": "up_to_level",
        "randomization_list": {"seed": 1, "entries_per_stratum": 1},
        "lots": [
            {
                "code": "LOT",
                "kit_type": "KIT",
                "manufactured_on": STARTS_ON - timedelta(days=30),
                "expires_on": date(2199, 12, 31),
                "arrivals": [{"depot": "DEP", "on": STARTS_ON, "kits": 1_000_000}],
            }
        ],
    }
    return Scenario.model_validate(document | other)


class Measured(NamedTuple):
    """A mean over replicates and its standard error."""

    mean: float
    error: float

    def distance(self, expected: float) -> float:
        """How many standard errors the mean is from what is expected."""
        return (self.mean - expected) / self.error


def measured(values: NDArray[Any]) -> Measured:
    """The mean of a value of each replicate."""
    return Measured(float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5))


def share_of(some: NDArray[Any], others: NDArray[Any]) -> Measured:
    """The share of `some` in both, as a ratio of sums over replicates; its error by the delta method."""
    share = some.sum() / (some.sum() + others.sum())
    residual = some - share * (some + others)
    error = residual.std(ddof=1) / len(some) ** 0.5 / (some + others).mean()
    return Measured(float(share), float(error))


class Steady:
    """What a batch does after `warm_up_days`, by replicate: rates of one site a day, and levels at the ends of weeks."""

    def __init__(self, plan: TrialPlan, batch: Batch, warm_up_days: int) -> None:
        self._from = warm_up_days // 7
        self._whole_weeks = batch.weekly[:, : plan.calendar.days // 7]
        self._sites = len(plan.sites.rate)
        self._site_days = (self._whole_weeks.shape[1] - 1 - self._from) * 7 * self._sites

    def _gained(self, column: int) -> NDArray[np.int64]:
        return self._whole_weeks[:, -1, column] - self._whole_weeks[:, self._from, column]

    def loss(self) -> Measured:
        """The share of demands that are lost."""
        return share_of(self._gained(WEEKLY_MISSED), self._gained(WEEKLY_DISPENSED))

    def orders_by_replicate(self) -> NDArray[np.float64]:
        """Orders of a site a day, in each replicate."""
        return self._gained(WEEKLY_SHIPMENTS) / self._site_days

    def orders(self) -> Measured:
        """Orders of a site a day."""
        return measured(self.orders_by_replicate())

    def expired(self) -> Measured:
        """Kits that expire a day, all told."""
        return measured(self._gained(WEEKLY_EXPIRED) / self._site_days)

    def level(self) -> Measured:
        """Kits of a site at the ends of weeks."""
        return measured(self.levels().mean(axis=1) / self._sites)

    def levels(self, shift: int = 0) -> NDArray[np.int64]:
        """Kits at the sites at the ends of weeks, less `shift`: replicates x weeks."""
        return self._whole_weeks[:, self._from :, WEEKLY_AT_SITES] - shift


def played(
    protocol: Protocol, scenario: Scenario, replicates: int, warm_up_days: int, seed: int = 20
) -> Steady:
    """Play the case in the compiled engine."""
    plan = plan_of(protocol, scenario)
    return Steady(plan, compiled.play_batch(plan, seed, 0, replicates), warm_up_days)

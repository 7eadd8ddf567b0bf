"""The compiled engine as Law & Kelton's inventory: reviewed at the start of a month, demands of 1 to 4 units, backorders by a shift.

* A month is 56 days. Its review is the engine's run at the end of the day before: thresholds hold for that one day, on all others none is
  reached. An order is there at the start of the 28th to the 55th day of the month, each as likely: of U(0.5, 1) months the whole days. So
  the level at the end of a day is, in law, the case's at that moment, and nothing is lost by days of whole numbers.
* Stock is charged for by the weekly levels, 8 a month, by Simpson's rule: the formula for the same moments says what that changes.
* An arm takes so many units. Its block is so long that one run's draws differ from independent ones with a chance below one in a million.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulation.engines import compiled
from simulation.engines.outcomes import KITS_SHIPPED, MISSED_DISPENSINGS, OUT_OF_STOCK, SHIPMENTS
from simulation.engines.outcomes import WEEKLY_AT_SITES as AT_SITES
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from tests.simulation.reference.inventory_cases import STARTS_ON, Policy, measured, protocol_of, scenario_of
from tests.simulation.reference.periodic_review import law_kelton, samples_of_month

pytestmark = pytest.mark.slow

SHIFT = 300
"""Kits above the case's levels: far more than what is ever short."""
MONTHS = 120
WEEKS = 8
DAYS = 7 * WEEKS
FIRST_STOCK = 60
PER_MONTH = 10
UNITS = {"A": 1, "B": 2, "C": 3, "D": 4}
"""What each arm takes."""
RATIO = (1, 2, 2, 1)
BLOCK = 6 * 10**12
REPLICATES = 500
POLICIES = [(20, 40), (20, 60), (20, 80), (20, 100), (40, 60), (40, 80), (40, 100), (60, 80), (60, 100)]


def parameters(trigger: int, up_to: int) -> list[dict[str, Any]]:
    """The thresholds by date: these on the last day of each month but the last one, and else ones that are never reached."""

    def held_from(day: int, trigger: int, up_to: int) -> dict[str, Any]:
        valid_from = {"valid_from": STARTS_ON + timedelta(days=day)} if day else {}
        thresholds = {"min_buffer": trigger, "max_buffer": up_to, "trigger": "below"}
        return {"level": "study", "parameters": thresholds | valid_from}

    held = [held_from(0, 0, FIRST_STOCK + SHIFT)]
    for month in range(1, MONTHS):
        held += [held_from(month * DAYS - 1, trigger, up_to), held_from(month * DAYS, 0, up_to)]
    return held


@cache
def first_plan() -> TrialPlan:
    """The plan of the first policy. The review at time 0 is left out: with 60 on hand no policy here orders."""
    last_of_month = (STARTS_ON + timedelta(days=DAYS - 1)).weekday()
    document = protocol_of(Policy(0, 0), 1).model_dump(mode="json", exclude_none=True)
    held = parameters(*(level + SHIFT for level in POLICIES[0]))
    supply = document["supply"] | {"run_weekdays": [last_of_month], "on_event": False, "parameters": held}
    protocol = protocol_of(
        Policy(0, 0),
        1,
        arms=[{"code": arm, "name": arm, "ratio": share} for arm, share in zip(UNITS, RATIO, strict=True)],
        randomization=[{"code": "RAND", "visit": "V1", "method": "permuted_block", "block_sizes": [BLOCK]}],
        dispensing=[
            {"visits": ["V1"], "arm": arm, "kits": [{"kit_type": "KIT", "quantity": units}]}
            for arm, units in UNITS.items()
        ],
        supply=supply,
    )
    # Ordered at the end of the day before the month, the lead time of a day brings it to the month's start, and the delay from there.
    scenario = scenario_of(
        PER_MONTH / DAYS,
        MONTHS * DAYS,
        {"law": "uniform", "min_days": DAYS // 2, "max_days": DAYS - 1},
        drop_out={"monthly_probability": dict.fromkeys(UNITS, 0), "reasons": {"OTHER": 1}},
    )
    return plan_of(protocol, scenario)


def plan_for(policy: tuple[int, int]) -> TrialPlan:
    """The first plan with other thresholds (to read 239 dated thresholds takes longer than 500 replicates)."""
    plan = first_plan()
    reviewed = plan.resupply.min_buffer > 0
    trigger, up_to = (level + SHIFT for level in policy)
    thresholds = plan.resupply._replace(
        min_buffer=np.where(reviewed, trigger, 0),
        max_buffer=np.where(reviewed, up_to, plan.resupply.max_buffer),
    )
    return plan._replace(resupply=thresholds)


def costs_per_month(policy: tuple[int, int]) -> NDArray[np.float64]:
    """The mean cost of a month in each replicate."""
    batch = compiled.play_batch(plan_for(policy), 17, 0, REPLICATES)
    assert not batch.outcomes[:, [MISSED_DISPENSINGS, OUT_OF_STOCK]].any(), "the shift is too small"
    at_start = np.full((REPLICATES, 1), FIRST_STOCK)
    levels = np.hstack([at_start, batch.weekly[:, :, AT_SITES] - SHIFT])
    charged = np.where(levels > 0, levels, -5 * levels)
    _, weights = samples_of_month(WEEKS)
    of_month = charged[:, :-1].reshape(REPLICATES, MONTHS, WEEKS) @ weights[:-1]
    stock = (of_month + charged[:, WEEKS::WEEKS] * weights[-1]).sum(axis=1)
    units = batch.outcomes[:, KITS_SHIPPED] - FIRST_STOCK - SHIFT
    return (stock + 32 * batch.outcomes[:, SHIPMENTS] + 3 * units) / MONTHS


def test_draws_from_the_block_are_as_good_as_independent() -> None:
    """Draws with replacement that hit no entry twice are draws without: so both laws are as far apart as that chance, at most."""
    demands = MONTHS * PER_MONTH + 8 * (MONTHS * PER_MONTH) ** 0.5
    assert demands**2 / 2 / BLOCK < 1e-6
    assert BLOCK % sum(RATIO) == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_law_and_keltons_inventory(policy: tuple[int, int]) -> None:
    """Within four standard errors, each below 0.25 % of the cost; by Simpson's rule for the integral it differs by 0.001 at most."""
    expected = law_kelton(*policy, moments_and_weights=samples_of_month(WEEKS))
    assert expected == pytest.approx(law_kelton(*policy), abs=0.001)
    found = measured(costs_per_month(policy))
    assert found.error < 0.0025 * expected
    assert abs(found.distance(expected)) < 4

"""The compiled engine as a perishable base stock: kits that expire a fixed time after they arrived, lost sales, earliest expiry first.

A lot expires on a date, not at an age. So the depot gets a lot a day, of which kits may be shipped on that day alone (its DNS days
reach to the next), and which expires so many days after it arrives at the site.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulation.engines import compiled
from simulation.engines.outcomes import KITS_DISPENSED, KITS_EXPIRED_SITE, MISSED_DISPENSINGS
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from tests.simulation.reference.continuous_review import Perished, perishable_base_stock
from tests.simulation.reference.inventory_cases import (
    STARTS_ON,
    Measured,
    Policy,
    measured,
    protocol_of,
    scenario_of,
    share_of,
)

pytestmark = pytest.mark.slow

LEAD_DAYS = 50
DAYS = 3600


def perishable(rate: float, shelf_days: int, up_to: int, days: int) -> TrialPlan:
    """The case's plan, over so many days."""
    windows = {"dns_days": shelf_days + LEAD_DAYS - 1, "dnc_days": 0, "dnd_days": 0}
    kit_type: dict[str, Any] = {
        "code": "KIT",
        "name": "Kit",
        "blinding_group": "G",
        "units_per_kit": 1,
        "unit": "KIT",
        "expiry": windows,
    }
    lots = [
        {
            "code": f"L{day:05}",
            "kit_type": "KIT",
            "manufactured_on": STARTS_ON - timedelta(days=1),
            "expires_on": STARTS_ON + timedelta(days=day + 1 + windows["dns_days"]),
            "arrivals": [{"depot": "DEP", "on": STARTS_ON + timedelta(days=day), "kits": 2 * up_to}],
        }
        for day in range(days)
    ]
    protocol = protocol_of(Policy(up_to - 1, up_to), LEAD_DAYS, 1, kit_types=[kit_type])
    return plan_of(protocol, scenario_of(rate, days, lots=lots))


def between(first: float, second: float, found: Measured) -> None:
    """What is found is within four standard errors of the numbers that bound the discretised case."""
    low, high = sorted((first, second))
    assert low - 4 * found.error < found.mean < high + 4 * found.error


@pytest.mark.parametrize(
    ("rate", "lead", "shelf_life", "up_to"),
    [(0.05, 7, 60, 4), (0.2, 5, 30, 6), (0.5, 10, 45, 12), (0.1, 7, 90, 3)],
)
def test_loss_and_outdates_of_a_perishable_base_stock(
    rate: float, lead: float, shelf_life: float, up_to: int
) -> None:
    """A kit that expires is ordered anew a whole lead time ahead, one that is dispensed half a day less: the case lies between the two."""
    unit = LEAD_DAYS / lead
    shelf_days = round(shelf_life * unit)
    bounds: list[Perished] = [
        perishable_base_stock(rate / unit, wait, shelf_days, up_to) for wait in (LEAD_DAYS - 0.5, LEAD_DAYS)
    ]
    assert bounds[1].outdates * unit == pytest.approx(
        perishable_base_stock(rate, lead, shelf_life, up_to).outdates, rel=0.01
    )
    # The same replicates for a shorter time: the difference is without the first stock, which was all of one age.
    warm_up = 1400
    replicates = 150
    long, short = (
        compiled.play_batch(perishable(rate / unit, shelf_days, up_to, days), 6, 0, replicates).outcomes
        for days in (DAYS, warm_up)
    )
    gained = long - short
    between(
        bounds[0].loss, bounds[1].loss, share_of(gained[:, MISSED_DISPENSINGS], gained[:, KITS_DISPENSED])
    )
    outdates = measured(gained[:, KITS_EXPIRED_SITE] / (DAYS - warm_up))
    between(bounds[0].outdates, bounds[1].outdates, outdates)

"""What a replicate comes to, for a tuning: its outcomes, and the sums of them that risks and objectives are made of."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulation.engines.outcomes import DAY_LAST_RANDOMIZED, DAY_LAST_VISIT, OUTCOMES
from simulation.engines.plan import TrialPlan

COLUMNS: Final = {column.name: index for index, column in enumerate(OUTCOMES)}
SUMS: Final = {
    "missed": ("missed_dispensings", "out_of_stock"),
    "waste": (
        "kits_expired_site",
        "kits_expired_depot",
        "kits_returned_unused",
        "kits_lost",
        "kits_damaged",
        "kits_excursion_rejected",
        "kits_left_sites",
        "kits_left_transit",
    ),
    "cost": ("cost_kits", "cost_shipments", "cost_storage", "cost_destruction", "cost_lost_subjects"),
}
"""`missed`: visits without their kit, for whatever reason. `waste`: kits made for nobody, with those that are still at sites or on
their way when a replicate ends before its trial is over (each went out and has reached no subject). `cost`: all costs of a scenario."""
SHOWN: Final = ("cost", "waste", "shipments", "kits_shipped", "kits_dispensed", "missed")


def figure(outcomes: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """A figure of each replicate (a row of `outcomes` each): an outcome, or a sum of SUMS."""
    columns = [COLUMNS[one] for one in SUMS.get(name, (name,))]
    return outcomes[:, columns].sum(axis=1)


def from_day_0(outcomes: NDArray[np.float64], plan: TrialPlan) -> NDArray[np.float64]:
    """The outcomes from day 0 on alone: of a trial that goes on from a study's present state, without what was before."""
    if not plan.present.there:
        return outcomes
    before = plan.present.so_far.copy()
    before[[DAY_LAST_RANDOMIZED, DAY_LAST_VISIT]] = 0
    return outcomes - before

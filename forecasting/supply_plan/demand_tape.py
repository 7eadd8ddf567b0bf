"""What would be asked of the depots if they never ran out: orders of sites and lower depots by depot, kit type and day, in many trials."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from forecasting.supply_plan.beginning import Trial
from simulation.engines import events
from simulation.engines.compiled import play
from simulation.engines.trace import COLUMNS, Trace

Array = NDArray[np.int64]
Pair = tuple[int, int]
"""A depot and a kit type, by their indexes in the plan."""

_KIND, _SITE, _DAY = (COLUMNS.index(name) for name in ("kind", "site", "day"))
_TYPE, _KITS = (COLUMNS.index(name) for name in ("kit_type", "quantity"))


@dataclass(frozen=True)
class DemandTape:
    """`asked[pair][r, t]`: kits asked of a depot in trial r before day t (so t from 0 to the number of days).

    `dispensed[r, site, kit type]`: kits handed out.
    """

    asked: dict[Pair, Array]
    dispensed: Array

    @property
    def trials(self) -> int:
        """How many were played."""
        return len(self.dispensed)

    @property
    def days(self) -> int:
        """Days of each."""
        return next(iter(self.asked.values())).shape[1] - 1


def record_demand(
    trial: Trial,
    pairs: set[Pair],
    seed: int,
    first: int,
    count: int,
    workers: int,
    report: Callable[[int, int], None],
) -> DemandTape:
    """Play trials `first` to `first` + `count` - 1 of a plan whose depots never run out; `report` is told (done, of so many)."""
    plan = trial.plan
    depots, kit_types, sites = plan.depots, plan.kits.size, len(plan.sites.words)
    # Who asks: a site by its index, a depot by -2 and its index, as in a trace.
    supplier = np.concatenate([plan.sites.depot, plan.refills.supplier[::-1]])
    asked = {pair: np.zeros((count, plan.calendar.days + 1), dtype=np.int64) for pair in pairs}
    dispensed = np.zeros((count, sites, kit_types), dtype=np.int64)
    cells = (depots, kit_types, plan.calendar.days)

    def one(at: int) -> None:
        trace = cast("Trace", play(plan, seed, first + at).trace)
        taken = trace[np.isin(trace[:, _KIND], (events.ORDERED, events.STOCKED))]
        asker = np.where(taken[:, _SITE] >= 0, taken[:, _SITE], len(supplier) + 1 + taken[:, _SITE])
        place = np.ravel_multi_index((supplier[asker], taken[:, _TYPE], taken[:, _DAY]), cells)
        kits = np.bincount(place, taken[:, _KITS], int(np.prod(cells))).reshape(cells).astype(np.int64)
        for (depot, kit_type), found in asked.items():
            np.cumsum(kits[depot, kit_type], out=found[at, 1:])
        given = trace[trace[:, _KIND] == events.DISPENSED]
        np.add.at(dispensed[at], (given[:, _SITE], given[:, _TYPE]), given[:, _KITS])

    # The first one alone: it loads the kernel, which is once for the whole process.
    one(0)
    with ThreadPoolExecutor(workers) as pool:
        for done, _ in enumerate(pool.map(one, range(1, count)), start=2):
            report(done, count)
    return DemandTape(asked, dispensed)

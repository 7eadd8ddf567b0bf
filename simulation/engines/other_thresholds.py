"""A plan under other resupply thresholds, without reading its documents again: what a search over thresholds plays.

Only arrays change, so that one kernel serves all of them, a tailored one too (as long as some window is above 0, or none is).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from simulation.engines.plan import Bands, TrialPlan
from simulation.engines.plan_arrays import Ints, ints

SiteStock = Literal["none", "seed_quantity", "up_to_level"]


class Thresholds(NamedTuple):
    """By site and kit type, in kits and days, for every period alike; None: as the plan has them."""

    min_buffer: Ints | None = None
    max_buffer: Ints | None = None
    short_window: Ints | None = None
    long_window: Ints | None = None
    seed_quantity: Ints | None = None


def with_thresholds(plan: TrialPlan, thresholds: Thresholds, site_stock_at_start: SiteStock) -> TrialPlan:
    """The plan as `plan_of` makes it of a protocol with these thresholds; `site_stock_at_start` is the scenario's.

    Where a buffer is given, bands of buffers by active subjects no longer hold. What a site has in stock on the first day of a trial
    follows the thresholds. The caller sees to it that min is not above max, nor the short window longer than the long one.
    """
    held = plan.resupply
    shape = held.min_buffer.shape
    given = {name: value for name, value in thresholds._asdict().items() if value is not None}
    changed: dict[str, Any] = {name: ints(np.broadcast_to(value, shape)) for name, value in given.items()}
    now = held._replace(**changed)
    if "short_window" in given or "long_window" in given:
        now = now._replace(windows=bool(now.short_window.any() or now.long_window.any()))
    start = {"seed_quantity": now.seed_quantity, "up_to_level": now.max_buffer}.get(site_stock_at_start)
    if start is not None:
        now = now._replace(initial=ints(start[0]))
    bands = plan.bands
    if bands.any and ("min_buffer" in given or "max_buffer" in given):
        nothing = ints([])
        bands = Bands(
            any=False, start=bands.start * 0, from_subjects=nothing, min_buffer=nothing, max_buffer=nothing
        )
    return plan._replace(resupply=now, bands=bands)

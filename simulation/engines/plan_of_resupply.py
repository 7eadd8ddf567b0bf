"""The resupply parameters of a plan, by period, site and kit type, and when runs are."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from allocation.rules.demand import NEVER_IGNORED
from allocation.rules.order_assembly import ALL_TYPES, TRIGGERED_TYPES_ONLY
from allocation.rules.resupply import (
    FROM_END_OF_SHORT_WINDOW,
    FROM_TODAY,
    TRIGGER_AT,
    TRIGGER_BELOW,
)
from allocation.rules.run_schedule import is_run_day
from allocation.study.protocol import Protocol
from simulation.engines.parameter_periods import held_parameters, periods_of
from simulation.engines.plan import Resupply
from simulation.engines.plan_arrays import ints
from simulation.engines.plan_of_buffers import buffers_of
from simulation.scenario import Scenario


def resupply_of(protocol: Protocol, scenario: Scenario) -> Resupply:
    """The parameters that hold at each site from each date on, and the protocol's ways of ordering."""
    supply, starts = protocol.supply, scenario.starts_on
    periods = periods_of(protocol, scenario)
    calendar = [starts + timedelta(days=day) for day in range(scenario.duration_days)]
    held = held_parameters(protocol, scenario)
    min_buffer, max_buffer = buffers_of(protocol, held)

    def table(name: str) -> np.ndarray:
        return ints([[[getattr(one, name) for one in row] for row in period] for period in held])

    at = np.array([[[one.trigger == "at" for one in row] for row in period] for period in held])
    from_end = np.array(
        [[[one.long_window_from != "today" for one in row] for row in period] for period in held]
    )
    weekdays = np.array([day in supply.run_weekdays for day in range(7)], dtype=np.bool_)
    initial = {
        "none": table("seed_quantity")[0] * 0,
        "seed_quantity": table("seed_quantity")[0],
        "up_to_level": max_buffer[0],
    }[scenario.site_stock_at_start]
    overdue = supply.ignore_if_overdue_days
    return Resupply(
        period=ints([sum(first <= day for first in periods) - 1 for day in calendar]),
        run=ints([is_run_day(day.toordinal(), weekdays) for day in calendar]),
        on_event=supply.on_event,
        seeds=supply.seeding != "none",
        min_buffer=min_buffer,
        max_buffer=max_buffer,
        short_window=table("short_window"),
        long_window=table("long_window"),
        trigger=ints(np.where(at, TRIGGER_AT, TRIGGER_BELOW)),
        long_window_from=ints(np.where(from_end, FROM_END_OF_SHORT_WINDOW, FROM_TODAY)),
        seed_quantity=table("seed_quantity"),
        windows=bool(table("short_window").any() or table("long_window").any()),
        consolidation=ALL_TYPES if supply.consolidation == "all_types" else TRIGGERED_TYPES_ONLY,
        single_type=supply.single_type_protection,
        single_kit=supply.single_kit_protection,
        fair_share=supply.depot_shortage == "fair_share",
        overdue_days=NEVER_IGNORED if overdue is None else overdue,
        initial=ints(initial),
    )

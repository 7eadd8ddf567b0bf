"""Depots that another depot refills, as a plan has them."""

from __future__ import annotations

import numpy as np

from allocation.rules.resupply import FROM_END_OF_SHORT_WINDOW, FROM_TODAY, TRIGGER_AT, TRIGGER_BELOW
from allocation.study.parameters import depot_lead_time_days, effective_parameters
from allocation.study.protocol import Protocol
from allocation.study.refilled_depots import refilled_depots
from simulation.engines.day_laws import LawTables
from simulation.engines.parameter_periods import periods_of
from simulation.engines.plan import Refills
from simulation.engines.plan_arrays import Ints, floats, ints
from simulation.scenario import LaneDelay, Scenario
from simulation.streams import word_of


def refills_of(
    protocol: Protocol, scenario: Scenario, delays: list[LaneDelay], longest_to_sites: int, tables: LawTables
) -> Refills:
    """The depots that are refilled, lower ones first. `delays` are those of the lanes to each depot, `longest_to_sites` in days."""
    codes = [depot.code for depot in protocol.depots]
    refilled = refilled_depots(protocol)
    supplier = {
        one.code: codes.index(one.supplied_by)
        for one in protocol.depots
        if one.code in refilled and one.supplied_by is not None
    }
    held = [
        [
            [effective_parameters(protocol, one.code, on, depot=code) for one in protocol.kit_types]
            for code in codes
        ]
        for on in periods_of(protocol, scenario)
    ]
    groups = [kit_type.blinding_group for kit_type in protocol.kit_types]

    def table(name: str) -> Ints:
        return ints([[[getattr(one, name) for one in row] for row in period] for period in held])

    def switch(name: str, value: str, on: int, off: int) -> Ints:
        chosen = [[[getattr(one, name) == value for one in row] for row in period] for period in held]
        return ints(np.where(np.array(chosen, dtype=np.bool_), on, off))

    lead = [
        depot_lead_time_days(protocol, codes[supplier[code]], code) if code in supplier else 0
        for code in codes
    ]
    lanes = [
        next((lane for lane in protocol.lanes if lane.to_depot == code and code in supplier), None)
        for code in codes
    ]
    laws = [tables.add(delay.days) for delay in delays]
    customs = [tables.add(delay.customs_hold_days) for delay in delays]
    slowest = max(
        max(days + tables.largest(law), 0) + tables.largest(hold)
        for days, law, hold in zip(lead, laws, customs, strict=True)
    )
    shipping = scenario.shipping
    before = sum(tables.largest(tables.add(law)) for law in (shipping.approval_days, shipping.dispatch_days))
    paused, short, long = table("paused"), table("short_window"), table("long_window")
    return Refills(
        order=len(refilled),
        depots=ints([codes.index(code) for code in refilled]),
        supplier=ints([supplier.get(code, -1) for code in codes]),
        places=ints([[country.depot == code for country in protocol.countries] for code in codes]),
        words=np.array([word_of(f"depot:{code}") for code in codes], dtype=np.uint64),
        paused=paused,
        group=ints(np.where(paused == 1, -1 - np.arange(len(groups)), [groups.index(one) for one in groups])),
        min_buffer=table("min_buffer"),
        max_buffer=table("max_buffer"),
        short_window=short,
        long_window=long,
        trigger=switch("trigger", "at", TRIGGER_AT, TRIGGER_BELOW),
        long_window_from=switch("long_window_from", "today", FROM_TODAY, FROM_END_OF_SHORT_WINDOW),
        horizon=int((short + long).max()) + sum(lead) + longest_to_sites + 2 if refilled else 0,
        lead_days=ints(lead),
        delay_law=ints(laws),
        customs_hold=floats([delay.customs_hold_probability for delay in delays]),
        customs_law=ints(customs),
        cost=floats([0.0 if lane is None else float(lane.cost or 0) for lane in lanes]),
        co2_kg=floats(
            [
                shipping.co2_kg_per_shipment.get(codes[supplier[code]], 0.0) if code in supplier else 0.0
                for code in codes
            ]
        ),
        slots=slowest + max(before, 0) + 5 if refilled else 0,
    )

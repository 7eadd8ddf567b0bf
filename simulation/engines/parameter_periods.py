"""The periods of a scenario in which the same resupply parameters hold, and those that hold in them."""

from __future__ import annotations

from datetime import date

from allocation.study.parameters import EffectiveParameters, effective_parameters
from allocation.study.protocol import Protocol
from simulation.scenario import Scenario

Held = list[list[list[EffectiveParameters]]]
"""By period, site and kit type."""


def periods_of(protocol: Protocol, scenario: Scenario) -> list[date]:
    """The first day of each period in which the same parameters hold, the first of which is that of the scenario."""
    starts = scenario.starts_on
    dates = {entry.parameters.valid_from for entry in protocol.supply.parameters}
    return [starts, *sorted(on for on in dates if on is not None and on > starts)]


def held_parameters(protocol: Protocol, scenario: Scenario) -> Held:
    """The parameters that hold in each period at each site for each kit type."""
    return [
        [
            [effective_parameters(protocol, one.code, on, site=site.code) for one in protocol.kit_types]
            for site in protocol.sites
        ]
        for on in periods_of(protocol, scenario)
    ]

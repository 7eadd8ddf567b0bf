"""What a protocol or scenario asks for that the engines do not play: refused by name, never left out in silence."""

from __future__ import annotations

from collections.abc import Iterator

from allocation.study.protocol import Protocol
from simulation.errors import NotSimulated
from simulation.scenario import Scenario

LONGEST_SUBJECT = 512
"""Visits from randomization on that a subject may have (draws.VISITS_PER_SUBJECT)."""


def refuse_what_engines_lack(protocol: Protocol, scenario: Scenario) -> None:
    """Raise NotSimulated for the first part of the protocol or scenario that the engines do not play."""
    for field, used, fix in _lacking(protocol, scenario):
        if used:
            raise NotSimulated(f"{field} is not played by the simulator's engines", field=field, fix=fix)


def _lacking(protocol: Protocol, scenario: Scenario) -> Iterator[tuple[str, bool, str]]:
    yield from _lacking_of_protocol(protocol, scenario)


def _lacking_of_protocol(protocol: Protocol, scenario: Scenario) -> Iterator[tuple[str, bool, str]]:
    supply = protocol.supply
    event = protocol.randomization[0]
    yield "randomization", len(protocol.randomization) > 1, "simulate a protocol with one event"
    yield "randomization[0].method", event.method != "permuted_block", "use permuted_block"
    factors = {factor.code: factor.source for factor in protocol.stratification}
    yield (
        "randomization[0].factors",
        any(factors[code] not in ("entered", "edc") for code in event.factors),
        "use factors that are entered, and held_by for places",
    )
    yield "randomization[0].by_cohort", event.by_cohort or bool(protocol.cohorts), "leave cohorts out"
    yield "randomization[0].held_by", event.held_by == "region", "use stratum, country or site"
    yield "randomization[0].block_assignment", event.block_assignment != "static", "use static"
    yield (
        "randomization[0].ratio",
        bool(event.arms or event.ratio) or not all(arm.open for arm in protocol.arms),
        "let the event take the open arms of the study with their ratio",
    )
    yield "randomization[0].supply_gate", event.supply_gate != "none", "use none"
    yield "randomization[0].forced", event.forced != "none", "use none"
    yield (
        "caps",
        any(
            cap.kind == "forced_randomization" or cap.scope not in ("study", "country", "site")
            for cap in protocol.caps
        ),
        "keep caps on screening and randomization of the study, its countries and sites",
    )
    yield "titration", bool(protocol.titration), "leave it out"
    yield "supply.run_weekdays", bool(supply.run_weekdays), "leave them empty, with on_event true"
    yield "supply.on_event", not supply.on_event, "set it to true"
    yield "supply.single_kit_protection", supply.single_kit_protection, "set it to false"
    yield "supply.single_type_protection", supply.single_type_protection, "set it to false"
    yield "supply.depot_shortage", supply.depot_shortage != "first_come", "use first_come"
    yield "supply.seeding", supply.seeding != "none", "use none, and the scenario's site_stock_at_start"
    yield "kit_types", any(one.block_size > 1 for one in protocol.kit_types), "use block_size 1"
    yield (
        "supply.parameters",
        any(
            entry.parameters.short_window
            or entry.parameters.long_window
            or entry.parameters.valid_from
            or entry.parameters.paused
            or entry.parameters.buffer_from not in (None, "min_max")
            for entry in supply.parameters
        ),
        "use min_buffer and max_buffer without windows or dates",
    )
    last = scenario.starts_on.toordinal() + scenario.duration_days
    yield (
        "scenario.lots",
        any(lot.expires_on.toordinal() <= last for lot in scenario.lots)
        or any(lot.released_for != ("*",) for lot in scenario.lots),
        "let lots expire after the scenario, and release them for every country",
    )
    yield (
        "depots",
        any(depot.supplied_by is not None for depot in protocol.depots),
        "let no depot refill another",
    )

"""What a protocol or scenario asks for that the engines do not play: refused by name, never left out in silence."""

from __future__ import annotations

from collections.abc import Iterator

from allocation.study.protocol import Protocol
from simulation.errors import NotSimulated
from simulation.scenario import DayLaw, Scenario

LONGEST_SUBJECT = 512
"""Visits from randomization on that a subject may have (draws.VISITS_PER_SUBJECT)."""


def refuse_what_engines_lack(protocol: Protocol, scenario: Scenario) -> None:
    """Raise NotSimulated for the first part of the protocol or scenario that the engines do not play."""
    for field, used, fix in _lacking(protocol, scenario):
        if used:
            raise NotSimulated(f"{field} is not played by the simulator's engines", field=field, fix=fix)


def _lacking(protocol: Protocol, scenario: Scenario) -> Iterator[tuple[str, bool, str]]:
    recruitment, visits, shipping = scenario.recruitment, scenario.visits, scenario.shipping
    yield "scenario.recruitment.month_factors", bool(recruitment.month_factors), "leave them out"
    yield "scenario.recruitment.monthly_decay", recruitment.monthly_decay > 0, "set it to 0"
    yield "scenario.recruitment.weekdays_only", recruitment.weekdays_only, "set it to false"
    yield "scenario.recruitment.pauses", bool(recruitment.pauses), "leave them out"
    yield "scenario.activation.never_probability", scenario.activation.never_probability > 0, "set it to 0"
    yield (
        "scenario.screening.duration_days",
        scenario.screening.duration_days != DayLaw(),
        "make it fixed at 0 days",
    )
    yield (
        "scenario.screening.failure_probability",
        scenario.screening.failure_probability > 0,
        "set it to 0",
    )
    yield "scenario.visits.missed_probability", visits.missed_probability > 0, "set it to 0"
    yield "scenario.visits.late_probability", visits.late_probability > 0, "set it to 0"
    yield "scenario.visits.weekdays_only", visits.weekdays_only, "set it to false"
    yield (
        "scenario.drop_out.monthly_probability",
        any(scenario.drop_out.monthly_probability.values()),
        "set it to 0 for every arm, and give per_visit_probability",
    )
    yield "scenario.shipping.dispatch_days", shipping.dispatch_days != DayLaw(), "make it fixed at 0 days"
    yield (
        "scenario.shipping.lane_delays",
        any(delay.customs_hold_probability > 0 for delay in shipping.lane_delays),
        "leave out customs holds",
    )
    yield "scenario.shipping.weekday_receipt", shipping.weekday_receipt, "set it to false"
    yield "scenario.shipping.lost_probability", shipping.lost_probability > 0, "set it to 0"
    yield "scenario.shipping.damaged_probability", shipping.damaged_probability > 0, "set it to 0"
    yield from _lacking_of_protocol(protocol, scenario)


def _lacking_of_protocol(protocol: Protocol, scenario: Scenario) -> Iterator[tuple[str, bool, str]]:
    supply = protocol.supply
    event = protocol.randomization[0]
    yield "randomization", len(protocol.randomization) > 1, "simulate a protocol with one event"
    yield "randomization[0].method", event.method != "permuted_block", "use permuted_block"
    yield "randomization[0].factors", bool(event.factors or event.by_cohort), "leave them out"
    yield "randomization[0].held_by", event.held_by != "stratum", "use stratum"
    yield "randomization[0].block_sizes", len(event.block_sizes) != 1, "give one size"
    yield "randomization[0].supply_gate", event.supply_gate != "none", "use none"
    yield "randomization[0].forced", event.forced != "none", "use none"
    yield (
        "caps",
        any(cap.kind != "randomization" or cap.scope != "study" for cap in protocol.caps),
        "keep the study's cap on randomization only",
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

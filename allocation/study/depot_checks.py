"""Do the resupply parameters of depots fit the rule, and hold nothing that is meant for sites."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from allocation.errors import InvalidParameter
from allocation.study.buffers import provided_buffers
from allocation.study.inconsistency import Findings
from allocation.study.parameters import effective_parameters

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

OF_SITES: Final = (
    "confidence",
    "enrolment_per_month",
    "bands",
    "run_out_alarm_days",
    "screen_failure_rate",
    "seed_quantity",
)
"""Parameters that speak of the subjects of a site, or of its first shipment."""


def check_depot_parameters(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` what the parameter sets of depots say that a depot has no use for, or that the rule refuses."""
    for index, entry in enumerate(protocol.supply.parameters):
        if entry.level != "depot":
            continue
        path = ("supply", "parameters", index, "parameters")
        given = entry.parameters
        for name in OF_SITES:
            if getattr(given, name) is not None:
                findings.add(
                    (*path, name),
                    getattr(given, name),
                    "is of sites, and would be ignored at a depot",
                    "remove it",
                )
        if given.buffer_from not in (None, "min_max"):
            findings.add(
                (*path, "buffer_from"),
                given.buffer_from,
                "goes by the subjects of a site, and a depot has none",
                "give min_buffer and max_buffer; the depot's windows bring in the demand of its sites",
            )
            continue
        on = given.valid_from or date.min
        for kit_type in protocol.kit_types:
            if entry.kit_type not in (None, kit_type.code):
                continue
            try:
                parameters = effective_parameters(protocol, kit_type.code, on, depot=entry.key)
                provided_buffers(protocol, kit_type.code, parameters, 0, None)
            except InvalidParameter as refused:
                name = refused.field or "parameters"
                findings.add(
                    (*path, name),
                    getattr(parameters, name, ""),
                    f"is what depot {entry.key} has for kit type {kit_type.code}: {name} {refused.message}",
                    refused.fix or "correct one of the two",
                )
                break

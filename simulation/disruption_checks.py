"""Do disruptions fit the protocol: is there such a depot, such an arm, and an arm left for those who come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.study.allocation_scheme import event_ratio
from allocation.study.inconsistency import Findings, Path

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from simulation.scenario import Scenario


def check_disruptions(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    """Note what does not fit."""
    depots = [depot.code for depot in protocol.depots]
    for index, outage in enumerate(scenario.shipping.outages):
        findings.name(("shipping", "outages", index, "depot"), outage.depot, depots, "depot")
    arms = [arm for arm, _ in event_ratio(protocol, protocol.randomization[0])]
    path: Path = ("arm_closings",)
    for index, closing in enumerate(scenario.arm_closings):
        findings.name((*path, index, "arm"), closing.arm, arms, "arm that subjects are randomized to")
    closed = [closing.arm for closing in scenario.arm_closings]
    findings.unique(path, closed, "arm", "arm")
    if arms and set(arms) <= set(closed):
        findings.add(
            path, ", ".join(arms), "are all arms, so that nobody could be randomized", "keep one open"
        )

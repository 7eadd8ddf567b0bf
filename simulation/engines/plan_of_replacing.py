"""What a plan says of people who take the place of those who left, and of kits that subjects lose."""

from __future__ import annotations

from allocation.study.protocol import Protocol
from simulation.engines.day_laws import LawTables
from simulation.engines.plan_allocation import Replacing
from simulation.scenario import Scenario


def replacing_of(protocol: Protocol, scenario: Scenario, tables: LawTables) -> Replacing:
    """As the protocol allows and the scenario assumes."""
    policy, assumed = protocol.screening.replacement, scenario.replacement
    return Replacing(
        replaces=policy != "none" and assumed.probability > 0,
        same_arm=policy == "same_arm",
        probability=assumed.probability,
        most=-1 if assumed.most is None else assumed.most,
        law=tables.add(assumed.days),
        kit_probability=scenario.visits.kit_replaced_probability,
    )

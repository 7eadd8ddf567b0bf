"""What a site could supply at a randomization: supply gates, the arms that can be supplied, and caps on forced randomization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from allocation.rules.caps import cap_reached
from allocation.rules.compilable import NO_DAY
from allocation.rules.supply_gates import gate_is_closed
from simulation.engines.simpy_twin.caps import caps_at

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.twin import Twin


class ArmSupply:
    """What is asked of the stock of sites, and how many were forced toward each cap."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.forced = [0] * twin.plan.arm_supply.caps

    def gate_closed(self, site: Site) -> bool:
        """Whether the site lacks what the gate asks for."""
        supply = self.twin.plan.arm_supply
        asked = [kit_type for kit_type, kits in enumerate(supply.asked) if kits > 0]
        there = [_kits(site, kit_type) >= supply.asked[kit_type] for kit_type in asked]
        return gate_is_closed(supply.gate, np.array(there, dtype=np.bool_), supply.chosen[asked] == 1)

    def suppliable(self, site: Site) -> list[bool]:
        """Of each arm of the event, whether the site has the kits of its first dispensing."""
        supply, starts = self.twin.plan.arm_supply, self.twin.plan.arm_supply.needed_start
        return [
            all(
                _kits(site, int(supply.needed_kit_type[line])) >= supply.needed_kits[line]
                for line in range(int(starts[arm]), int(starts[arm + 1]))
            )
            for arm in range(self.twin.plan.allocation.arm_count)
        ]

    def _caps_of(self, site: int) -> list[int]:
        supply = self.twin.plan.arm_supply
        return caps_at(self.twin.plan, site, supply.cap_scope, supply.cap_place)

    def forcing_capped(self, site: int) -> bool:
        """Whether nobody may be forced at the site any more."""
        limit = self.twin.plan.arm_supply.cap_limit
        return any(cap_reached(self.forced[cap], int(limit[cap])) for cap in self._caps_of(site))

    def count_forced(self, site: int) -> None:
        """One more was forced at the site."""
        for cap in self._caps_of(site):
            self.forced[cap] += 1


def _kits(site: Site, kit_type: int) -> int:
    """Kits of a type that the site may hand out today."""
    return sum(site.usable(kit_type, NO_DAY).values())

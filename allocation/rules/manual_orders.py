"""An order that a person places for a site (a stock indent): by what kits look like, or by kit type.

Whoever is blinded orders by blinding group, and the same quantity of every kit type of it: an order of one type would say which arm the
site's subjects are in. Where block sizes differ, the quantity is rounded up to a multiple of all of them, so that it stays
the same. Rounding and protection are those of every order (orders.py). Source: field note resupply.md, "Blinding protections".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from allocation.errors import DomainRefusal, RuleError
from allocation.rules.orders import KitTypeSupply, OrderLine, OrderPolicy, plan_seeding

RULE_VERSION: Final = "stock-indent/1"


@dataclass(frozen=True, slots=True)
class IndentPlan:
    """The record of one order by hand: what was asked for, kits by blinding group and by kit type, and the lines that follow."""

    rule_version: str
    asked_by_group: Mapping[str, int]
    asked_by_type: Mapping[str, int]
    lines: tuple[OrderLine, ...]

    @property
    def ordered(self) -> int:
        """Kits over all lines."""
        return sum(line.ordered for line in self.lines)


def plan_indent(
    by_group: Mapping[str, int],
    by_type: Mapping[str, int],
    long_windows: Mapping[str, int],
    kit_types: Mapping[str, KitTypeSupply],
    policy: OrderPolicy,
) -> IndentPlan:
    """Plan an order of `by_group` kits of every kit type of a blinding group, and `by_type` kits of a kit type.

    `long_windows` in days by kit type, for `min_shipments`. Raises DomainRefusal for a group without kit types, RuleError for an unknown
    kit type or a quantity below 1.
    """
    quantities: dict[str, int] = {}
    for group, asked in by_group.items():
        of_group = {code: one for code, one in kit_types.items() if one.blinding_group == group}
        if not of_group:
            raise DomainRefusal(
                f"there are no kits that look like {group!r}",
                code="unknown-group",
                field="groups",
                fix="name a blinding group of the study, by its label or its code",
            )
        block = math.lcm(*(one.block_size for one in of_group.values()))
        quantities |= dict.fromkeys(of_group, -(-asked // block) * block)
    for kit_type, asked in by_type.items():
        if kit_type not in kit_types:
            raise RuleError(f"kit type {kit_type} is not known", field="kit_types")
        quantities[kit_type] = quantities.get(kit_type, 0) + asked
    if any(asked < 1 for asked in (*by_group.values(), *by_type.values())):
        raise RuleError("quantities are 1 or more", field="quantity")
    looks = {kit_types[code].blinding_group for code in quantities}
    # Those that were not asked for stand there with nothing, so that protection has what to raise.
    alike = {code: 0 for code, one in kit_types.items() if one.blinding_group in looks}
    quantities = {**alike, **quantities}
    lines = plan_seeding(quantities, long_windows, kit_types, policy)
    return IndentPlan(RULE_VERSION, dict(by_group), dict(by_type), lines)

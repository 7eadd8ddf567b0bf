"""Kits that move from one site to another: what is asked for, by what kits look like or by kit type, made into lines of an order.

A blinded supply manager asks for the same quantity of every kit type of a blinding group, so that nothing is said of any arm. Whoever
asks by kit type gets the protections of every order: neither a single kit nor a single kit type of a group travels (orders.py), and
what is missing to that is added. A transfer is whole or not made: what the other site may not send is nobody's shortage.
Source: field note resupply.md, "Blinding protections".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from allocation.errors import DomainRefusal
from allocation.rules.orders import KitTypeSupply, OrderLine, OrderPolicy, plan_seeding

RULE_VERSION: Final = "site-transfer/1"


def plan_transfer(
    by_group: Mapping[str, int],
    by_type: Mapping[str, int],
    kit_types: Mapping[str, KitTypeSupply],
    policy: OrderPolicy,
) -> tuple[OrderLine, ...]:
    """The lines of a transfer: `by_group` kits of every type of a blinding group, `by_type` kits of one type, quantities from 1.

    Raises DomainRefusal for a group or type that the study does not have, and where nothing is asked for.
    """
    quantities: dict[str, int] = {}
    for group, asked in by_group.items():
        of_group = [code for code, one in kit_types.items() if one.blinding_group == group]
        if not of_group:
            raise DomainRefusal(
                f"there are no kits that look like {group!r}",
                code="unknown-group",
                field="groups",
                fix="name a blinding group of the study",
            )
        quantities |= dict.fromkeys(of_group, asked)
    for code, asked in by_type.items():
        if code not in kit_types:
            raise DomainRefusal(
                f"kit type {code!r} is not in the protocol",
                code="unknown-kit-type",
                field="kit_types",
                fix=f"one of {', '.join(kit_types)}",
            )
        quantities[code] = quantities.get(code, 0) + asked
    if not quantities:
        raise DomainRefusal(
            "nothing is asked for",
            code="nothing-asked",
            field="groups",
            fix="name a blinding group and how many",
        )
    looks = {kit_types[code].blinding_group for code in quantities}
    alike = {code: 0 for code, one in kit_types.items() if one.blinding_group in looks}
    return plan_seeding({**alike, **quantities}, dict.fromkeys(alike, 0), kit_types, policy)

"""Pools: stock of one place that two studies may lend each other. Each says so in its own protocol, by the same pool code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from allocation.study.inconsistency import Findings
from allocation.study.model import LARGEST, Code, ProtocolPart

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


class PooledKitType(ProtocolPart):
    """A kit type of this study and the `item` that it is in the pool: kit types of two studies with the same item are the same thing.

    `keep`: usable kits that each depot or site of this study keeps for itself; only what it has beyond them is lent.
    """

    kit_type: Code
    item: Code
    keep: int = Field(default=0, ge=0, le=LARGEST)


class Pool(ProtocolPart):
    """What this study lends to and takes from others that have a pool of this code, at depots or at sites (`level`).

    `automatic`: whether resupply runs take from it where the own depot is short; both studies must say so, the one that lends as well.
    """

    code: Code
    level: Literal["depot", "site"]
    automatic: bool = Field(
        default=False,
        description="whether resupply runs take from the pool by themselves where the own depot is short",
    )
    items: tuple[PooledKitType, ...] = Field(min_length=1)


def pool_of(protocol: Protocol, code: str) -> Pool | None:
    """The pool of that code, or None."""
    return next((pool for pool in protocol.supply.pools if pool.code == code), None)


def countries_supplied(protocol: Protocol, depot_id: str) -> tuple[str, ...]:
    """The countries that kits of a depot may go to, by way of the depots that it refills, too; sorted."""
    above = {one.code: one.supplied_by for one in protocol.depots}
    first = [(one.depot, one.code) for one in protocol.countries]
    first += [(one.depot, one.country) for one in protocol.sites if one.depot is not None]
    found = set()
    for depot, country in first:
        at: str | None = depot
        while at is not None:
            if at == depot_id:
                found.add(country)
            at = above.get(at)
    return tuple(sorted(found))


def check_pools(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` pools that stand twice, and kit types that are not there, are pooled twice, or share an item."""
    kit_types = [one.code for one in protocol.kit_types]
    pools = protocol.supply.pools
    findings.unique(("supply", "pools"), [pool.code for pool in pools], "pool", "code")
    for index, pool in enumerate(pools):
        path = ("supply", "pools", index, "items")
        for row, one in enumerate(pool.items):
            findings.name((*path, row, "kit_type"), one.kit_type, kit_types, "kit type")
        findings.unique(path, [one.kit_type for one in pool.items], "kit type", "kit_type")
        findings.unique(path, [one.item for one in pool.items], "item", "item")

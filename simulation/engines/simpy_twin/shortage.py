"""A depot that has less than its sites and the depots that it refills are to get in a run: fair shares (rules/fair_share.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from allocation.rules.fair_share import shares_by_country
from allocation.rules.order_assembly import limited_to_share
from simulation.engines.simpy_twin.depot import lots_of

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.refills import DepotNeed
    from simulation.engines.simpy_twin.twin import Twin

Shares = dict[tuple[int, int], int]
"""Depot that is refilled, kit type -> its share of what its supplier is short of."""


def share_shortages(twin: Twin, orders: dict[int, list[int]], depots: list[DepotNeed]) -> Shares:
    """Lower the orders of sites to their fair shares, for each kit type of which two or more ask a depot for more than it has."""
    shares: Shares = {}
    for depot in range(twin.plan.depots):
        for kit_type in range(twin.plan.kits.size):
            sites = [
                index
                for index, lines in orders.items()
                if twin.sites[index].depot == depot and lines[kit_type] > 0
            ]
            below = [
                one
                for one in depots
                if twin.plan.refills.supplier[one.depot] == depot and one.lines[kit_type] > 0
            ]
            if len(sites) + len(below) < 2:
                continue
            wanted = [orders[index][kit_type] for index in sites] + [one.lines[kit_type] for one in below]
            countries = [frozenset({twin.sites[index].country}) for index in sites]
            countries += [frozenset(one.countries) for one in below]
            shared = _shared(twin, depot, kit_type, wanted, countries)
            if shared == wanted:
                continue
            for index, share in zip(sites, shared, strict=False):
                orders[index][kit_type] = limited_to_share(orders[index][kit_type], share)
            for one, share in zip(below, shared[len(sites) :], strict=True):
                shares[one.depot, kit_type] = share
    return shares


def _shared(
    twin: Twin, depot: int, kit_type: int, wanted: list[int], countries: list[frozenset[int]]
) -> list[int]:
    """The share of each who asks, in kits. Those with the same countries share first what may be used there."""
    places = list(dict.fromkeys(countries))
    block = int(twin.plan.kits.block_size[kit_type])
    usable = [_may_ship(twin, depot, kit_type, place) for place in places]
    available = _may_ship(twin, depot, kit_type, frozenset().union(*countries))
    shares, within, given = (np.zeros(len(wanted), dtype=np.int64) for _ in range(3))
    shares_by_country(
        np.array(wanted, dtype=np.int64) // block,
        np.array([places.index(one) for one in countries], dtype=np.int64),
        np.array(usable, dtype=np.int64) // block,
        available // block,
        shares,
        within,
        given,
    )
    return [int(share) * block for share in shares]


def _may_ship(twin: Twin, depot: int, kit_type: int, countries: frozenset[int]) -> int:
    by_country = [twin.depots.may_ship(depot, kit_type, country) for country in countries]
    return sum(max((there.get(lot, 0) for there in by_country), default=0) for lot in lots_of(twin, kit_type))

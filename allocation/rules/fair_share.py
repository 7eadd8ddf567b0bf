"""Who gets what of a depot that has less of a kit type than the sites of one resupply run are to get.

A lower depot, and a satellite of a pharmacy, shares as a site does: "site" stands for whoever asks.

    share of a site = available * wanted / wanted by all, in whole blocks: rounded down, and the blocks that are left over go one by
                      one to the largest remainders, of equal ones to the larger order, then to the earlier site

So nobody is more than one block away from the exact proportion, nobody gets more than was wanted, nothing is left at the depot that
somebody wants, and no site can be given a block without another falling further below its proportion than the first one was.

Lots may be released for some countries only. Then the sites of a country first share what that country may use, and after that all
of them share the depot. Source: field note resupply.md ("Order assembly"); the largest remainder method is Hamilton's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.compilable import IntArray, compilable

RULE_VERSION: Final = "fair-share/1"


ANYWHERE: Final = -1
"""No country in particular: all sites share."""


@compilable
def share_out(
    wanted: IntArray, countries: IntArray, place: int, available: int, shares: IntArray, given: IntArray
) -> int:
    """Fill `shares` with the `available` blocks that each site of the country `place` gets, by the rule of this module; return their sum.

    Each gets all that it wanted where there is enough. `countries` hold each site's number of its country; with ANYWHERE all take part. The
    shares of other sites are left alone. `given` is scratch, as long as the sites.
    """
    total = 0
    for i in range(len(wanted)):
        if place == ANYWHERE or countries[i] == place:
            total += wanted[i]
            shares[i] = wanted[i]
    left = max(available, 0)
    if total <= left:
        return total
    for i in range(len(wanted)):
        # Who does not take part counts as served, so that nothing is left over for it.
        given[i] = 1
        if place == ANYWHERE or countries[i] == place:
            given[i] = 0
            shares[i] = wanted[i] * max(available, 0) // total
            left -= shares[i]
    for _ in range(left):
        best = -1
        for i in range(len(wanted)):
            if given[i] == 1 or wanted[i] == shares[i]:
                continue
            if best < 0:
                best = i
                continue
            own, other = wanted[i] * available % total, wanted[best] * available % total
            if own > other or (own == other and wanted[i] > wanted[best]):
                best = i
        given[best] = 1
        shares[best] += 1
    return max(available, 0)


@compilable
def shares_by_country(
    wanted: IntArray,
    countries: IntArray,
    usable: IntArray,
    available: int,
    shares: IntArray,
    within: IntArray,
    given: IntArray,
) -> int:
    """Fill `shares` with the blocks that each site gets, first within its country and then of the depot; return their sum.

    `usable` are the blocks that may be shipped to each country, `available` those that may be shipped to any. `within` and `given` are
    scratch, as long as the sites.
    """
    for place in range(len(usable)):
        share_out(wanted, countries, place, usable[place], within, given)
    return share_out(within, countries, ANYWHERE, available, shares, given)


@dataclass(frozen=True, slots=True)
class SharedKitType:
    """The record of one kit type that a depot is short of. Counts are kits.

    `wanted` and `shares` by site, in the order of the sites; `usable` is what the depot may ship to each of their countries, `available`
    what it may ship to any of them.
    """

    rule_version: str
    kit_type: str
    block_size: int
    available: int
    usable: Mapping[str, int]
    country: Mapping[str, str]
    wanted: Mapping[str, int]
    shares: Mapping[str, int]


def share_kit_type(
    kit_type: str,
    wanted: Mapping[str, int],
    country: Mapping[str, str],
    usable: Mapping[str, int],
    available: int,
    block_size: int = 1,
) -> SharedKitType:
    """Share one kit type of a depot between the sites that want it (kits, whole blocks); `country` and `usable` as in the record.

    A site whose share is all that it wanted is in the record as well. Raises InvalidParameter for a negative count, or a quantity that is
    not whole blocks.
    """
    for field, counts in (
        ("wanted", wanted.values()),
        ("usable", usable.values()),
        ("available", [available]),
    ):
        if any(count < 0 for count in counts):
            raise InvalidParameter("must be 0 or more", field=field)
    if block_size < 1 or any(count % block_size for count in wanted.values()):
        raise InvalidParameter(
            f"{list(wanted.values())} are not all whole blocks of {block_size}", field="wanted"
        )
    sites = sorted(wanted)
    places = sorted({country[site] for site in sites})
    blocks, within, given = (np.zeros(len(sites), dtype=np.int64) for _ in range(3))
    shares_by_country(
        np.array([wanted[site] // block_size for site in sites], dtype=np.int64),
        np.array([places.index(country[site]) for site in sites], dtype=np.int64),
        np.array([usable[place] // block_size for place in places], dtype=np.int64),
        available // block_size,
        blocks,
        within,
        given,
    )
    return SharedKitType(
        rule_version=RULE_VERSION,
        kit_type=kit_type,
        block_size=block_size,
        available=available,
        usable=dict(usable),
        country={site: country[site] for site in sites},
        wanted={site: wanted[site] for site in sites},
        shares={site: int(share) * block_size for site, share in zip(sites, blocks, strict=True)},
    )

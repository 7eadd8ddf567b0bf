"""Who gets what of a depot that has less of a kit type than the sites of one resupply run are to get.

    share of a site = available * wanted / wanted by all, in whole blocks: rounded down, and the blocks that are left over go one by
                      one to the largest remainders, of equal ones to the larger order, then to the earlier site

So nobody is more than one block away from the exact proportion, nobody gets more than was wanted, nothing is left at the depot that
somebody wants, and no site can be given a block without another falling further below its proportion than the first one was.

Lots may be released for some countries only. Then the sites of a country first share what that country may use, and after that all
of them share the depot. Source: field note resupply.md ("Order assembly"); the largest remainder method is Hamilton's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.compilable import IntArray, compilable

RULE_VERSION: Final = "fair-share/1"


@compilable
def fair_shares(wanted: IntArray, available: int) -> IntArray:
    """Return how many of the `available` blocks each site gets; all that it wanted where there is enough. By the rule of this module."""
    shares = np.empty(len(wanted), dtype=np.int64)
    total = 0
    for i in range(len(wanted)):
        total += wanted[i]
        shares[i] = wanted[i]
    if total <= available:
        return shares
    left = max(available, 0)
    for i in range(len(wanted)):
        shares[i] = wanted[i] * max(available, 0) // total
        left -= shares[i]
    given = np.zeros(len(wanted), dtype=np.int64)
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
    for i in range(len(wanted)):
        shares[i] += given[i]
    return shares


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
    blocks = {site: wanted[site] // block_size for site in sites}
    for place in sorted({country[site] for site in sites}):
        here = [site for site in sites if country[site] == place]
        blocks |= _shared(here, blocks, usable[place] // block_size)
    blocks = _shared(sites, blocks, available // block_size)
    return SharedKitType(
        rule_version=RULE_VERSION,
        kit_type=kit_type,
        block_size=block_size,
        available=available,
        usable=dict(usable),
        country={site: country[site] for site in sites},
        wanted={site: wanted[site] for site in sites},
        shares={site: blocks[site] * block_size for site in sites},
    )


def _shared(sites: Sequence[str], blocks: Mapping[str, int], available: int) -> dict[str, int]:
    shares = fair_shares(np.array([blocks[site] for site in sites], dtype=np.int64), available)
    return {site: int(share) for site, share in zip(sites, shares, strict=True)}

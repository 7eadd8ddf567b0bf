"""How many kits an order has, and whether they leave: the compilable side of orders.py.

Arrays hold one element a line, that is a kit type that may be ordered for the site. `groups` are numbers of blinding groups, and `several`
tells whether the study has more than one kit type in the line's group: a group of one type has nothing to hide. The time grows with
the square of the lines, of which there are few.
"""

from __future__ import annotations

from typing import Final

from allocation.rules.compilable import BoolArray, IntArray, compilable, inlined

TRIGGERED_TYPES_ONLY: Final = 0
ALL_TYPES: Final = 1

FEWEST_KITS_OF_A_GROUP: Final = 2

RAISED_TO_BLOCK: Final = 1
RAISED_SINGLE_TYPE: Final = 2
RAISED_SINGLE_KIT: Final = 4
"""Flags of why a line orders more than is needed, of which several may be set."""

NOT_SHORT: Final = -1
"""The share of a kit type that nobody has to share."""


@compilable
def whole_blocks(kits: int, block_size: int) -> int:
    """Return `kits` rounded up to a multiple of `block_size`."""
    return -(-kits // block_size) * block_size


@compilable
def needed_kits(any_triggered: bool, quantity: int, top_up: int, consolidation: int) -> int:
    """Return the kits of one type that its thresholds ask for: with ALL_TYPES one trigger tops up every type of the site."""
    if any_triggered and consolidation == ALL_TYPES:
        return top_up
    return quantity


@compilable
@inlined
def ordered_kits(
    needed: IntArray,
    block_sizes: IntArray,
    groups: IntArray,
    several: BoolArray,
    single_type_protection: bool,
    single_kit_protection: bool,
    ordered: IntArray,
    raised: IntArray,
) -> int:
    """Fill `ordered` with the kits of each line and `raised` with the flags of why they are more than `needed`; return all kits.

    Whole blocks; and of a blinding group of several types neither a single type nor a single kit. A line of a single type raises each
    other line of its group to one kit; a single kit that is left (its group has no other line) is raised to two.
    """
    total = 0
    for i in range(len(needed)):
        ordered[i] = whole_blocks(needed[i], block_sizes[i])
        raised[i] = RAISED_TO_BLOCK if ordered[i] > needed[i] else 0
    for i in range(len(needed)):
        if not several[i] or needed[i] == 0:
            continue
        types = 0
        for j in range(len(needed)):
            if groups[j] == groups[i] and ordered[j] > 0:
                types += 1
        if types == 1 and single_type_protection:
            for j in range(len(needed)):
                if groups[j] == groups[i] and ordered[j] == 0:
                    ordered[j] = whole_blocks(1, block_sizes[j])
                    raised[j] = RAISED_SINGLE_TYPE + (RAISED_TO_BLOCK if ordered[j] > 1 else 0)
        kits = 0
        for j in range(len(needed)):
            if groups[j] == groups[i]:
                kits += ordered[j]
        if kits < FEWEST_KITS_OF_A_GROUP and single_kit_protection:
            ordered[i] = whole_blocks(FEWEST_KITS_OF_A_GROUP, block_sizes[i])
            raised[i] += RAISED_SINGLE_KIT
    for i in range(len(needed)):
        total += ordered[i]
    return total


@compilable
def limited_to_share(ordered: int, share: int) -> int:
    """Return the kits of a line after fair share; `share` NOT_SHORT leaves them as they are. Nothing is raised."""
    return ordered if share == NOT_SHORT else min(ordered, share)


@compilable
def exposes_group(
    found: IntArray,
    groups: IntArray,
    several: bool,
    group: int,
    single_type_protection: bool,
    single_kit_protection: bool,
) -> bool:
    """Return whether shipping the kits `found` for each line would expose `group`: a single kit, or a single kit type of it, ships.

    `several` is of that group.
    """
    kits = 0
    types = 0
    for i in range(len(found)):
        if groups[i] == group and found[i] > 0:
            kits += found[i]
            types += 1
    single_kit = single_kit_protection and kits == 1
    single_type = single_type_protection and types == 1
    return several and (single_kit or single_type)


@compilable
def shipped_kits(found: int, exposed: bool, withhold_exposed: bool) -> int:
    """Return how many of the kits found for a line leave the depot: none of a group that they would expose, where that is withheld."""
    return 0 if exposed and withhold_exposed else found

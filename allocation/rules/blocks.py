"""Generation of a randomization list: stratified permuted blocks with fixed or variable block sizes, from a seed.

Version "permuted-block/1". Each stratum has its own stream, addressed by (version, seed, stratum): in turn the block size is
drawn from the allowed sizes (with equal chance; no draw when there is only one), the block is filled with the arms by their
ratio in the order of the design, and shuffled. Blocks are always complete, so a stratum may get a few entries more than was
asked for. Consequences, which the tests hold: the same seed gives the same list everywhere; another length of one stratum, or a
stratum added at the end, leaves the rest of the list as it was; a longer list of a stratum begins with the shorter one.

Randomization numbers are scrambled over the whole range of their digits by a keyed permutation (seeded_stream.py): unique,
with gaps, and without information on arm, stratum, block or order. The seed is as secret as the list: unblinded roles only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.compilable import IntArray, compilable
from allocation.rules.restricted.complete import total
from allocation.rules.seeded_stream import ScrambledNumbers, SeededStream

VERSION: Final = "permuted-block/1"

STRATUM_CAPACITY: Final = 10_000
"""Entries a stratum may have: the share of the number range set aside for each stratum."""


@compilable
def fill_block(ratio: IntArray, size: int, others: IntArray, arms: IntArray) -> None:
    """Fill `arms[:size]` with the arms (indexes of the `ratio`) of a permuted block of `size` entries, in a random order.

    `size` is a multiple of the sum of the ratio. `others[i]` is a uniform integer from 0 to i: the place that place i is exchanged with,
    from the last down to 1 (Fisher and Yates).
    """
    shares = total(ratio)
    place = 0
    for arm in range(len(ratio)):
        for _ in range(ratio[arm] * size // shares):
            arms[place] = arm
            place += 1
    for last in range(size - 1, 0, -1):
        arm = arms[last]
        arms[last] = arms[others[last]]
        arms[others[last]] = arm


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a randomization list. `sequence` (from 1) runs without gaps in its stratum, in the order of use.

    `block` counts from 1 in the stratum and is None in a list without blocks. Unblinded readers only.
    """

    number: str
    stratum: str
    sequence: int
    block: int | None
    arm: str


@dataclass(frozen=True, slots=True)
class StratumPlan:
    """How many entries a stratum needs at least; `stratum` is its key, such as "male|<65"."""

    stratum: str
    length: int


@dataclass(frozen=True, slots=True)
class BlockDesign:
    """What a list is generated from. `ratio` is (arm, share) in the order of the protocol, such as (("A", 2), ("P", 1)).

    `block_sizes` are multiples of the sum of the shares. `number_digits` is the length of a randomization number.
    Checked on construction: raises InvalidParameter naming the field.
    """

    ratio: tuple[tuple[str, int], ...]
    block_sizes: tuple[int, ...]
    strata: tuple[StratumPlan, ...]
    number_digits: int = 7

    def __post_init__(self) -> None:
        """Check arms, shares, sizes, strata and whether the numbers suffice."""
        arms = [arm for arm, _ in self.ratio]
        if not arms or len(set(arms)) != len(arms):
            raise InvalidParameter(f"needs distinct arms, not {arms}", field="ratio")
        for arm, share in self.ratio:
            if share < 1:
                raise InvalidParameter(f"arm {arm} has share {share}", field="ratio", fix="give 1 or more")
        shares = sum(share for _, share in self.ratio)
        if not self.block_sizes or len(set(self.block_sizes)) != len(self.block_sizes):
            raise InvalidParameter(f"needs distinct sizes, not {self.block_sizes}", field="block_sizes")
        for size in self.block_sizes:
            if size < 1 or size % shares:
                raise InvalidParameter(
                    f"{size} is not a multiple of {shares}, the sum of the ratio",
                    field="block_sizes",
                    fix=f"use sizes such as {shares} and {2 * shares}",
                )
        check_strata(self.strata, max(self.block_sizes))
        check_numbers(self.strata, self.number_digits)


def check_strata(strata: Sequence[StratumPlan], longest_block: int) -> None:
    """Check the strata of a list: distinct, and of a length that their share of the numbers holds. Raises InvalidParameter."""
    names = [plan.stratum for plan in strata]
    if not names or len(set(names)) != len(names):
        raise InvalidParameter(f"needs distinct strata, not {names}", field="strata")
    longest = STRATUM_CAPACITY - longest_block
    for plan in strata:
        if not 1 <= plan.length <= longest:
            raise InvalidParameter(
                f"stratum {plan.stratum} asks for {plan.length} entries",
                field="strata",
                fix=f"1 to {longest}",
            )


def check_numbers(strata: Sequence[StratumPlan], number_digits: int) -> None:
    """Check that the randomization numbers suffice with gaps. Raises InvalidParameter."""
    numbers = 9 * 10 ** (number_digits - 1) if number_digits > 0 else 0
    if numbers < 2 * STRATUM_CAPACITY * len(strata):
        raise InvalidParameter(
            f"{number_digits} digits leave too few gaps for {len(strata)} strata",
            field="number_digits",
            fix="use more digits",
        )


def generate_list(design: BlockDesign, seed: int) -> tuple[ListEntry, ...]:
    """Generate the list: the strata in the order of the design, each in sequence. Raises InvalidParameter for a bad seed."""
    low = 10 ** (design.number_digits - 1)
    numbers = ScrambledNumbers(low, 10 * low - 1, f"{VERSION}/numbers", seed)
    return tuple(
        ListEntry(
            str(numbers.number(position * STRATUM_CAPACITY + sequence)),
            plan.stratum,
            sequence + 1,
            block,
            arm,
        )
        for position, plan in enumerate(design.strata)
        for sequence, (block, arm) in enumerate(block_arms(design, plan, seed))
    )


def block_arms(design: BlockDesign, plan: StratumPlan, seed: int) -> list[tuple[int, str]]:
    """The (block, arm) of a stratum's entries, in sequence: `generate_list` without the numbers, which a longer list may share."""
    stream = SeededStream(VERSION, seed, plan.stratum)
    ratio = np.array([share for _, share in design.ratio], dtype=np.int64)
    entries: list[tuple[int, str]] = []
    block = 0
    while len(entries) < plan.length:
        block += 1
        sizes = design.block_sizes
        size = sizes[0] if len(sizes) == 1 else sizes[stream.below(len(sizes))]
        others = np.zeros(size, dtype=np.int64)
        for last in range(size - 1, 0, -1):
            others[last] = stream.below(last + 1)
        places = np.zeros(size, dtype=np.int64)
        fill_block(ratio, size, others, places)
        entries += [(block, design.ratio[place][0]) for place in places]
    return entries

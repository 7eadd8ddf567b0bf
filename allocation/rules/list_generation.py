"""Generation of a randomization list by any restricted design, from a seed.

Permuted blocks are made by `blocks.py` (version "permuted-block/1"), entry for entry as ever. Every other design is version
"restricted-list/1": each stratum has its own stream, addressed by (version, seed, method, stratum). For each entry in turn the
design gives the probabilities after the entries before it, which are those of a draw at the moment of randomization
(`restricted/draw.py`), and the arm is the one in whose piece of [0, 1) the stream's next word falls, shifted right by 11 bits and
divided by 2**53 (`draws.arm_at`). Designs that run in sequences of n end with a whole sequence, so a stratum may get more
entries than it asked for; `block` counts the sequences, and is None for the others.

The same seed gives the same list on any machine. What is not exact arithmetic on both sides of the uniform are the powers of the
adjustable and the generalized biased coin, where two C libraries may differ in the last bit (a chance of about 1e-16 an entry).
The seed is as secret as the list: unblinded roles only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from allocation.errors import InvalidParameter
from allocation.rules.blocks import (
    STRATUM_CAPACITY,
    BlockDesign,
    ListEntry,
    StratumPlan,
    check_numbers,
    check_strata,
    generate_list,
)
from allocation.rules.blocks import VERSION as BLOCK_VERSION
from allocation.rules.draws import unit_uniform
from allocation.rules.restricted.design import RestrictedDesign
from allocation.rules.restricted.draw import restricted_draw
from allocation.rules.seeded_stream import ScrambledNumbers, SeededStream

VERSION: Final = "restricted-list/1"


@dataclass(frozen=True, slots=True)
class ListDesign:
    """What a list is generated from: the design, its arms in the order of the ratio, and the strata with their lengths.

    `number_digits` is the length of a randomization number. Checked on construction: raises InvalidParameter naming the field.
    """

    design: RestrictedDesign
    arms: tuple[str, ...]
    strata: tuple[StratumPlan, ...]
    number_digits: int = 7

    def __post_init__(self) -> None:
        """Check arms, strata and whether the numbers suffice."""
        if len(set(self.arms)) != len(self.arms) or len(self.arms) != len(self.design.ratio):
            raise InvalidParameter(
                f"needs distinct arms, one for each share of {self.design.ratio}, not {list(self.arms)}",
                field="arms",
            )
        check_strata(self.strata, max(self.design.sizes, default=0))
        check_numbers(self.strata, self.number_digits)

    @property
    def generator_version(self) -> str:
        """The version of the generator that makes this list: what is recorded with the list beside the seed."""
        return BLOCK_VERSION if self.design.rule.blocks else VERSION


def generate_restricted_list(plan: ListDesign, seed: int) -> tuple[ListEntry, ...]:
    """Generate the list: the strata in the order of the plan, each in sequence. Raises InvalidParameter for a bad seed."""
    if plan.design.rule.blocks:
        ratio = tuple(zip(plan.arms, plan.design.ratio, strict=True))
        blocks = BlockDesign(ratio, plan.design.block_sizes, plan.strata, plan.number_digits)
        return generate_list(blocks, seed)
    low = 10 ** (plan.number_digits - 1)
    numbers = ScrambledNumbers(low, 10 * low - 1, f"{VERSION}/numbers", seed)
    return tuple(
        ListEntry(
            str(numbers.number(position * STRATUM_CAPACITY + sequence)),
            stratum.stratum,
            sequence + 1,
            block,
            arm,
        )
        for position, stratum in enumerate(plan.strata)
        for sequence, (block, arm) in enumerate(stratum_arms(plan, stratum, seed))
    )


def stratum_arms(plan: ListDesign, stratum: StratumPlan, seed: int) -> list[tuple[int | None, str]]:
    """The (sequence number, arm) of a stratum's entries by a design other than permuted blocks (for these see `block_arms`)."""
    stream = SeededStream(VERSION, seed, plan.design.method, stratum.stratum)
    length = stratum.length
    if plan.design.rule.sequence:
        n = plan.design.sizes[0]
        length = -(-length // n) * n
    counts = dict.fromkeys(plan.arms, 0)
    entries: list[tuple[int | None, str]] = []
    for index in range(length):
        drawn = restricted_draw(
            plan.design,
            "",
            stratum.stratum,
            plan.arms,
            tuple(counts.values()),
            unit_uniform(stream.word()),
            index,
        )
        counts[drawn.arm] += 1
        number = dict(drawn.facts).get("block_number")
        entries.append((number if isinstance(number, int) else None, drawn.arm))
    return entries

"""Kit numbers and pick sequences: two independent scrambles of the same running index.

A kit number is printed and seen by everyone, so it must tell nothing: numbers are a keyed permutation of a range much larger than
the kits (random gaps), of a running index over ALL kits of the study, whatever their type or lot. The pick sequence, which orders
the use of kits of one expiry, is another permutation with another key: neither order follows from the other.

The index goes on from batch to batch (`first_index` = kits numbered before), so a later batch never repeats a number. The seed
belongs to the study and is unblinded data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from allocation.errors import InvalidParameter
from allocation.rules.seeded_stream import ScrambledNumbers

VERSION: Final = "scrambled-kit-number/1"

LARGEST_PICK_SEQUENCE: Final = 2**31 - 1
"""Pick sequences fit a 32-bit database integer."""

FEWEST_NUMBERS_PER_KIT: Final = 4
"""At most one number in four is used: a guessed or mistyped number is more often no kit than a kit."""


@dataclass(frozen=True, slots=True)
class KitIdentity:
    """What a kit is called and in which turn it is used: `number` is a text of digits, `pick_sequence` a positive integer."""

    number: str
    pick_sequence: int


def number_kits(seed: int, count: int, first_index: int = 0, digits: int = 6) -> tuple[KitIdentity, ...]:
    """Return the identities of `count` kits, from the running index `first_index` on.

    The same arguments give the same identities on every machine; one call for a batch equals two calls for its parts.
    `digits` is the length of a number (its first digit is never 0) and must stay the same throughout a study.
    Raises InvalidParameter for negative arguments and where the digits leave too few gaps.
    """
    for field, value in (("count", count), ("first_index", first_index)):
        if value < 0:
            raise InvalidParameter(f"must be 0 or more, not {value}", field=field)
    if not 1 <= digits <= 18:
        raise InvalidParameter(f"must be 1 to 18, not {digits}", field="digits")
    low = 10 ** (digits - 1)
    numbers_there_are = 9 * low
    if (first_index + count) * FEWEST_NUMBERS_PER_KIT > numbers_there_are:
        raise InvalidParameter(
            f"{digits} digits give {numbers_there_are} numbers, too few for {first_index + count} kits with gaps",
            field="digits",
            fix="use more digits",
        )
    numbers = ScrambledNumbers(low, 10 * low - 1, f"{VERSION}/number", seed)
    sequences = ScrambledNumbers(1, LARGEST_PICK_SEQUENCE, f"{VERSION}/pick-sequence", seed)
    return tuple(
        KitIdentity(str(numbers.number(index)), sequences.number(index))
        for index in range(first_index, first_index + count)
    )

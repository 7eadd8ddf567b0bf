"""Random numbers from a seed that are the same on every machine, with every version of numpy, for ever.

A randomization must be reproducible from retained data (EMA guideline on computerised systems, A5.2), so nothing here
relies on numpy's distribution methods, whose streams may change between versions. What is used:

* Philox 4x64 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11), a published counter-based
  generator, here through numpy's bit generator, whose raw 64-bit words are fixed by the algorithm. The key (128 bit) is the
  first 16 bytes, little-endian, of SHA-256 over the JSON array [purpose, seed, parts...] (ASCII, no spaces); the counter runs
  from 0. An independent implementation of these few lines gives the same list.
* A number below n by rejection on one 64-bit word: words of the last, incomplete multiple of n are thrown away, then modulo.
* A shuffle by Fisher and Yates (Durstenfeld's form, from the last element down).
* Scrambled numbers: a keyed permutation of a range of integers (a Feistel network with SHA-256 as round function, followed
  along its cycle until it falls into the range). A permutation cannot collide, so numbers are unique without a memory of the
  numbers given before, and one stratum's numbers do not depend on how many another has.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import MutableSequence
from typing import Final, TypeVar

import numpy as np

from allocation.errors import InvalidParameter, RuleError

T = TypeVar("T")

_WORD_SPAN: Final = 1 << 64
_CHUNK_WORDS: Final = 64
_FEISTEL_ROUNDS: Final = 10
_KEPT_HALVES: Final = 1 << 12


def stream_key(purpose: str, seed: int, *parts: str) -> bytes:
    """Return the 32 bytes that address a stream: SHA-256 over the JSON array [purpose, seed, parts...].

    `purpose` carries the version of the method. Raises InvalidParameter for a negative seed.
    """
    if seed < 0:
        raise InvalidParameter(
            f"must be 0 or more, not {seed}", field="seed", fix="give a whole number from 0"
        )
    text = json.dumps([purpose, seed, *parts], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).digest()


class SeededStream:
    """A stream of uniform integers addressed by (purpose, seed, parts); see the module for the exact definition."""

    def __init__(self, purpose: str, seed: int, *parts: str) -> None:
        key = int.from_bytes(stream_key(purpose, seed, *parts)[:16], "little")
        # numpy raises the counter before it makes a block, so the counter before 0 gives block 0 first.
        self._generator = np.random.Philox(key=key, counter=(1 << 256) - 1)
        self._words: list[int] = []
        self._position = 0

    def word(self) -> int:
        """Return the next raw word, 0 <= word < 2**64."""
        if self._position == len(self._words):
            self._words = [int(word) for word in self._generator.random_raw(_CHUNK_WORDS)]
            self._position = 0
        word = self._words[self._position]
        self._position += 1
        return word

    def below(self, bound: int) -> int:
        """Return a uniform integer in 0 <= x < bound. Raises RuleError unless 1 <= bound <= 2**64."""
        if not 1 <= bound <= _WORD_SPAN:
            raise RuleError(f"no uniform integer below {bound}", field="bound")
        accepted = _WORD_SPAN - _WORD_SPAN % bound
        word = self.word()
        while word >= accepted:
            word = self.word()
        return word % bound

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Put `items` in a uniformly random order, in place."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


class ScrambledNumbers:
    """A keyed permutation of the integers low <= x <= high: `number(0)`, `number(1)`, ... are distinct and look random.

    Who does not hold the seed learns nothing from a number about its index, nor from two numbers about their order.
    """

    def __init__(self, low: int, high: int, purpose: str, seed: int, *parts: str) -> None:
        if not 0 <= low <= high:
            raise InvalidParameter(f"no numbers between {low} and {high}", field="low")
        self._low = low
        self._size = high - low + 1
        self._half = max(math.isqrt(self._size - 1) + 1, 2)
        key = stream_key(purpose, seed, *parts)
        self._begun = [
            hashlib.sha256(key + number.to_bytes(1, "little")) for number in range(_FEISTEL_ROUNDS)
        ]
        # Of a small square the same halves come again and again: what a round makes of one is kept.
        self._kept: list[dict[int, int]] = [{} for _ in self._begun]

    def number(self, index: int) -> int:
        """Return the number of `index`. Raises RuleError unless 0 <= index <= high - low."""
        if not 0 <= index < self._size:
            raise RuleError(f"index {index} is outside 0 to {self._size - 1}", field="index")
        value = self._permute(index)
        while value >= self._size:
            value = self._permute(value)
        return self._low + value

    def _permute(self, value: int) -> int:
        """One pass of the network over the square of `half`, the smallest square that holds the range."""
        half = self._half
        left, right = divmod(value, half)
        for begun, kept in zip(self._begun, self._kept, strict=True):
            mixed = kept.get(right)
            if mixed is None:
                hashed = begun.copy()
                hashed.update(right.to_bytes(8, "little"))
                mixed = int.from_bytes(hashed.digest()[:16], "little") % half
                if half <= _KEPT_HALVES:
                    kept[right] = mixed
            left, right = right, (left + mixed) % half
        return left * half + right

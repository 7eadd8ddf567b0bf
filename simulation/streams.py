"""Random numbers addressed by (seed, replicate, entity, purpose, index): common random numbers by design.

A number depends on its address alone, never on how many were drawn before it, so adding a site or changing a threshold changes no
other draw, and any number of threads, processes or machines gives the same results. The generator is SplitMix64's finaliser
(Steele, Lea & Flood, OOPSLA 2014) applied along the parts of the address, on 64-bit words.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

MASK = 0xFFFFFFFFFFFFFFFF
LARGEST_SEED: Final = MASK
"""Seeds are words: a larger one would be another one's double."""

GOLDEN = 0x9E3779B97F4A7C15


def _mix(word: int) -> int:
    """SplitMix64's output function: a bijection of 64-bit words whose every output bit depends on every input bit."""
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & MASK
    return word ^ (word >> 31)


@lru_cache(maxsize=100_000)
def word_of(name: str) -> int:
    """The 64-bit word that stands for a name (BLAKE2b), the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


class Streams:
    """The random numbers of one replicate."""

    def __init__(self, seed: int, replicate: int = 0) -> None:
        self._root = _mix(_mix((seed & MASK) + GOLDEN & MASK) + (replicate + 1) * GOLDEN & MASK)

    def uniform(self, entity: str, purpose: str, index: int = 0) -> float:
        """A number in the open interval (0, 1) for this address: 53 random bits, never 0 or 1, so every inverse law is finite."""
        return self.uniform_of_words(word_of(entity), word_of(purpose), index)

    def uniform_of_words(self, entity: int, purpose: int, index: int) -> float:
        """As `uniform`, for the words that stand for the names."""
        word = _mix(self._root + entity & MASK)
        word = _mix(word + purpose & MASK)
        word = _mix(word + (index + 1) * GOLDEN & MASK)
        return ((word >> 11) + 0.5) / 9007199254740992.0

"""Philox 4x64-10 and the list definition, written out from the published algorithm, without numpy.

The constants are those of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11). This is the independent
implementation that an inspector could write from the module's docstring; the tests compare the two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

MASK = (1 << 64) - 1
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def philox_block(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """The four words of one counter (least significant word first)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(MULTIPLIERS[0] * c0, 1 << 64)
        high1, low1 = divmod(MULTIPLIERS[1] * c2, 1 << 64)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def words(purpose: str, seed: int, *parts: str) -> Iterator[int]:
    """The raw words of a stream."""
    text = json.dumps([purpose, seed, *parts], separators=(",", ":")).encode("ascii")
    digest = hashlib.sha256(text).digest()
    key = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")
    block = 0
    while True:
        yield from philox_block((block & MASK, block >> 64, 0, 0), key)
        block += 1


def below(stream: Iterator[int], bound: int) -> int:
    """A uniform integer below `bound`."""
    limit = (2**64 // bound) * bound
    return next(word for word in stream if word < limit) % bound


def stratum_arms(
    version: str, seed: int, stratum: str, ratio: list[tuple[str, int]], sizes: list[int], length: int
) -> list[str]:
    """The arms of one stratum of a permuted block list."""
    stream = words(version, seed, stratum)
    total = sum(share for _, share in ratio)
    arms: list[str] = []
    while len(arms) < length:
        size = sizes[0] if len(sizes) == 1 else sizes[below(stream, len(sizes))]
        block = [arm for arm, share in ratio for _ in range(share * (size // total))]
        for last in range(size - 1, 0, -1):
            other = below(stream, last + 1)
            block[last], block[other] = block[other], block[last]
        arms += block
    return arms

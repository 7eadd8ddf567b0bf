"""Calendars of the kernel: a row of bits a day, one bit a site or subject, so that a day's list comes sorted and costs nothing to keep."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulation.engines.compiled.parts import hot

_DE_BRUIJN: Final = np.uint64(0x03F79D71B4CB0A89)
_S58: Final = np.uint64(58)
_ONE: Final = np.uint64(1)
_BITS: Final = np.uint64(63)


def _places() -> np.ndarray:
    table = np.zeros(64, dtype=np.int64)
    for place in range(64):
        table[(((1 << place) * int(_DE_BRUIJN)) & 0xFFFFFFFFFFFFFFFF) >> 58] = place
    return table


_PLACES: Final = _places()


@hot
def lowest(word):
    """The place of the lowest bit of a word that is not 0 (de Bruijn's sequence)."""
    return _PLACES[((word & (~word + _ONE)) * _DE_BRUIJN) >> _S58]


@hot
def without_lowest(word):
    """The word without its lowest bit."""
    return word & (word - _ONE)


@hot
def enter(words, row, index):
    """Put `index` into the row of bits that begins at `row`."""
    words[row + (index >> 6)] |= _ONE << (np.uint64(index) & _BITS)


@hot
def holds(words, row, index):
    """Whether `index` is in a row of bits."""
    return (words[row + (index >> 6)] >> (np.uint64(index) & _BITS)) & _ONE != 0

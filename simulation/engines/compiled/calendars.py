"""Calendars of the kernel: a row of bits a day, one bit a site or subject, so that a day's list comes sorted and costs nothing to keep."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulation.engines.compiled.parts import hot
from simulation.engines.compiled.pointers import lowest

_ONE: Final = np.uint64(1)
_BITS: Final = np.uint64(63)


@hot
def without_lowest(word):
    """The word without its lowest bit."""
    return word & (word - _ONE)


@hot
def take_all(at, ints, words, row, row_words):
    """Empty a row and list who was in it from `at.listed` on, in their order; gives where the list ends.

    Two of each word are taken without asking whether there are so many: what a processor guesses wrong costs more than they do. That is
    for subjects, of whom few have a day's bit; the few words of all sites are looked through where they are used.
    """
    listed = at.listed
    for place in range(row_words):
        word = words[row + place]
        words[row + place] = 0
        for _ in range(2):
            ints[listed] = place * 64 + lowest(word)
            listed += 1 if word != 0 else 0
            word = without_lowest(word)
        while word != 0:
            ints[listed] = place * 64 + lowest(word)
            listed += 1
            word = without_lowest(word)
    return listed


@hot
def enter(words, row, index):
    """Put `index` into the row of bits that begins at `row`."""
    words[row + (index >> 6)] |= _ONE << (np.uint64(index) & _BITS)


@hot
def holds(words, row, index):
    """Whether `index` is in a row of bits."""
    return (words[row + (index >> 6)] >> (np.uint64(index) & _BITS)) & _ONE != 0

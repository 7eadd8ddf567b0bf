"""Random numbers and the laws on them, shared by both engines.

A number is addressed by (seed, replicate, entity, purpose, index), bit for bit that of `simulation.streams.Streams`: the SimPy twin asks
that class, the kernel the functions here on words, which it computes once per entity and purpose, so that a draw costs one mix. Every
law turns uniforms into a value by a fixed formula, so that a changed parameter moves a value and redraws nothing. A draw whose
outcome is certain is not made: that changes no other.

Entities are sites and lots by code, depots as `depot:CODE` (a site may have the code of a depot), and `trial`. Draws of a subject belong
to its site and are indexed by `subject_index`.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba.extending import register_jitable

from simulation.engines.plan_arrays import Floats
from simulation.streams import word_of

TRIAL: Final = "trial"
"""The entity of what is drawn for the trial as a whole."""

OPENING: Final = 0
RATE: Final = 1
ARRIVAL: Final = 2
VISIT_DAY: Final = 3
VISIT_DROP_OUT: Final = 4
LANE_DELAY: Final = 5
NEVER_OPENS: Final = 6
SCREENING_DAYS: Final = 7
SCREEN_FAILURE: Final = 8
VISIT_MISSED: Final = 9
VISIT_LATE: Final = 10
LATE_DAYS: Final = 11
DROP_OUT: Final = 12
DISPATCH_DAYS: Final = 13
CUSTOMS_HOLD: Final = 14
CUSTOMS_DAYS: Final = 15
SHIPMENT_LOST: Final = 16
KIT_DAMAGED: Final = 17
STRATUM: Final = 18
TITRATION: Final = 19
LEAVES_UNSERVED: Final = 20
SHIPMENT_EXCURSION: Final = 21
STORAGE_EXCURSION: Final = 22
REVIEW_DAYS: Final = 23
REVIEW_RELEASES: Final = 24
APPROVAL_DAYS: Final = 25
REPLACED: Final = 26
REPLACEMENT_DAYS: Final = 27
KIT_REPLACED: Final = 28

SITE_PURPOSES: Final = (
    "activation",
    "rate",
    "arrival",
    "day of visit",
    "drop-out at visit",
    "lane delay",
    "never-activated",
    "screening days",
    "screen failure",
    "missed visit",
    "late visit",
    "late days",
    "drop-out",
    "dispatch days",
    "customs hold",
    "customs days",
    "lost",
    "damaged",
    "stratum",
    "titration",
    "leaves unserved",
    "shipment excursion",
    "storage excursion",
    "review days",
    "review releases",
    "approval days",
    "replaced",
    "replacement days",
    "kit replaced",
)
"""What is drawn for a site, its subjects and its shipments; the constants are the places here."""

ALLOCATION: Final = "allocation"
BLOCK_SIZE: Final = "block size"
"""The purposes of the draws of arms and of block sizes, for the entity TRIAL: by group (`group_index`) and the number of the draw in it."""

ALLOCATIONS_PER_GROUP: Final = 1 << 24

PRODUCTION_PURPOSES: Final = ("manufacture days", "label days", "release days")
"""What is drawn for each lot that a campaign makes, or that waits for its release: the entity is its code, the index 0."""

PRODUCTION_WORDS: Final = np.array([word_of(purpose) for purpose in PRODUCTION_PURPOSES], dtype=np.uint64)
SITE_WORDS: Final = np.array([word_of(purpose) for purpose in SITE_PURPOSES], dtype=np.uint64)
TRIAL_WORD: Final = np.uint64(word_of(TRIAL))
ALLOCATION_WORD: Final = np.uint64(word_of(ALLOCATION))
BLOCK_SIZE_WORD: Final = np.uint64(word_of(BLOCK_SIZE))

VISITS_PER_SUBJECT: Final = 512
"""The indexes that each subject of a site has of one purpose: one a visit."""

KITS_PER_VISIT: Final = 1024
"""The indexes that each visit of a subject has for the kits handed out at it."""

KITS_PER_SHIPMENT: Final = 65536
"""The indexes that each shipment of a site has for its kits; shipments are indexed by the day of their order."""

REVIEWS: Final = 2
"""Reviews of a site are of excursions in transit (indexed by the day of the order) and in storage (by their number), in turn."""

RATE_DRAWS: Final = 4
"""Uniforms that one attempt at a gamma rate may use."""

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_S30: Final = np.uint64(30)
_S27: Final = np.uint64(27)
_S31: Final = np.uint64(31)
_S11: Final = np.uint64(11)
_ONE: Final = np.uint64(1)
_UNIT: Final = 1.0 / 9007199254740992.0


@register_jitable
def mix(word):
    """SplitMix64's finaliser on a 64-bit word (`simulation.streams`)."""
    word = (word ^ (word >> _S30)) * _FIRST
    word = (word ^ (word >> _S27)) * _SECOND
    return word ^ (word >> _S31)


@register_jitable
def replicate_word(seed, replicate):
    """The word that the addresses of one replicate begin with."""
    return mix(mix(seed + _GOLDEN) + (replicate + _ONE) * _GOLDEN)


@register_jitable
def stream_word(root, entity, purpose):
    """The word of a stream: what is drawn for one entity and purpose."""
    return mix(mix(root + entity) + purpose)


@register_jitable
def uniform_at(stream, index):
    """The number in (0, 1) at an index of a stream: `Streams.uniform`."""
    word = mix(stream + np.uint64(index + 1) * _GOLDEN)
    return (np.float64(np.int64(word >> _S11)) + 0.5) * _UNIT


@register_jitable
def subject_index(number: int, visit: int) -> int:
    """The index of a draw for the `number`-th subject of a site (from 0) at a visit (from 0)."""
    return number * VISITS_PER_SUBJECT + visit


@register_jitable
def place_in(cumulative: Floats, begin: int, count: int, u: float) -> int:
    """The place (from 0) of the uniform `u` among `count` shares, cumulative in `cumulative[begin : begin + count + 1]` from 0 to 1."""
    if count > 64:
        low, high = 0, count - 1
        while low < high:
            middle = (low + high) // 2
            if u < cumulative[begin + middle + 1]:
                high = middle
            else:
                low = middle + 1
        return low
    # `u` is below 1, but its product may be rounded up to `count`. The ends of the table stop both loops.
    at = int(u * count)
    while u < cumulative[begin + at]:
        at -= 1
    while u >= cumulative[begin + at + 1]:
        at += 1
    return at


@register_jitable
def exponential_gap(u: float) -> float:
    """An exponential time of mean 1: the inverse of its distribution function from above."""
    return -math.log(u)


@register_jitable
def gamma_attempt(shape: float, u0: float, u1: float, u2: float, u3: float) -> float:
    """A gamma number of mean `shape` and scale 1, or -1 where the attempt is rejected and the next is made with other uniforms.

    Marsaglia & Tsang, ACM Trans. Math. Softw. 26 (2000) 363; for shapes below 1 by the power of `u3`. The normal number is
    Box and Muller's of `u0` and `u1`.
    """
    raised = shape if shape >= 1.0 else shape + 1.0
    d = raised - 1.0 / 3.0
    x = math.sqrt(-2.0 * math.log(u0)) * math.cos(2.0 * math.pi * u1)
    v = 1.0 + x / math.sqrt(9.0 * d)
    if v <= 0.0:
        return -1.0
    v = v * v * v
    if math.log(u2) >= 0.5 * x * x + d - d * v + d * math.log(v):
        return -1.0
    if shape < 1.0:
        return d * v * u3 ** (1.0 / shape)
    return d * v

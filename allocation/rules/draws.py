"""One draw of a treatment: probabilities, a uniform number from the method's own stream, the arm, and the record of it all.

Every method that allocates by chance at the moment of randomization (biased coins, urns, minimization, response-adaptive) works
in these steps: it turns what was allocated before into one probability an arm; the uniform is read from a stream that is
addressed by (method seed, event, index of the draw); the arm is the one in whose piece of [0, 1) the uniform falls. The record
holds all of it, so that deriving it again gives the same arm (EMA guideline on computerised systems 2023, A5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from allocation.errors import RuleError
from allocation.rules.compilable import compilable
from allocation.rules.seeded_stream import SeededStream

STREAM: Final = "allocation-draw/1"
"""The purpose of the stream of uniforms: part of its address, and so its version."""

FloatArray = NDArray[np.float64]
"""One-dimensional array of numbers, one an arm in the order of the protocol: probabilities, scores."""


@dataclass(frozen=True, slots=True)
class DrawRecord:
    """The whole of one draw. Unblinded by its nature.

    `arms`, `ratio`, `counts_before`, `scores` and `probabilities` are in the order of the protocol's arms. `counts_before` are the
    allocations that the method looked at (of the stratum, or of the event). `scores` are what the method ranked the arms by, empty
    for a method without. `facts` are (name, value) pairs that only this method has, such as the margins of minimization.
    `index` counts the draws of the event from 0; `uniform` is the number drawn, `arm` the result.
    """

    method: str
    rule_version: str
    event: str
    index: int
    stratum: str
    arms: tuple[str, ...]
    ratio: tuple[int, ...]
    counts_before: tuple[int, ...]
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    uniform: float
    arm: str
    facts: tuple[tuple[str, object], ...] = ()


def uniform_of_draw(seed: int, event: str, index: int) -> float:
    """Return the uniform number in [0, 1) of a draw: the upper 53 bits of the first word of its stream. Raises InvalidParameter."""
    return unit_uniform(SeededStream(STREAM, seed, event, str(index)).word())


def unit_uniform(word: int) -> float:
    """Return a random word's upper 53 bits as a number in [0, 1); `word` is 0 <= word < 2**64."""
    return float(word >> 11) / float(1 << 53)


@compilable
def arm_at(probabilities: FloatArray, uniform: float) -> int:
    """Return the index of the arm in whose piece of [0, 1) the uniform falls; pieces lie in the order of the arms.

    An arm with probability 0 is never returned: where rounding leaves the sum below the uniform, it is the last arm that has one.
    """
    last = 0
    reached = probabilities[0] - probabilities[0]
    for i in range(len(probabilities)):
        if probabilities[i] > 0:
            last = i
            reached = reached + probabilities[i]
            if uniform < reached:
                return i
    return last


def draw_arm(probabilities: Sequence[float], uniform: float) -> int:
    """Return the index of the arm that `uniform` gives. Raises RuleError unless the probabilities are some and sum to 1."""
    given = np.array(probabilities, dtype=np.float64)
    if len(given) == 0 or not bool(np.all(given >= 0)) or abs(float(given.sum()) - 1) > 1e-9:
        raise RuleError(f"{tuple(probabilities)} are no probabilities that sum to 1", field="probabilities")
    if not 0 <= uniform < 1:
        raise RuleError(f"{uniform} is not in [0, 1)", field="uniform")
    return int(arm_at(given, uniform))

"""One draw by a restricted design: from the counts of the stratum to the arm, with the whole record.

Blocks and sequences. The random allocation rule, the truncated binomial design and the maximal procedure run in sequences of n; when one is
full the next begins. Permuted blocks of one size do the same. Where there are several sizes, each is equally likely, and the
size of a new block is drawn with its first allocation: that allocation has the probabilities of the ratio whatever the size, and
where the uniform falls within the arm's piece chooses the size. So one uniform gives both, independently of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from allocation.errors import RuleError
from allocation.rules.draws import DrawRecord, FloatArray, draw_arm
from allocation.rules.restricted.design import RestrictedDesign
from allocation.rules.restricted.fixed_totals import size_index
from allocation.rules.restricted.probabilities import (
    BIG_STICK,
    EHRENFEST_URN,
    IMBALANCE_TOLERANCE,
    MAXIMAL_PROCEDURE,
)

_BOUNDED = frozenset({BIG_STICK, IMBALANCE_TOLERANCE, EHRENFEST_URN, MAXIMAL_PROCEDURE})


@dataclass(frozen=True, slots=True)
class OpenBlock:
    """The block (or sequence) that a stratum is in: its number from 1, its size, and what was taken of it, by arm."""

    number: int
    size: int
    taken: tuple[int, ...]

    @property
    def full(self) -> bool:
        """Whether nothing is left of it."""
        return sum(self.taken) >= self.size


def block_after(facts: Mapping[str, Any], arms: Sequence[str], arm: str) -> OpenBlock | None:
    """The block as a draw left it, from the facts and the arm of that draw's record; None for a method without blocks.

    What the next draw of the stratum is given where the design has several block sizes.
    """
    if "block_size" not in facts:
        return None
    before: Sequence[int] = facts["block_taken_before"]
    taken = tuple(int(count) + (name == arm) for name, count in zip(arms, before, strict=True))
    return OpenBlock(int(facts["block_number"]), int(facts["block_size"]), taken)


def restricted_draw(
    design: RestrictedDesign,
    event: str,
    stratum: str,
    arms: Sequence[str],
    counts_before: Sequence[int],
    uniform: float,
    index: int,
    open_block: OpenBlock | None = None,
) -> DrawRecord:
    """Draw the next arm of a stratum, and return the record of the draw (unblinded).

    `counts_before` are the allocations of the stratum so far, in the order of `arms`. `open_block` is what `block_after` gives for
    the stratum's previous draw; only a design with several block sizes needs it, and only after the first draw. `uniform` is in
    [0, 1), of the draw `index` of the event (`draws.uniform_of_draw`). Raises RuleError for counts that the design cannot have given.
    """
    counts = tuple(int(count) for count in counts_before)
    if not len(arms) == len(counts) == len(design.ratio):
        raise RuleError(
            f"{len(arms)} arms, {len(counts)} counts and a ratio of {len(design.ratio)}",
            field="counts_before",
        )
    if min(counts) < 0:
        raise RuleError(f"{counts} are no counts", field="counts_before")
    block = _block(design, counts, open_block)
    size = block.size if block is not None else 0
    chances = _possible(design, block.taken if block is not None else counts, size)
    chosen = draw_arm(chances.tolist(), uniform)
    facts: list[tuple[str, object]] = list(design.parameters.items())
    if block is not None:
        if size == 0:
            size = design.sizes[size_index(chances, chosen, uniform, len(design.sizes))]
        facts += [
            ("block_number", block.number),
            ("block_size", size),
            ("block_taken_before", block.taken),
        ]
    return DrawRecord(
        method=design.method,
        rule_version=design.rule.version,
        event=event,
        index=index,
        stratum=stratum,
        arms=tuple(arms),
        ratio=design.ratio,
        counts_before=counts,
        scores=(),
        probabilities=tuple(chances.tolist()),
        uniform=uniform,
        arm=arms[chosen],
        facts=tuple(facts),
    )


def _block(design: RestrictedDesign, counts: tuple[int, ...], given: OpenBlock | None) -> OpenBlock | None:
    """The block that the next allocation falls into; of size 0 where its size is still to be drawn."""
    if not design.sizes:
        return None
    nothing = (0,) * len(counts)
    so_far = sum(counts)
    if len(design.sizes) == 1:
        size = design.sizes[0]
        full = so_far // size
        taken = tuple(
            count - full * size * share // sum(design.ratio)
            for count, share in zip(counts, design.ratio, strict=True)
        )
        return OpenBlock(full + 1, size, taken)
    if given is None:
        if so_far:
            raise RuleError("a design with several block sizes needs the open block", field="open_block")
        return OpenBlock(1, 0, nothing)
    whole = sum(design.ratio)
    before = [count - taken for count, taken in zip(counts, given.taken, strict=True)]
    sets = sum(before) // whole
    if given.size not in design.sizes or before != [share * sets for share in design.ratio]:
        raise RuleError(f"{given} does not fit the counts {counts}", field="open_block")
    return OpenBlock(given.number + 1, 0, nothing) if given.full else given


def _possible(design: RestrictedDesign, counts: tuple[int, ...], size: int) -> FloatArray:
    """The probabilities, where the counts are some that the design can have come to."""
    code = design.rule.code
    if code in _BOUNDED and abs(counts[0] - counts[1]) > design.parameters["b"]:
        raise RuleError(f"{counts} is beyond the largest imbalance of {design.label}", field="counts_before")
    if design.sizes and size == 0:
        return np.array(design.ratio, dtype=np.float64) / sum(design.ratio)
    if size:
        allowed = [share * size // sum(design.ratio) for share in design.ratio]
        if any(not 0 <= count <= most for count, most in zip(counts, allowed, strict=True)):
            raise RuleError(f"{counts} is not part of a block of {size}", field="counts_before")
    chances = design.probabilities(counts, size)
    if not bool(np.all(chances >= 0)):
        raise RuleError(f"{counts} cannot come from {design.label}", field="counts_before")
    return chances

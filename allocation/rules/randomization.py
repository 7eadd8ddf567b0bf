"""Drawing the next entry of a randomization list.

The entry that is drawn is the first unused one, in sequence, of the subject's stratum, or of whatever holds a run of entries (a
site or a country that blocks were handed to). Entries are never skipped, reused or given back. The draw itself has no chance in
it: chance is in the list (blocks.py, or the statistician's own), so list id and position replay the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from allocation.errors import ListExhausted, RuleError
from allocation.rules.blocks import ListEntry
from allocation.rules.compilable import BoolArray, compilable

METHOD: Final = "list"
RULE_VERSION: Final = "list-next-unused/1"
EXHAUSTED: Final = -1


@compilable
def first_unused(used: BoolArray, start: int) -> int:
    """Return the lowest index >= `start` whose entry is unused, or EXHAUSTED (-1). Entries are in sequence.

    `start` lets a simulation go on from its last draw, since entries never become unused again; 0 looks at all.
    """
    for i in range(start, len(used)):
        if not used[i]:
            return i
    return EXHAUSTED


@dataclass(frozen=True, slots=True)
class RandomizationDecision:
    """The record of one draw. Unblinded by its nature (arm, block): a blinded reader sees `number` at most.

    `index` is the place in the entries that were passed in; `holder` is the stratum, site or country whose run was used.
    """

    method: str
    rule_version: str
    list_id: str
    holder: str
    index: int
    number: str
    stratum: str
    sequence: int
    block: int | None
    arm: str


def next_list_entry(
    list_id: str, holder: str, entries: Sequence[ListEntry], used: Sequence[bool]
) -> RandomizationDecision:
    """Draw the next entry for `holder`: the first unused one of `entries`, which are in ascending sequence within a stratum.

    `used[i]` tells whether `entries[i]` has been drawn before. A caller may pass only the tail of the run, as long as nothing
    unused comes before it. Raises ListExhausted when every entry is used, RuleError for flags that do not fit the entries or
    entries out of sequence.
    """
    if len(entries) != len(used):
        raise RuleError(f"{len(entries)} entries but {len(used)} flags", field="used")
    for earlier, later in pairwise(entries):
        if earlier.stratum == later.stratum and earlier.sequence >= later.sequence:
            raise RuleError(
                f"sequence {later.sequence} comes after {earlier.sequence} in the run of {holder}",
                field="entries",
            )
    index = int(first_unused(np.array(used, dtype=np.bool_), 0))
    if index == EXHAUSTED:
        raise ListExhausted(
            f"no unused entry is left in the randomization list for {holder}",
            field="stratum",
            fix="the statistician must extend the list; the subject was not randomized",
        )
    entry = entries[index]
    return RandomizationDecision(
        method=METHOD,
        rule_version=RULE_VERSION,
        list_id=list_id,
        holder=holder,
        index=index,
        number=entry.number,
        stratum=entry.stratum,
        sequence=entry.sequence,
        block=entry.block,
        arm=entry.arm,
    )

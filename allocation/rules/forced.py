"""Drawing the next entry of a list, and forced randomization: what happens when the kits of the scheduled arm are not at the site.

Without forcing (mode NONE) the entry is the first unused one of the run, in sequence. There is no chance in that: chance is in the
list (blocks.py, list_generation.py, or the statistician's own), so list id and position replay the decision.

The four configurations are those of Carter and others, "Forced randomization: the what, why, and how" (BMC Medical Research
Methodology 2024):

* FR0a: the site has the kits of every arm, or nobody is randomized; no forcing.
* FR0b: the site has the kits of the scheduled arm, or the subject is not randomized; no forcing. A site may learn from a refusal that
  what is scheduled next is what it lacks.
* FR1: skip ahead to the first entry whose arm can be supplied. Entries skipped are lost: nobody gets them later.
* FR2: skip ahead, and back-fill: entries skipped before come first for whoever can be supplied with them.

The scheduled and the assigned arm are both kept; a subject is forced when they differ. That a subject was forced tells of the arm
and of the stock, so it never reaches a blinded reader, and all refusals for want of supply have the same words (supply_gates.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np

from allocation.errors import ListExhausted, RuleError
from allocation.rules.blocks import ListEntry
from allocation.rules.compilable import BoolArray, compilable
from allocation.rules.draws import FloatArray, arm_at, draw_arm
from allocation.rules.supply_gates import refused_for_supply

RULE_VERSION: Final = "forced/1"
REFUSED: Final = -2

EXHAUSTED: Final = -1
NONE: Final = 0
FR0A: Final = 1
FR0B: Final = 2
FR1: Final = 3
FR2: Final = 4


NOT_FORCED: Final = -1.0
"""The second uniform of a subject who was not forced."""
BELOW_ONE: Final = 1 - 2.0**-53


@compilable
def forced_arms(
    mode: int,
    probabilities: FloatArray,
    uniform: float,
    suppliable: BoolArray,
    all_suppliable: bool,
    shares: FloatArray,
    restricted: FloatArray,
) -> tuple[int, int, float]:
    """Return the scheduled arm, the assigned one (or REFUSED), and the second uniform (or NOT_FORCED) of a live draw under a mode.

    By the rule of `forced_live_draw`; `all_suppliable` tells whether every arm of the event can be supplied. Fills `restricted`: the
    probabilities renormalised over the arms that can be supplied, or where none of these has a chance the `shares` of the ratio; all 0
    where the mode does not force.
    """
    scheduled = arm_at(probabilities, uniform)
    reached = 0.0
    for i in range(len(probabilities)):
        restricted[i] = 0.0
        if i < scheduled:
            reached += probabilities[i]
    if (mode == FR0A and not all_suppliable) or (mode == FR0B and not suppliable[scheduled]):
        return scheduled, REFUSED, NOT_FORCED
    if mode != FR1 and mode != FR2:
        return scheduled, scheduled, NOT_FORCED
    total = 0.0
    for i in range(len(probabilities)):
        if suppliable[i]:
            restricted[i] = probabilities[i]
            total += probabilities[i]
    if not total > 0:
        for i in range(len(probabilities)):
            if suppliable[i]:
                restricted[i] = shares[i]
                total += shares[i]
    if not total > 0:
        return scheduled, REFUSED, NOT_FORCED
    for i in range(len(probabilities)):
        restricted[i] = restricted[i] / total
    if suppliable[scheduled]:
        return scheduled, scheduled, NOT_FORCED
    # Rounding may carry the place to the ends of the piece, so it is held inside [0, 1).
    second = min(max((uniform - reached) / probabilities[scheduled], 0.0), BELOW_ONE)
    return scheduled, arm_at(restricted, second), second


class ForcedMode(StrEnum):
    """What is done about supply at randomization. NONE asks nothing: the scheduled arm is assigned even without kits."""

    NONE = "none"
    FR0A = "FR0a"
    FR0B = "FR0b"
    FR1 = "FR1"
    FR2 = "FR2"


CODES: Final = {
    ForcedMode.NONE: NONE,
    ForcedMode.FR0A: FR0A,
    ForcedMode.FR0B: FR0B,
    ForcedMode.FR1: FR1,
    ForcedMode.FR2: FR2,
}
"""The integer that the compilable rules take for each mode."""
_FORCING: Final = frozenset({ForcedMode.FR1, ForcedMode.FR2})


@compilable
def forced_indexes(
    mode: int, skipped: BoolArray, suppliable: BoolArray, all_suppliable: bool
) -> tuple[int, int]:
    """Return the indexes of the scheduled and of the assigned entry among the unused ones, which are in the order of use.

    `skipped` and `suppliable` tell of each entry whether a subject before was forced past it, and whether its arm can be supplied;
    `all_suppliable` whether every arm of the event can. `mode` is one of CODES. (EXHAUSTED, EXHAUSTED) when no entry is in turn;
    assigned is REFUSED when the mode does not let the site randomize.
    """
    scheduled = EXHAUSTED
    for i in range(len(skipped)):
        if skipped[i] and mode != FR2:
            continue
        if scheduled == EXHAUSTED:
            scheduled = i
            if mode == NONE or (mode == FR0A and all_suppliable):
                return i, i
            if mode == FR0A:
                return i, REFUSED
        if suppliable[i]:
            return scheduled, i
        if mode == FR0B:
            return scheduled, REFUSED
    if scheduled == EXHAUSTED:
        return EXHAUSTED, EXHAUSTED
    return scheduled, REFUSED


@dataclass(frozen=True, slots=True)
class UnusedEntry:
    """An entry of the run that nobody has; `skipped` when a subject before was forced past it."""

    entry: ListEntry
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class ForcedEntry:
    """The record of a draw from a list under a mode. Unblinded by its nature.

    `scheduled` is the entry that supply aside would have been used, `assigned` the one that is; `forced` tells whether they differ.
    `newly_skipped` are the entries that this draw passes over for the first time, in the order of use: from now on flagged, lost under
    FR1 and first in turn under FR2. `suppliable` is what was known of each arm.
    """

    rule_version: str
    mode: ForcedMode
    scheduled: ListEntry
    assigned: ListEntry
    forced: bool
    newly_skipped: tuple[ListEntry, ...]
    suppliable: tuple[tuple[str, bool], ...]


def forced_list_entry(
    mode: ForcedMode, holder: str, unused: Sequence[UnusedEntry], suppliable: Mapping[str, bool]
) -> ForcedEntry:
    """Draw from the unused entries of `holder`'s run, which are in the order of use, under a mode.

    `suppliable` tells of each arm of the event whether the site has the kits that a subject in it would get. Entries flagged as skipped
    are in turn under FR2 alone; in the other modes they are lost. A caller limits how far a draw skips, such as to the
    block, by the entries it passes.
    Raises ListExhausted when no entry is in turn, DomainRefusal (code "no-supply-to-randomize") when the mode does not let the site
    randomize with its supply, RuleError for entries out of sequence or an arm that `suppliable` does not tell of.
    """
    for earlier, later in pairwise(unused):
        if earlier.entry.stratum == later.entry.stratum and earlier.entry.sequence >= later.entry.sequence:
            raise RuleError(
                f"sequence {later.entry.sequence} comes after {earlier.entry.sequence} in the run of {holder}",
                field="unused",
            )
    for candidate in unused:
        if candidate.entry.arm not in suppliable:
            raise RuleError("an arm of the list is not among those of the event", field="suppliable")
    skipped = np.array([candidate.skipped for candidate in unused], dtype=np.bool_)
    there = np.array([suppliable[candidate.entry.arm] for candidate in unused], dtype=np.bool_)
    scheduled, assigned = forced_indexes(CODES[mode], skipped, there, all(suppliable.values()))
    if scheduled == EXHAUSTED:
        raise ListExhausted(
            f"no unused entry is left in the randomization list for {holder}",
            field="stratum",
            fix="the statistician must extend the list; the subject was not randomized",
        )
    if assigned == REFUSED:
        raise refused_for_supply()
    return ForcedEntry(
        rule_version=RULE_VERSION,
        mode=mode,
        scheduled=unused[scheduled].entry,
        assigned=unused[assigned].entry,
        forced=assigned != scheduled,
        newly_skipped=tuple(
            candidate.entry for candidate in unused[scheduled:assigned] if not candidate.skipped
        ),
        suppliable=tuple(suppliable.items()),
    )


@dataclass(frozen=True, slots=True)
class ForcedDraw:
    """The record of a live draw under a mode, in the order of the arms. Unblinded by its nature.

    `probabilities` and `uniform` are those of the draw; `scheduled` is the arm they give, `assigned` the arm that is used.
    `restricted` are the probabilities renormalised over the arms that can be supplied, empty when the mode does not force;
    `second_uniform` is the place of the uniform within the scheduled arm's piece, None unless the subject was forced.
    """

    rule_version: str
    mode: ForcedMode
    arms: tuple[str, ...]
    suppliable: tuple[bool, ...]
    probabilities: tuple[float, ...]
    restricted: tuple[float, ...]
    uniform: float
    second_uniform: float | None
    scheduled: str
    assigned: str
    forced: bool


def forced_live_draw(
    mode: ForcedMode,
    arms: Sequence[str],
    probabilities: Sequence[float],
    uniform: float,
    suppliable: Mapping[str, bool],
    shares: Sequence[int] = (),
) -> ForcedDraw:
    """Draw an arm of a method that allocates at the moment of randomization (draws.py) under a mode.

    The uniform gives the scheduled arm by the full probabilities. If that can be supplied it is assigned; else, under FR1 and FR2 (which
    are the same here, for there is no list to back-fill), the forced arm is drawn from the probabilities renormalised over the
    arms that can be supplied. It takes no second random number: where the uniform lies within the scheduled arm's piece is
    itself uniform in [0, 1) and tells nothing of the other arms. (The same number used unchanged would favour the arms that stand next to
    the missing one.) So each arm's chance is exactly its renormalised probability, and nobody is forced without need.
    Where the design gives none of them a chance now (an arm at its bound), they are drawn by their `shares` of the ratio: as a list is
    skipped ahead to where they come, so the site is not turned away while it has kits.
    Raises DomainRefusal (code "no-supply-to-randomize") when the mode does not let the site randomize with its supply, RuleError for
    probabilities or a uniform that cannot be, or an arm that `suppliable` does not tell of.
    """
    if len(arms) != len(probabilities) or any(arm not in suppliable for arm in arms):
        raise RuleError("arms, probabilities and supply do not fit each other", field="suppliable")
    if shares and len(shares) != len(arms):
        raise RuleError(f"{len(shares)} shares for {len(arms)} arms", field="shares")
    draw_arm(probabilities, uniform)  # refuses what cannot be
    there = [suppliable[arm] for arm in arms]
    restricted = np.zeros(len(arms))
    scheduled, assigned, second = forced_arms(
        CODES[mode],
        np.array(probabilities, dtype=np.float64),
        uniform,
        np.array(there, dtype=np.bool_),
        all(suppliable.values()),
        np.array(shares, dtype=np.float64) if shares else np.zeros(len(arms)),
        restricted,
    )
    if assigned == REFUSED:
        raise refused_for_supply()
    return ForcedDraw(
        rule_version=RULE_VERSION,
        mode=mode,
        arms=tuple(arms),
        suppliable=tuple(there),
        probabilities=tuple(probabilities),
        restricted=tuple(float(chance) for chance in restricted) if mode in _FORCING else (),
        uniform=uniform,
        second_uniform=None if second == NOT_FORCED else float(second),
        scheduled=arms[scheduled],
        assigned=arms[assigned],
        forced=assigned != scheduled,
    )

"""Each group's thresholds moved alone, from the best of the family on: a local search over whole numbers on the same trial tapes.

A move is a kit less or more of min, max or both, of one group; it is taken where the objective falls and the risk stays within the limit.
It ends when no move of any group is left, or the replicates that it may use. What it finds is chosen on the tapes that it is measured
on, so that its risk looks a little smaller than it is: the certificate is on others.
"""

from __future__ import annotations

from typing import Final

from forecasting.tuning.candidates import Candidate, Setting, candidate_of
from forecasting.tuning.evaluations import LimitReached
from forecasting.tuning.line_search import LineSearch
from forecasting.tuning.site_groups import Group

MOVES: Final = ((-1, -1), (0, -1), (-1, 0), (-1, 1), (0, 1), (1, -1), (1, 0))
"""Kits more of min and max."""
_STEPS: Final = (2, 1)
"""Kits of a move, large ones first."""


def refine(
    search: LineSearch,
    groups: tuple[Group, ...],
    start: tuple[Setting, ...],
    most: int,
    at_hand: dict[str, tuple[Setting, ...]],
) -> Candidate:
    """The best that moves of single groups lead to, with at most `most` replicates; its settings and all others go into `at_hand`."""
    trial, judge = search.judge.evaluations.trial, search.judge
    until = judge.evaluations.used + most
    best, settings = search.evaluate(candidate_of(trial, groups, start)), start
    at_hand[best.key] = settings
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for place in range(len(groups)):
                for lower, upper in MOVES:
                    changed = _moved(settings, place, lower * step, upper * step)
                    if changed is None:
                        continue
                    other = candidate_of(trial, groups, changed)
                    if other.key in search.seen:
                        continue
                    if judge.evaluations.used + search.replicates > until:
                        return best
                    try:
                        search.evaluate(other)
                    except LimitReached:
                        return best
                    at_hand[other.key] = changed
                    if judge.meets(other) and judge.dearer(other, best).mean < 0:
                        best, settings, moved = other, changed, True
    return best


def _moved(settings: tuple[Setting, ...], place: int, lower: int, upper: int) -> tuple[Setting, ...] | None:
    one = settings[place]
    if one.min_buffer is None or one.max_buffer is None:
        return None
    least, most = one.min_buffer + lower, one.max_buffer + upper
    if least < 0 or most <= least:
        return None
    return (*settings[:place], one._replace(min_buffer=least, max_buffer=most), *settings[place + 1 :])

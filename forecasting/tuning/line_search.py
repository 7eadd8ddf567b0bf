"""The search over lines: on each, the least level that meets the risk, by common random numbers and bisection.

On the same trial tapes missed doses fall as the level of stock rises, so the levels that meet a limit are those from one on: bisection
finds it (sample average approximation; the functions are exact on the tapes). It begins where the closed forms expect the level, moved by
what they were wrong on the line before. And where more stock can only cost more, a line is given up as soon as a level that is still too
risky costs clearly more than the best candidate so far: all levels of it that may meet the risk would cost more yet.

Where depots have little, more stock at some sites lacks at others, and the risk rises again from some level on. That is seen when a
higher level is clearly riskier than a lower one, or where depots had nothing; then the level of least risk is looked for, by comparing
two neighbours at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import numpy as np

from forecasting.tuning.candidates import Candidate
from forecasting.tuning.choosing import CLEAR, Judge
from forecasting.tuning.evaluations import BATCH, LimitReached
from forecasting.tuning.families import Family, Line
from forecasting.tuning.figures import figure
from forecasting.tuning.screening import Screening

FEWEST: Final = 250
"""Replicates of a candidate in the search for a mean share."""
_FOR_CHANCES: Final = 500
"""And for a chance of a whole trial."""
_EVENTS: Final = 25
"""Trials with a missed dose that a candidate at the limit should show."""
_MOST: Final = 4_000


def first_replicates(judge: Judge) -> int:
    """Replicates of each candidate in the search: so many that the limit shows."""
    risk = judge.risk
    if risk.measure == "missed_share":
        return FEWEST
    wanted = int(np.ceil(_EVENTS / risk.at_most / BATCH)) * BATCH
    return max(_FOR_CHANCES, min(wanted, _MOST))


class LineSearch:
    """Finds for each line the levels that are about to meet the risk. What it evaluated stays with the judge's evaluations."""

    def __init__(self, judge: Judge, screening: Screening, keep_back: int) -> None:
        self.judge, self.screening, self.keep_back = judge, screening, keep_back
        self.replicates = first_replicates(judge)
        self.seen: dict[str, Candidate] = {}
        self.best: Candidate | None = None

    def search(self, family: Family) -> None:
        """Search all lines, those first that the closed forms expect to be cheap. Raises LimitReached."""
        guesses = {line: self._guess(line) for line in family.lines}
        order = sorted(
            family.lines,
            key=lambda line: self.screening.cost(
                line.candidates[min(guesses[line], len(line.candidates) - 1)]
            ),
        )
        shift = 0
        for line in order:
            top = len(line.candidates) - 1
            expected = guesses[line]
            found = self._line(line, int(np.clip(expected + shift, 0, top)))
            if found is not None:
                shift = found - expected

    @contextmanager
    def as_far_as_it_goes(self, keep_back: int) -> Iterator[None]:
        """Evaluate with so many replicates kept back; what the limit does not allow any more is left out."""
        before, self.keep_back = self.keep_back, keep_back
        try:
            with suppress(LimitReached):
                yield
        finally:
            self.keep_back = before

    def evaluate(self, candidate: Candidate) -> Candidate:
        """Play what the search needs of a candidate."""
        self.judge.evaluations.evaluate([(candidate, self.replicates)], keep_back=self.keep_back)
        if candidate.key not in self.seen:
            self.seen[candidate.key] = candidate
            if self.judge.meets(candidate) and (
                self.best is None or self.judge.dearer(candidate, self.best).mean < 0
            ):
                self.best = candidate
        return candidate

    def _guess(self, line: Line) -> int:
        """The first level at which the closed forms expect the risk to be met."""
        for level, candidate in enumerate(line.candidates):
            if self.screening.risk(candidate, self.judge.risk) <= self.judge.risk.at_most:
                return level
        return len(line.candidates) - 1

    def _line(self, line: Line, guess: int) -> int | None:
        """The least level that meets the risk; None where there is none, or where the line is given up."""
        candidates, top = line.candidates, len(line.candidates) - 1
        low, high = -1, top + 1  # low fails, high meets
        at, step = guess, 1
        while high - low > 1:
            if self.judge.meets(self.evaluate(candidates[at])):
                high = at
                at = max(at - step, low + 1) if low < 0 else (low + high) // 2
            else:
                dear = self._too_dear(candidates[at])
                if dear and not self._depots_lack(candidates[at]):
                    return None
                if dear or (low >= 0 and self._riskier(candidates[at], candidates[low])):
                    bottom = self._valley(line, at)
                    if bottom is None:
                        return None
                    low, high = -1, bottom
                    at = (low + high) // 2
                    continue
                low = at
                at = min(at + step, high - 1) if high > top else (low + high) // 2
            step *= 2
        if high > top and low >= 0 and self._depots_lack(candidates[low]):
            bottom = self._valley(line, low)
            high = high if bottom is None else bottom
        if high > top:
            return None
        # Its neighbours may be on the other side of the limit: chance may have decided.
        if high > 0 and not self.judge.clearly_fails(candidates[high - 1]):
            self.evaluate(candidates[high - 1])
        level = high
        while (
            level < top
            and not self.judge.clearly_meets(candidates[level])
            and not self._too_dear(candidates[level])
        ):
            level += 1
            self.evaluate(candidates[level])
        if not self.judge.objective.rises:
            self._climb(line, level)
        return high

    def _valley(self, line: Line, above: int) -> int | None:
        """A level below `above` that meets the risk, where the risk falls and rises again; None: none was found."""
        candidates, low, high = line.candidates, 0, above - 1
        while low <= high:
            middle = (low + high) // 2
            left = self.evaluate(candidates[middle])
            if self.judge.meets(left):
                return middle
            if middle == high:
                high = middle - 1
                continue
            right = self.evaluate(candidates[middle + 1])
            if self.judge.meets(right):
                return middle + 1
            if self.judge.riskier(right, left).mean > 0:
                high = middle - 1
            else:
                low = middle + 2
        return None

    def _riskier(self, candidate: Candidate, than: Candidate) -> bool:
        return self.judge.riskier(candidate, than).distance > CLEAR

    def _depots_lack(self, candidate: Candidate) -> bool:
        """Whether kits were missed with nothing upstream: then a lower level may be less risky."""
        return bool(figure(self.judge.evaluations.outcomes(candidate), "out_of_stock").any())

    def _climb(self, line: Line, level: int) -> None:
        """More stock may be better still: go on as long as it is."""
        while level < len(line.candidates) - 1:
            above = self.evaluate(line.candidates[level + 1])
            if self.judge.dearer(above, line.candidates[level]).mean >= 0:
                return
            level += 1

    def _too_dear(self, candidate: Candidate) -> bool:
        if not self.judge.objective.rises or self.best is None or candidate == self.best:
            return False
        return self.judge.dearer(candidate, self.best).distance > CLEAR

"""How the randomization of a running study does: balance, predictability, loss, forced and certain allocations so far.

The measures are those of the comparison before the trial (measures.py), taken of the one trial that is real. A guess follows the
convergence strategy over the subjects whose allocations the guesser could count: all of the study, and those of the same run.
Balance is of the ratio of the latest version that has allocated: after a change of ratio the allocations under another one are left
out, also those of countries where the version before goes on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from allocation.rules.compilable import IntArray
from allocation.views.unblinded.allocations import Allocation, AllocationHistory
from simulation.randomization.measures import guess, loss, squared_distance


@dataclass(frozen=True)
class GroupBalance:
    """The allocations of a group (the study, a factor level, a stratum, a site) by arm, and how far they are from the ratio.

    `imbalance` is |N1 - N2| for two arms 1:1, else the Euclidean distance of the counts from their shares, in subjects.
    """

    kind: str
    group: str
    counts: dict[str, int]
    imbalance: float


@dataclass(frozen=True)
class Guesses:
    """Of how many allocations the guess was right (a tie counts its share), and what chance alone would have given."""

    allocations: int
    right: float
    by_chance: float

    @property
    def share(self) -> float:
        """The proportion of right guesses; 0 before the first allocation."""
        return self.right / self.allocations if self.allocations else 0.0


@dataclass(frozen=True)
class QualityReport:
    """The quality of an event's randomization. `numbers` are those (from 1) of the allocations under the ratio in force,
    which alone are counted for balance; `since` is the first of them.

    `loss` is in subjects. `certain` counts allocations that could be foretold by who knows the method, of the `known` whose
    probabilities are on record; `path` is the overall imbalance after each allocation under the ratio in force.
    """

    study_id: str
    event: str
    method: str
    allocated: int
    since: int
    numbers: tuple[int, ...]
    ratio: dict[str, int]
    groups: tuple[GroupBalance, ...]
    loss: float
    in_study: Guesses
    in_run: Guesses
    certain: int
    known: int
    forced: int
    path: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        plain = asdict(self)
        for name, found in (("in_study", self.in_study), ("in_run", self.in_run)):
            plain[name]["share"] = found.share
        return plain


def quality_of(history: AllocationHistory) -> QualityReport:
    """Measure the allocations of an event so far."""
    every = history.allocations
    ratio, places = _under_the_ratio_in_force(every)
    now = [every[place] for place in places]
    shares = np.array(list(ratio.values()), dtype=np.int64)
    counts = _counts(now, ratio)
    known = [one.probabilities for one in every if one.probabilities is not None]
    path, so_far = [], np.zeros(len(ratio), dtype=np.int64)
    for one in now:
        so_far[list(ratio).index(one.arm)] += 1
        path.append(_imbalance(so_far, shares))
    return QualityReport(
        study_id=history.study_id,
        event=history.event,
        method=history.method,
        allocated=len(every),
        since=places[0] + 1 if places else 1,
        numbers=tuple(place + 1 for place in places),
        ratio=ratio,
        groups=tuple(_groups(now, ratio)),
        loss=float(loss(counts, shares, len(now))) if now and len(ratio) > 1 else 0.0,
        in_study=_guesses(every, lambda _one: ""),
        in_run=_guesses(every, lambda one: one.run),
        certain=sum(max(chances.values()) == 1 for chances in known),
        known=len(known),
        forced=sum(one.forced for one in every),
        path=tuple(path),
    )


def _under_the_ratio_in_force(every: Sequence[Allocation]) -> tuple[dict[str, int], list[int]]:
    """The ratio of the latest version's latest allocation, and the places of those under it since a version had another one."""
    if not every:
        return {}, []
    latest = max(one.version for one in every)
    ratio = dict(next(one.ratio for one in reversed(every) if one.version == latest))
    before = max((one.version for one in every if one.version < latest and one.ratio != ratio), default=0)
    return ratio, [place for place, one in enumerate(every) if one.version > before and one.ratio == ratio]


def _groups(now: Sequence[Allocation], ratio: dict[str, int]) -> list[GroupBalance]:
    """The study, then each factor level, stratum and site that has allocations."""
    members: dict[tuple[str, str], list[Allocation]] = defaultdict(list)
    for one in now:
        members["study", ""].append(one)
    for one in now:
        for factor, level in one.levels.items():
            members["factor level", f"{factor}={level}"].append(one)
    for one in now:
        members["stratum", one.stratum].append(one)
    for one in now:
        members["site", one.site_id].append(one)
    order = {"study": 0, "factor level": 1, "stratum": 2, "site": 3}
    shares = np.array(list(ratio.values()), dtype=np.int64)
    return [
        GroupBalance(
            kind,
            group,
            dict(zip(ratio, _counts(some, ratio).tolist(), strict=True)),
            _imbalance(_counts(some, ratio), shares),
        )
        for (kind, group), some in sorted(members.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]


def _counts(some: Sequence[Allocation], ratio: dict[str, int]) -> IntArray:
    by_arm = Counter(one.arm for one in some)
    return np.array([by_arm[arm] for arm in ratio], dtype=np.int64)


def _imbalance(counts: IntArray, shares: IntArray) -> float:
    if len(shares) == 2 and shares[0] == shares[1]:
        return float(abs(counts[0] - counts[1]))
    return float(np.sqrt(squared_distance(counts, shares))) if len(shares) else 0.0


def _guesses(every: Sequence[Allocation], seen_with: Callable[[Allocation], str]) -> Guesses:
    """Guess each allocation from those before it that are `seen_with` it and under the same ratio."""
    before: dict[tuple[str, tuple[tuple[str, int], ...]], IntArray] = {}
    right = by_chance = 0.0
    for one in every:
        key = (seen_with(one), tuple(one.ratio.items()))
        counts = before.setdefault(key, np.zeros(len(one.ratio), dtype=np.int64))
        place = list(one.ratio).index(one.arm)
        happened = np.zeros(len(one.ratio))
        happened[place] = 1.0
        hit, gained = guess(happened, counts, np.array(list(one.ratio.values()), dtype=np.int64))
        right += hit
        by_chance += hit - gained
        counts[place] += 1
    return Guesses(len(every), right, by_chance)

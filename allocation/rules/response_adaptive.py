"""Response-adaptive randomization by controlled updates of the ratio.

Between updates the ratio is fixed, so subjects are randomized by any method of the protocol, and blinding and replay are as ever.
An update is a decision: from results by arm, by a stated target and a stated rounding, to a ratio in whole numbers. It changes
nothing by itself: a new signed version of the protocol puts the ratio in force from a moment on. How ratios are updated is to be
prespecified (FDA guidance on adaptive designs, 2019); the record holds what a ratio was derived from, and is unblinded by its nature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from allocation.errors import InvalidParameter
from allocation.rules.allocation_targets import (
    Shares,
    chances_of_being_best,
    doubly_adaptive,
    neyman,
    play_the_winner_limit,
    rsihr,
    tempered,
)
from allocation.rules.play_the_winner import urn_shares

RULE_VERSION: Final = "ratio-update/1"
ROUNDING: Final = "largest-remainder-at-least-1/1"


class AdaptiveTarget(StrEnum):
    """What the shares are derived by; functions of the same names in allocation_targets.py and play_the_winner.py."""

    THOMPSON = "thompson"
    NEYMAN = "neyman"
    RSIHR = "rsihr"
    PLAY_THE_WINNER_LIMIT = "play_the_winner_limit"
    PLAY_THE_WINNER_URN = "play_the_winner_urn"


@dataclass(frozen=True, slots=True)
class ArmResults:
    """Results of one arm so far: how many were allocated, how many of them have a known result, how many of those a success."""

    arm: str
    allocated: int
    known: int
    successes: int

    def __post_init__(self) -> None:
        """Check that the counts fit each other: raises InvalidParameter."""
        if not 0 <= self.successes <= self.known <= self.allocated:
            raise InvalidParameter(
                f"{self.successes} successes of {self.known} known of {self.allocated} allocated cannot be in {self.arm}",
                field="results",
            )


@dataclass(frozen=True, slots=True)
class UpdateDesign:
    """How ratios are updated; prespecified. Checked on construction: raises InvalidParameter naming the field.

    `total` is the sum of the ratio, such as the block size. `prior` (a, b) is the beta prior of each arm's success rate; estimated rates
    are posterior means (a + successes) / (a + b + known), so that no rate is 0 or 1. `planned` is the number of subjects of the whole
    trial: given, Thompson's power is known results / (2 * planned), else `power`. `gamma` None leaves the target as it is, else it
    goes through Hu and Zhang's function of what was allocated (doubly adaptive biased coin). `start` and `added` are the urn's balls.
    """

    target: AdaptiveTarget
    total: int
    prior: tuple[int, int] = (1, 1)
    power: float = 0.5
    planned: int | None = None
    gamma: float | None = None
    start: int = 1
    added: int = 1

    def __post_init__(self) -> None:
        """Check what can be checked without results; the targets check the rest."""
        if self.total < 2:
            raise InvalidParameter(f"cannot be {self.total}", field="total", fix="use the block size")
        if min(self.prior) < 1:
            raise InvalidParameter(
                f"cannot be {self.prior}", field="prior", fix="use two whole numbers from 1"
            )
        if self.planned is not None and self.planned < 1:
            raise InvalidParameter(
                f"cannot be {self.planned}", field="planned", fix="use 1 or more, or leave it out"
            )
        if not 0 <= self.power <= 1:
            raise InvalidParameter(f"cannot be {self.power}", field="power", fix="use a number from 0 to 1")


@dataclass(frozen=True, slots=True)
class RatioUpdate:
    """The record of one update, all in the order of the arms.

    `rates` are the estimated success rates, `target` the shares of the method, `shares` those after Hu and Zhang's function (the same
    without one), `ratio` the whole numbers, which sum to `design.total`. `power` is what Thompson's chances were raised to, None
    for other targets.
    """

    rule_version: str
    rounding: str
    design: UpdateDesign
    results: tuple[ArmResults, ...]
    rates: Shares
    power: float | None
    target: Shares
    shares: Shares
    ratio: tuple[int, ...]


def ratio_update(design: UpdateDesign, results: Sequence[ArmResults]) -> RatioUpdate:
    """Derive the ratio from the results, in the order of the protocol's arms.

    Raises InvalidParameter for fewer than two arms, doubled arms, more arms than `total`, or a target that is not for so many arms.
    """
    names = [result.arm for result in results]
    if len(names) < 2 or len(set(names)) != len(names):
        raise InvalidParameter(f"needs two distinct arms or more, not {names}", field="results")
    known = [result.known for result in results]
    successes = [result.successes for result in results]
    a, b = design.prior
    rates = tuple((a + won) / (a + b + of) for won, of in zip(successes, known, strict=True))
    power: float | None = None
    target: Shares
    if design.target is AdaptiveTarget.THOMPSON:
        power = design.power if design.planned is None else min(sum(known) / (2 * design.planned), 1.0)
        target = tempered(chances_of_being_best(successes, known, design.prior), power)
    elif design.target is AdaptiveTarget.PLAY_THE_WINNER_URN:
        target = urn_shares(successes, known, design.start, design.added)
    else:
        by_rates = {
            AdaptiveTarget.NEYMAN: neyman,
            AdaptiveTarget.RSIHR: rsihr,
            AdaptiveTarget.PLAY_THE_WINNER_LIMIT: play_the_winner_limit,
        }
        target = by_rates[design.target](rates)
    shares = target
    if design.gamma is not None:
        shares = doubly_adaptive([result.allocated for result in results], target, design.gamma)
    return RatioUpdate(
        rule_version=RULE_VERSION,
        rounding=ROUNDING,
        design=design,
        results=tuple(results),
        rates=rates,
        power=power,
        target=target,
        shares=shares,
        ratio=whole_ratio(shares, design.total),
    )


def whole_ratio(shares: Sequence[float], total: int) -> tuple[int, ...]:
    """Return whole numbers from 1 that sum to `total`, as near to the shares as rounding by largest remainder gets.

    Each arm gets the whole part of share * total, at least 1. What is then missing goes one by one to the arm that is furthest below its
    exact value, what is too much is taken from the arm furthest above it that has more than 1; the earlier arm where equal.
    Raises InvalidParameter when there are more arms than `total`, or for shares that do not sum to 1.
    """
    if len(shares) > total:
        raise InvalidParameter(
            f"{total} is too few for {len(shares)} arms with at least 1 each",
            field="total",
            fix="use a larger total",
        )
    if any(not share >= 0 for share in shares) or abs(sum(shares) - 1) > 1e-9:
        raise InvalidParameter(f"{tuple(shares)} are no shares that sum to 1", field="shares")
    exact = [round(share * total, 9) for share in shares]
    whole = [max(int(value), 1) for value in exact]
    while sum(whole) != total:
        more = sum(whole) < total
        arms = [arm for arm in range(len(whole)) if more or whole[arm] > 1]
        gaps = [round((exact[arm] - whole[arm]) * (1 if more else -1), 9) for arm in arms]
        whole[arms[gaps.index(max(gaps))]] += 1 if more else -1
    return tuple(whole)

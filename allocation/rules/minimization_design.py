"""What a minimization is: factors and weights, measure, random element, and how it keeps the allocation ratio.

Named designs are settings of this one rule: Pocock and Simon 1975 balances the factors; Hu and Hu 2012 also gives weights to the
whole and to the stratum (with the variance as measure); with the weight of the whole or of the stratum alone it is Efron's biased
coin over all subjects or within strata.

Unequal ratios. That the mean ratio comes out right is not enough. A procedure preserves the allocation ratio (ARP) when at every
allocation k the chance of arm j, before anything is known, is its share: E P_k(j) = rho_k(j) (Kuznetsova and Tymofyeyev, Statistics in
Medicine 2012). Otherwise the first subjects of each stratum go to the larger arm more often than they should, who enrols when is
confounded with the arm, and a randomization test is centred wrongly. `RatioRule` says which option has it:

* `unit_arms` has it exactly. An arm with share r is split into r unit arms of equal share, the unit arms are minimized with the ratio
  1:1:...:1, and the subject gets the arm of the unit arm that was drawn. Nothing tells one unit arm from another, so at every
  allocation each has the chance 1 / sum of the shares. Each subject's unit arm is part of the record and of the counts.
* `biased_coin` (Han and others 2009) weighs the chances by the shares. It has the right ratio in the long run, and at every allocation
  only as far as arm j is the preferred one with chance rho(j): not at the first subject, where one more subject in the largest arm
  always disturbs the balance least. The first subjects may be randomized simply (`simple_first`), which is exact for them.

With equal shares the two are the same rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from allocation.errors import InvalidParameter
from allocation.rules.imbalance import ImbalanceMeasure


class ChanceRule(StrEnum):
    """How scores become chances: `preferred` gives the best arm `probability`; `rank` orders them by Pocock and Simon's q."""

    PREFERRED = "preferred"
    RANK = "rank"


class RatioRule(StrEnum):
    """How an unequal ratio is kept; see the module."""

    UNIT_ARMS = "unit_arms"
    BIASED_COIN = "biased_coin"


@dataclass(frozen=True, slots=True)
class MinimizationDesign:
    """The parameters of a minimization. Checked on construction: raises InvalidParameter naming the field.

    `ratio` are the shares of `arms`, in their order. `factors` are (name, weight) pairs in the order of the event; `whole_weight` and
    `stratum_weight` weigh the balance over all subjects and within the subject's stratum. `probability` is p of the preferred arm, or q of
    the rank rule; under `biased_coin` it is that of an arm with the smallest share, under `unit_arms` that of a unit arm.
    The first `simple_first` subjects are allocated by the ratio alone.
    """

    arms: tuple[str, ...]
    ratio: tuple[int, ...]
    factors: tuple[tuple[str, float], ...]
    probability: float
    measure: ImbalanceMeasure = ImbalanceMeasure.RANGE
    chance: ChanceRule = ChanceRule.PREFERRED
    ratio_rule: RatioRule = RatioRule.UNIT_ARMS
    whole_weight: float = 0.0
    stratum_weight: float = 0.0
    simple_first: int = 0

    def __post_init__(self) -> None:
        """Check arms, ratio, weights, the random element and the number of simple allocations."""
        if len(self.arms) < 2 or len(set(self.arms)) != len(self.arms):
            raise InvalidParameter(f"needs two distinct arms or more, not {self.arms}", field="arms")
        if len(self.ratio) != len(self.arms) or min(self.ratio) < 1:
            raise InvalidParameter(
                f"{self.ratio} is no ratio for {len(self.arms)} arms",
                field="ratio",
                fix="give each arm a whole number from 1",
            )
        self._check_weights()
        self._check_probability()
        if self.simple_first < 0:
            raise InvalidParameter(
                f"cannot be {self.simple_first}", field="simple_first", fix="use 0 or more"
            )

    def _check_weights(self) -> None:
        names = [name for name, _ in self.factors]
        if len(set(names)) != len(names):
            raise InvalidParameter(f"needs distinct factors, not {names}", field="factors")
        weights = [("factors", f" of {name}", weight) for name, weight in self.factors]
        weights += [("whole_weight", "", self.whole_weight), ("stratum_weight", "", self.stratum_weight)]
        for field, of, weight in weights:
            if not (math.isfinite(weight) and weight >= 0):
                raise InvalidParameter(
                    f"the weight{of} is {weight}", field=field, fix="use a number from 0, 0 to leave it out"
                )
        if not any(weight > 0 for _, _, weight in weights):
            raise InvalidParameter(
                "nothing has a weight, so nothing would be balanced",
                field="factors",
                fix="give a factor, the stratum or the whole a weight above 0",
            )

    def _check_probability(self) -> None:
        value = self.probability
        if value == 1:
            raise InvalidParameter(
                "1 leaves no random element in the allocation: the next arm could be foretold",
                field="probability",
                fix="use a value such as 0.8 (ICH E9 2.3.2)",
            )
        shares = self.unit_ratio
        if self.chance is ChanceRule.RANK:
            if len(set(shares)) > 1:
                raise InvalidParameter(
                    f"the rank rule knows no shares, and the ratio is {self.ratio}",
                    field="ratio_rule",
                    fix="use unit_arms",
                )
            low, high = 1 / len(shares), (2 / (len(shares) - 1) if len(shares) > 2 else math.inf)
            best = value - 2 * (len(shares) * value - 1) / (len(shares) * (len(shares) + 1))
            inside = low < value <= high and best < 1
        else:
            inside = min(shares) / sum(shares) < value < 1
        if not inside:
            raise InvalidParameter(
                f"{value} is outside what keeps a preference and a random element for the shares {shares}",
                field="probability",
                fix="use a value such as 0.8"
                if self.chance is ChanceRule.PREFERRED
                else "use q above 1/N and up to 2/(N-1), N being the number of arms or unit arms",
            )

    @property
    def reduced_ratio(self) -> tuple[int, ...]:
        """The ratio without a common divisor: 300:100:100 is 3:1:1."""
        divisor = math.gcd(*self.ratio)
        return tuple(share // divisor for share in self.ratio)

    @property
    def unit_ratio(self) -> tuple[int, ...]:
        """The shares of the columns of the counts: one column a unit arm, each with share 1, or one column an arm."""
        if self.ratio_rule is RatioRule.UNIT_ARMS:
            return (1,) * sum(self.reduced_ratio)
        return self.reduced_ratio

    @property
    def arm_of_unit(self) -> tuple[int, ...]:
        """For each column of the counts the index of its arm; the unit arms of one arm stand together, in the order of the arms."""
        if self.ratio_rule is RatioRule.UNIT_ARMS:
            return tuple(arm for arm, share in enumerate(self.reduced_ratio) for _ in range(share))
        return tuple(range(len(self.arms)))

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights of the rows of the counts: the whole, the stratum, then the factors."""
        return (self.whole_weight, self.stratum_weight, *(weight for _, weight in self.factors))

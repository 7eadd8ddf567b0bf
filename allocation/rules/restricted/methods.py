"""The table of the restricted methods: name, parameters with their ranges, and where each may be used.

The protocol's checks, the service, the lists and `rtsm randomization compare` all read it, so that a range stands in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from allocation.rules.restricted import probabilities as code

RANDOM_ELEMENT: Final = "ICH E9 2.3.2: dynamic allocation keeps a random element"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method: a number from `low` to `high`; the bounds themselves are allowed unless `open_low`, `open_high`.

    `whole`: a whole number only. `default` None: it must be given. `reason` says why a value at an open bound is refused.
    """

    name: str
    meaning: str
    low: float
    high: float
    whole: bool = False
    open_low: bool = False
    open_high: bool = False
    default: float | None = None
    reason: str = ""

    def wrong_with(self, value: float) -> str | None:
        """What is wrong with `value`, in a few words; None where it is allowed."""
        if self.whole and value != int(value):
            return "is not a whole number"
        if value < self.low or (self.open_low and value == self.low):
            return "is too small"
        if value > self.high or (self.open_high and value == self.high):
            return "is too large"
        return None

    def range_text(self) -> str:
        """The allowed range for people, such as `a number above 0.5 and below 1`."""
        low = f"{'above' if self.open_low else 'from'} {self.low:g}"
        high = f"{'and below' if self.open_high else 'to'} {self.high:g}"
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} {low} {high}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Method:
    """A restricted method. `code` is its constant in `probabilities.py`, `version` that of its rule in decision records.

    `parameters` are in the order in which the rule takes them. `unequal` and `many_arms` say whether a ratio other than 1:1 and
    more than two arms are allowed. `sequence`: it runs in sequences of its parameter n, and begins anew after each.
    """

    name: str
    code: int
    short: str
    title: str
    version: str
    source: str
    parameters: tuple[Parameter, ...] = ()
    unequal: bool = False
    many_arms: bool = False
    blocks: bool = False
    sequence: bool = False


_LENGTH: Final = Parameter("n", "subjects of a sequence, in each stratum", 2, 10_000, whole=True)
_SHORT_LENGTH: Final = Parameter("n", "subjects of a sequence, in each stratum", 2, 2_000, whole=True)
_COIN: Final = Parameter(
    "p", "chance of the arm behind", 0.5, 1, open_low=True, open_high=True, reason=RANDOM_ELEMENT
)
_BOUND: Final = Parameter("b", "largest imbalance", 1, 100, whole=True)

METHODS: Final[Mapping[str, Method]] = {
    method.name: method
    for method in (
        Method(
            "complete",
            code.COMPLETE,
            "CRD",
            "Complete randomization",
            "complete/1",
            "Rosenberger & Lachin 2016, 3.2",
            unequal=True,
            many_arms=True,
        ),
        Method(
            "permuted_block",
            code.PERMUTED_BLOCK,
            "PBD",
            "Permuted blocks",
            "permuted-block-draw/1",
            "Hill 1951; Matts & Lachin 1988",
            unequal=True,
            many_arms=True,
            blocks=True,
        ),
        Method(
            "random_allocation_rule",
            code.RANDOM_ALLOCATION_RULE,
            "RAND",
            "Random allocation rule",
            "random-allocation-rule/1",
            "Rosenberger & Lachin 2016, 3.3",
            (_LENGTH,),
            unequal=True,
            many_arms=True,
            sequence=True,
        ),
        Method(
            "truncated_binomial",
            code.TRUNCATED_BINOMIAL,
            "TBD",
            "Truncated binomial design",
            "truncated-binomial/1",
            "Blackwell & Hodges 1957",
            (_LENGTH,),
            sequence=True,
        ),
        Method(
            "biased_coin",
            code.BIASED_COIN,
            "EBCD",
            "Efron's biased coin",
            "biased-coin/1",
            "Efron 1971",
            (_COIN,),
        ),
        Method("big_stick", code.BIG_STICK, "BSD", "Big stick", "big-stick/1", "Soares & Wu 1983", (_BOUND,)),
        Method(
            "biased_coin_imbalance_tolerance",
            code.IMBALANCE_TOLERANCE,
            "BCDWIT",
            "Biased coin with imbalance tolerance",
            "biased-coin-imbalance-tolerance/1",
            "Chen 1999",
            (_COIN, _BOUND),
        ),
        Method(
            "adjustable_biased_coin",
            code.ADJUSTABLE,
            "ABCD",
            "Adjustable biased coin",
            "adjustable-biased-coin/1",
            "Baldi Antognini & Giovagnoli 2004",
            (Parameter("a", "strength of the correction", 0, 10, open_low=True),),
        ),
        Method(
            "generalized_biased_coin",
            code.GENERALIZED,
            "GBCD",
            "Generalized biased coin",
            "generalized-biased-coin/1",
            "Smith 1984",
            (Parameter("gamma", "strength of the correction", 0, 20, open_low=True),),
        ),
        Method(
            "wei_urn",
            code.WEI_URN,
            "UD",
            "Wei's urn",
            "wei-urn/1",
            "Wei 1977, 1978",
            (
                Parameter("alpha", "balls of each arm at the start", 0, 1_000, default=0),
                Parameter(
                    "beta",
                    "balls of the other arms added after an allocation",
                    0,
                    1_000,
                    open_low=True,
                    default=1,
                ),
            ),
            many_arms=True,
        ),
        Method(
            "block_urn",
            code.BLOCK_URN,
            "BUD",
            "Block urn",
            "block-urn/1",
            "Zhao & Weng 2011",
            (Parameter("lambda", "balanced sets in the urn", 1, 100, whole=True),),
            unequal=True,
            many_arms=True,
        ),
        Method(
            "ehrenfest_urn",
            code.EHRENFEST_URN,
            "EUD",
            "Ehrenfest urn",
            "ehrenfest-urn/1",
            "Chen 2006",
            (_BOUND,),
        ),
        Method(
            "maximal_procedure",
            code.MAXIMAL_PROCEDURE,
            "MP",
            "Maximal procedure",
            "maximal-procedure/1",
            "Berger, Ivanova & Knoll 2003",
            (_SHORT_LENGTH, _BOUND),
            sequence=True,
        ),
        Method(
            "mass_weighted_urn",
            code.MASS_WEIGHTED_URN,
            "MWUD",
            "Mass-weighted urn",
            "mass-weighted-urn/1",
            "Zhao 2015",
            (Parameter("alpha", "mass of the urn", 1, 1_000),),
            unequal=True,
            many_arms=True,
        ),
    )
}
"""Method name of the protocol -> the method."""

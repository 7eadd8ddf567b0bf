"""The settings of a minimization as a protocol or a comparison states them: the design of the rule, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from allocation.errors import InvalidParameter
from allocation.rules.imbalance import ImbalanceMeasure
from allocation.rules.minimization_design import ChanceRule, MinimizationDesign, RatioRule
from allocation.rules.restricted.design import DesignProblem

if TYPE_CHECKING:
    from allocation.study.allocation_scheme import Ratio
    from allocation.study.protocol import Protocol
    from allocation.study.randomization_design import RandomizationEvent

PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "minimization": ("p", "q", "simple_first"),
    "hu_hu": ("p", "whole", "stratum", "simple_first"),
}
"""Method -> its parameters: p (chance of the preferred arm) or q (Pocock and Simon's rank rule); whole and stratum are weights."""

_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "probability": ("parameters", "p"),
    "factors": ("factors",),
    "whole_weight": ("parameters", "whole"),
    "stratum_weight": ("parameters", "stratum"),
    "simple_first": ("parameters", "simple_first"),
}


_SPELLED: Final[dict[str, ImbalanceMeasure]] = {"sd": ImbalanceMeasure.STANDARD_DEVIATION}
"""The protocol's own word for a measure, where that is not the rule's."""


@dataclass(frozen=True, slots=True)
class MinimizationSettings:
    """What is stated: `ratio` is (arm, share), `factors` (code, weight); `method` is minimization or hu_hu.

    Hu and Hu 2012 measure by squares, so `hu_hu` takes the variance whatever `measure` says.
    """

    method: str
    ratio: Ratio
    factors: tuple[tuple[str, float], ...]
    parameters: Mapping[str, float]
    measure: str = "range"
    ratio_rule: str = "unit_arms"
    block_sizes: tuple[int, ...] = ()

    def design(self) -> MinimizationDesign:
        """The design as the rule takes it. Raises InvalidParameter naming the rule's field."""
        given = self.parameters
        return MinimizationDesign(
            arms=tuple(arm for arm, _ in self.ratio),
            ratio=tuple(share for _, share in self.ratio),
            factors=self.factors,
            probability=given.get("q", given.get("p", 0.0)),
            measure=ImbalanceMeasure.VARIANCE
            if self.method == "hu_hu"
            else _SPELLED.get(self.measure) or ImbalanceMeasure(self.measure),
            chance=ChanceRule.RANK if "q" in given else ChanceRule.PREFERRED,
            ratio_rule=RatioRule(self.ratio_rule),
            whole_weight=given.get("whole", 0.0),
            stratum_weight=given.get("stratum", 0.0),
            simple_first=int(given.get("simple_first", 0)),
        )

    def problems(self) -> list[DesignProblem]:
        """Everything that is wrong with them; empty where the design can be used."""
        known = PARAMETERS[self.method]
        found = [
            DesignProblem(
                ("parameters", name),
                name,
                f"is no parameter of the method {self.method}",
                f"it has {', '.join(known)}",
            )
            for name in self.parameters
            if name not in known
        ]
        if self.block_sizes:
            found.append(
                DesignProblem(
                    ("block_sizes",),
                    list(self.block_sizes),
                    f"would be ignored by the method {self.method}",
                    "remove them",
                )
            )
        if not self.factors:
            found.append(
                DesignProblem(
                    ("factors",), "(none)", "leaves minimization nothing to balance", "list the factors"
                )
            )
        if ("p" in self.parameters) == ("q" in self.parameters):
            found.append(
                DesignProblem(
                    ("parameters",),
                    self.method,
                    "needs the parameter p (chance of the preferred arm)"
                    + (" or q (rank rule), one of the two" if self.method == "minimization" else ""),
                    "add p: 0.8 (ICH E9 2.3.2: dynamic allocation keeps a random element)",
                )
            )
        if not found:
            try:
                self.design()
            except InvalidParameter as wrong:
                path = _FIELDS.get(wrong.field or "", ("parameters",))
                value = self.parameters.get(path[-1], self.method)
                found.append(DesignProblem(path, value, wrong.message, wrong.fix or "correct it"))
        return found


def minimization_settings(
    protocol: Protocol, event: RandomizationEvent, ratio: Ratio
) -> MinimizationSettings:
    """The settings of the event's minimization for that ratio; factors weigh as the protocol says."""
    weight = {factor.code: factor.weight for factor in protocol.stratification}
    return MinimizationSettings(
        event.method,
        ratio,
        tuple((code, weight[code]) for code in event.factors),
        event.parameters,
        event.measure,
        event.ratio_rule,
        event.block_sizes,
    )

"""From a randomization event to the design of its minimization, and what is wrong with it, by the rule's own checks."""

from __future__ import annotations

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


def minimization_design(protocol: Protocol, event: RandomizationEvent, ratio: Ratio) -> MinimizationDesign:
    """The design of the event's minimization for that ratio. Raises InvalidParameter naming the rule's field.

    Hu and Hu 2012 measure by squares, so `hu_hu` takes the variance whatever `measure` says.
    """
    weight = {factor.code: factor.weight for factor in protocol.stratification}
    given = event.parameters
    return MinimizationDesign(
        arms=tuple(arm for arm, _ in ratio),
        ratio=tuple(share for _, share in ratio),
        factors=tuple((code, weight[code]) for code in event.factors),
        probability=given.get("q", given.get("p", 0.0)),
        measure=ImbalanceMeasure.VARIANCE if event.method == "hu_hu" else ImbalanceMeasure(event.measure),
        chance=ChanceRule.RANK if "q" in given else ChanceRule.PREFERRED,
        ratio_rule=RatioRule(event.ratio_rule),
        whole_weight=given.get("whole", 0.0),
        stratum_weight=given.get("stratum", 0.0),
        simple_first=int(given.get("simple_first", 0)),
    )


def minimization_problems(protocol: Protocol, event: RandomizationEvent, ratio: Ratio) -> list[DesignProblem]:
    """Everything that is wrong with the event's minimization for that ratio; empty where it can be used."""
    problems = [
        DesignProblem(
            ("parameters", name),
            name,
            f"is no parameter of the method {event.method}",
            f"it has {', '.join(PARAMETERS[event.method])}",
        )
        for name in event.parameters
        if name not in PARAMETERS[event.method]
    ]
    if event.block_sizes:
        problems.append(
            DesignProblem(
                ("block_sizes",),
                list(event.block_sizes),
                f"would be ignored by the method {event.method}",
                "remove them",
            )
        )
    if not event.factors:
        problems.append(
            DesignProblem(
                ("factors",), "(none)", "leaves minimization nothing to balance", "list the factors"
            )
        )
    if ("p" in event.parameters) == ("q" in event.parameters):
        problems.append(
            DesignProblem(
                ("parameters",),
                event.method,
                "needs the parameter p (chance of the preferred arm)"
                + (" or q (rank rule), one of the two" if event.method == "minimization" else ""),
                "add p: 0.8 (ICH E9 2.3.2: dynamic allocation keeps a random element)",
            )
        )
    if problems:
        return problems
    try:
        minimization_design(protocol, event, ratio)
    except InvalidParameter as wrong:
        path = _FIELDS.get(wrong.field or "", ("parameters",))
        value = event.parameters.get(path[-1], event.method)
        problems.append(DesignProblem(path, value, wrong.message, wrong.fix or "correct it"))
    return problems

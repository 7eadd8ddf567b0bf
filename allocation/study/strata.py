"""The key of a stratum, and which strata a randomization event has: one spelling for lists, caps, schedule and exports."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.randomization_design import RandomizationEvent

NO_STRATUM = "ALL"
"""The key of the only stratum of an event without factors."""


def stratum_key(levels: Mapping[str, str], factors: tuple[str, ...]) -> str:
    """The key of the stratum with those `levels` (factor -> level), the factors in the order of the event.

    Raises KeyError for a factor without a level.

    >>> stratum_key({"SEVERITY": "MOD", "PRIOR": "NO"}, ("PRIOR", "SEVERITY"))
    'PRIOR=NO|SEVERITY=MOD'
    """
    return "|".join(f"{factor}={levels[factor]}" for factor in factors) or NO_STRATUM


def parse_stratum(key: str) -> dict[str, str]:
    """The factor levels that a stratum key names (possibly only some of the factors); the opposite of `stratum_key`.

    Raises ValueError where the key is not made of FACTOR=LEVEL pairs.
    """
    if key == NO_STRATUM:
        return {}
    levels: dict[str, str] = {}
    for pair in key.split("|"):
        factor, equals, level = pair.partition("=")
        if not (factor and equals and level) or factor in levels:
            raise ValueError(f"{key!r} is not FACTOR=LEVEL pairs joined by |")
        levels[factor] = level
    return levels


def strata_of(protocol: Protocol, event: RandomizationEvent) -> list[dict[str, str]]:
    """Every stratum of `event` as factor -> level, in the order in which the protocol lists the levels."""
    by_code = {factor.code: factor for factor in protocol.stratification}
    choices = [[level.code for level in by_code[code].levels] for code in event.factors]
    return [dict(zip(event.factors, combination, strict=True)) for combination in product(*choices)]

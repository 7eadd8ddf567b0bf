"""What an event allocates to, in which ratio, and in which runs: one reading of the protocol for lists, live draws and reports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

from allocation.errors import NotFound
from allocation.study.strata import strata_of, stratum_key

if TYPE_CHECKING:
    from allocation.study.design import Arm
    from allocation.study.protocol import Protocol
    from allocation.study.randomization_design import RandomizationEvent, Transition
    from allocation.study.schedule import Visit

Ratio = tuple[tuple[str, int], ...]
"""(arm, share), in the order of the protocol's arms."""

COHORT: Final = "COHORT"
FROM_ARM: Final = "ARM"
RESERVED_FACTORS: Final = (COHORT, FROM_ARM)
"""What stands before the factors in the key of a run; no stratification factor may have these codes."""


def event_named(protocol: Protocol, code: str, field: str = "event") -> RandomizationEvent:
    """The protocol's randomization event of that code. Raises NotFound that names the `field` it was asked by."""
    event = protocol.event(code)
    if event is None:
        raise NotFound(
            f"randomization event {code!r} is not in the protocol",
            field=field,
            fix=f"one of {', '.join(one.code for one in protocol.randomization)}",
        )
    return event


def transition_of(event: RandomizationEvent, from_arm: str | None) -> Transition | None:
    """What the event does with a subject of `from_arm`; None for the first event, or one that draws whoever comes."""
    return next((one for one in event.transitions if one.from_arm == from_arm), None)


def event_ratio(
    protocol: Protocol, event: RandomizationEvent, cohort: str | None = None, from_arm: str | None = None
) -> Ratio:
    """The open arms that the event allocates to, with their shares, for a subject of that cohort and present arm.

    The event's own ratio goes before the arms' own; a transition before both; a cohort with arms of its own narrows them. Empty
    where nothing is left.
    """
    transition = transition_of(event, from_arm)
    shares = {arm.code: arm.ratio for arm in protocol.arms if not event.arms or arm.code in event.arms}
    if event.ratio:
        shares = {one.arm: one.ratio for one in event.ratio}
    if transition is not None:
        shares = {one.arm: one.ratio for one in transition.to}
    allowed = next((one.arms for one in protocol.cohorts if one.code == cohort), ())
    kept = from_arm if transition is not None else None
    return tuple(
        (arm.code, shares[arm.code])
        for arm in protocol.arms
        if arm.code in shares
        and (arm.open or arm.code == kept)
        and (not allowed or arm.code in allowed or arm.code == kept)
    )


def arms_reached(protocol: Protocol, event: RandomizationEvent, cohort: str | None) -> tuple[str, ...]:
    """Every arm that the event may allocate a subject of that cohort to, whatever arm the subject is in now."""
    from_arms: list[str | None] = [one.from_arm for one in event.transitions] or [None]
    reached = {arm for now in from_arms for arm, _ in event_ratio(protocol, event, cohort, now)}
    return tuple(arm.code for arm in protocol.arms if arm.code in reached)


def arms_by_visit(protocol: Protocol, visit: Visit) -> tuple[Arm, ...]:
    """The arms that a subject may be in at a visit: one that only later events lead to is empty before their visits.

    A closed arm still has subjects. Without a known visit of an event all its arms count from the start.
    """
    numbers = {one.code: one.number for one in protocol.visits}
    reached: set[str] = set()
    for index, event in enumerate(protocol.randomization):
        if index == 0 or numbers.get(event.visit, visit.number) <= visit.number:
            named = event.arms or tuple(one.arm for one in event.ratio)
            reached.update(share.arm for one in event.transitions for share in one.to)
            if named or not event.transitions:
                reached.update(named or (arm.code for arm in protocol.arms))
    return tuple(arm for arm in protocol.arms if arm.code in reached)


def may_keep(event: RandomizationEvent, arm: str) -> bool:
    """Whether a later event may leave a subject of that arm in it."""
    transition = transition_of(event, arm)
    return not event.transitions or (transition is not None and arm in {one.arm for one in transition.to})


def separates_cohorts(protocol: Protocol, event: RandomizationEvent) -> bool:
    """Whether each cohort has its own run: by the event's own word, or because a cohort's arms are not those of the others."""
    own = {frozenset(one.arms) or frozenset(arm.code for arm in protocol.arms) for one in protocol.cohorts}
    return bool(protocol.cohorts) and (event.by_cohort or len(own) > 1)


def run_key(
    protocol: Protocol,
    event: RandomizationEvent,
    levels: Mapping[str, str],
    cohort: str | None,
    from_arm: str | None,
) -> str:
    """The key of the run of entries that a subject draws from: cohort and present arm where they matter, then the stratum.

    Raises KeyError for a factor without a level.
    """
    before = []
    if separates_cohorts(protocol, event) and cohort is not None:
        before.append(f"{COHORT}={cohort}")
    transition = transition_of(event, from_arm)
    if transition is not None and len(transition.to) > 1:
        before.append(f"{FROM_ARM}={from_arm}")
    if not before:
        return stratum_key(levels, event.factors)
    return "|".join([*before, *(f"{factor}={levels[factor]}" for factor in event.factors)])


@dataclass(frozen=True, slots=True)
class Run:
    """One run of list entries that an event needs (beside the holders, each of which has all of them)."""

    key: str
    cohort: str | None
    from_arm: str | None
    levels: dict[str, str]
    ratio: Ratio


def runs_of(protocol: Protocol, event: RandomizationEvent) -> list[Run]:
    """Every run of the event, in the order of cohorts, present arms and factor levels."""
    cohorts: list[str | None] = [None]
    if separates_cohorts(protocol, event):
        cohorts = [one.code for one in protocol.cohorts]
    from_arms: list[str | None] = [one.from_arm for one in event.transitions if len(one.to) > 1] or [None]
    return [
        Run(
            run_key(protocol, event, levels, cohort, from_arm),
            cohort,
            from_arm,
            levels,
            event_ratio(protocol, event, cohort, from_arm),
        )
        for cohort, from_arm, levels in product(cohorts, from_arms, strata_of(protocol, event))
    ]


def scheme_hash(protocol: Protocol, event: RandomizationEvent, ratio: Ratio) -> str:
    """The identity of a way of allocating: method, arms with shares, parameters, factors with weights (16 hex digits).

    A live draw counts the allocations of its own scheme only. When a ratio changes or an arm comes or goes, balance begins anew:
    else everybody would be sent to a new arm until it had caught up.
    """
    weights = {one.code: one.weight for one in protocol.stratification if one.code in event.factors}
    scheme = [event.method, ratio, event.measure, sorted(event.parameters.items()), sorted(weights.items())]
    return hashlib.sha256(json.dumps(scheme, separators=(",", ":")).encode()).hexdigest()[:16]

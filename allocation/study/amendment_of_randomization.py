"""What a later protocol version changes in how subjects are allocated, and what must be done before the next one comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from allocation.study.allocation_scheme import runs_of, scheme_hash
from allocation.study.canonical import plain_document
from allocation.study.list_basis import list_basis, runs_that_go_on

if TYPE_CHECKING:
    from allocation.study.allocation_scheme import Ratio
    from allocation.study.protocol import Protocol
    from allocation.study.randomization_design import RandomizationEvent

Need = Literal["nothing", "list", "list_for_changed_strata", "list_for_new_blocks", "activation"]
"""What the statistician must do before the version comes into force: a list or a method can be activated for it as soon as it is loaded.

`list`: activate a list, without which nobody can be randomized; `list_for_changed_strata`: the list in use fits some strata, which go on,
and the others wait for a list; `list_for_new_blocks`: the list in use fits, since the blocks that it has are still allowed, and goes on as
it was made until another is activated; `activation`: activate the method of an event that draws at randomization.
"""


@dataclass(frozen=True, slots=True)
class EventEffect:
    """What changes for one randomization event: the names of what differs, and what it needs.

    `balance_begins_anew`: a live draw counts the allocations of its own scheme only (allocation_scheme.scheme_hash).
    """

    event: str
    change: Literal["added", "changed"]
    differs: tuple[str, ...]
    needs: Need
    balance_begins_anew: bool = False


def effects_on_randomization(old: Protocol, new: Protocol) -> tuple[EventEffect, ...]:
    """The events of `new` that differ from those of `old`, in the order of the document. Later versions drop none (amendment.py)."""
    found = []
    for event in new.randomization:
        before = old.event(event.code)
        if before is None:
            needs: Need = "activation" if event.draws_live else "list"
            found.append(EventEffect(event.code, "added", (), needs))
            continue
        differs = _differences(old, before, new, event)
        if differs:
            anew = event.draws_live and _schemes(old, before) != _schemes(new, event)
            needs = _needs(old, before, new, event)
            found.append(EventEffect(event.code, "changed", differs, needs, anew))
    return tuple(found)


def _differences(
    old: Protocol, before: RandomizationEvent, new: Protocol, event: RandomizationEvent
) -> tuple[str, ...]:
    was, now = plain_document(before), plain_document(event)
    differs = [name for name in now if was.get(name) != now[name]]
    ratios = (_ratios(old, before), _ratios(new, event))
    arms = [{arm for ratio in one.values() for arm, _ in ratio} for one in ratios]
    if arms[0] != arms[1] and "arms" not in differs:
        differs.append("arms")
    if ratios[0] != ratios[1] and "ratio" not in differs:
        differs.append("ratio")
    if (
        event.draws_live
        and before.draws_live
        and not differs
        and _schemes(old, before) != _schemes(new, event)
    ):
        differs.append("weights")
    return tuple(differs)


def _needs(old: Protocol, before: RandomizationEvent, new: Protocol, event: RandomizationEvent) -> Need:
    if event.draws_live:
        # Another method draws on from the seed in use: what it draws by, the signed version says.
        return "nothing" if before.draws_live else "activation"
    goes_on = runs_that_go_on(old, before, new, event)
    if all(goes_on.values()):
        return "nothing" if list_basis(old, before) == list_basis(new, event) else "list_for_new_blocks"
    return "list_for_changed_strata" if any(goes_on.values()) else "list"


def _ratios(protocol: Protocol, event: RandomizationEvent) -> dict[str, Ratio]:
    return {run.key: run.ratio for run in runs_of(protocol, event)}


def _schemes(protocol: Protocol, event: RandomizationEvent) -> set[str]:
    return {scheme_hash(protocol, event, run.ratio) for run in runs_of(protocol, event)}

"""What a randomization list is made for: as long as the protocol says the same, the list may be drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.study.allocation_scheme import runs_of

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.randomization_design import RandomizationEvent


def list_basis(protocol: Protocol, event: RandomizationEvent) -> dict[str, Any]:
    """Who holds the runs of the event's list, how blocks are assigned, and each run's ratio: JSON values, stored with a list."""
    return {
        "held_by": event.held_by,
        "block_assignment": event.block_assignment,
        "runs": {run.key: [list(share) for share in run.ratio] for run in runs_of(protocol, event)},
    }


def events_needing_lists(old: Protocol, new: Protocol) -> list[str]:
    """The events of `new` for which a list made under `old` no longer fits: their next randomization waits for a new list."""
    return [
        event.code
        for event in new.randomization
        if not event.draws_live
        and (before := old.event(event.code)) is not None
        and list_basis(old, before) != list_basis(new, event)
    ]

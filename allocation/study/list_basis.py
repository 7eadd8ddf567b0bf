"""What a randomization list is made for: as long as the protocol says the same, the list may be drawn from (rules/list_choice.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.list_choice import fits_run
from allocation.study.allocation_scheme import runs_of

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.randomization_design import RandomizationEvent


def list_basis(protocol: Protocol, event: RandomizationEvent) -> dict[str, Any]:
    """Who holds the runs of the event's list, how and of which blocks they are made, each run's ratio: JSON values, stored with a list."""
    return {
        "held_by": event.held_by,
        "block_assignment": event.block_assignment,
        "method": event.method,
        "parameters": dict(sorted(event.parameters.items())),
        "block_sizes": sorted(event.block_sizes),
        "runs": {run.key: [list(share) for share in run.ratio] for run in runs_of(protocol, event)},
    }


def runs_that_go_on(
    old: Protocol, before: RandomizationEvent, new: Protocol, event: RandomizationEvent
) -> dict[str, bool]:
    """For each run of the event under `new`, whether a list made for `old` may be drawn from."""
    if before.draws_live:
        return {run.key: False for run in runs_of(new, event)}
    was, now = list_basis(old, before), list_basis(new, event)
    return {run: fits_run(was, now, run) for run in now["runs"]}


def events_needing_lists(old: Protocol, new: Protocol) -> list[str]:
    """The events of `new` that are new, or for which a list made under `old` no longer fits every run: some subjects wait for a list."""
    return [
        event.code
        for event in new.randomization
        if not event.draws_live
        and (
            (before := old.event(event.code)) is None
            or not all(runs_that_go_on(old, before, new, event).values())
        )
    ]

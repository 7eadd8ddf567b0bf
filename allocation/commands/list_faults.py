"""Everything that is wrong with an uploaded list, by line: cells that cannot be read, the rule's checks, numbers of other lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.commands.list_numbers import numbers_in_use
from allocation.commands.list_runs import holders_of, list_key, planned_runs
from allocation.commands.transaction import Transaction
from allocation.rules.list_checks import ListRow, check_list
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent

if TYPE_CHECKING:
    from allocation.commands.lists import UploadListRequest

_COLUMN_OF_ERROR = {"number": "randomization_number"}


def list_faults(
    transaction: Transaction, protocol: Protocol, event: RandomizationEvent, request: UploadListRequest
) -> list[str]:
    """The faults of the list by that protocol, sorted by line; empty when it may be activated."""
    holders = holders_of(transaction, protocol, event)
    used = {entry.holder for entry in request.entries}
    unreadable = {(cell.line, cell.column) for cell in request.unreadable}
    strangers = {entry.line for entry in request.entries if entry.holder not in holders}
    rows = [
        ListRow(
            entry.line,
            entry.randomization_number,
            list_key(entry.holder, entry.stratum),
            entry.sequence,
            entry.block,
            entry.arm,
        )
        for entry in request.entries
    ]
    runs = planned_runs(protocol, event, [holder for holder in holders if holder in used])
    errors = check_list(
        rows,
        {run.key: dict(run.ratio) for run in runs},
        blocks_required=event.block_assignment == "dynamic",
        block_sizes=event.block_sizes,
        allow_truncated_last_block=request.allow_truncated_last_block,
    )
    found = [
        (cell.line, f"{cell.column + ': ' if cell.column else ''}{cell.message}")
        for cell in request.unreadable
    ]
    found += [
        (entry.line, f"holder {entry.holder!r} is none of the {event.held_by}s that may hold entries")
        for entry in request.entries
        if entry.line in strangers
    ]
    found += [
        (error.line, error.message)
        for error in errors
        # A cell that could not be read is one fault, not two.
        if not unreadable & {(error.line, _COLUMN_OF_ERROR.get(error.column, error.column)), (error.line, "")}
        and not (error.code == "unknown-stratum" and error.line in strangers)
    ]
    in_use = numbers_in_use(transaction)
    found += [
        (row.line, f"number {row.number} is in {in_use[row.number]} already")
        for row in rows
        if row.number in in_use
    ]
    return [
        f"line {line}: {message}" if line else message
        for line, message in sorted(found, key=lambda one: one[0])
    ]

"""Checks of an uploaded master randomization list before it can be activated: every error, by line.

A list is a table of number, stratum, sequence, block and arm. Nothing is repaired: the statistician corrects the file. The list of
errors is unblinded data (it names arms and blocks).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from allocation.errors import RuleError
from allocation.rules.blocks import ListEntry

WHOLE_FILE: Final = 0
"""The line number of an error that belongs to no single line."""

NUMBER: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z ._/#-]{0,39}")
"""A randomization number: what a spreadsheet made of one (=A1, 1.05E+05) does not fit."""

LARGEST_COUNT: Final = 2**31 - 1
"""The largest sequence or block number."""

Runs = Mapping[str, Mapping[str, int]]
"""Key of a run -> each of its arms' shares."""


def whole_number(text: str) -> int | str:
    """The positive whole number that a cell states; the text itself where it states none, which `check_list` then names."""
    if text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= LARGEST_COUNT:
        return int(text)
    return text


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row of the uploaded file: `line` counts from 1 as an editor shows it; `block` None in a list without blocks.

    `sequence` and `block` are texts where the file does not state a whole number.
    """

    line: int
    number: str
    stratum: str
    sequence: int | str
    block: int | str | None
    arm: str

    def entry(self) -> ListEntry:
        """Return the row as an entry of a list, once the whole list has passed its checks. Raises RuleError before that."""
        if isinstance(self.sequence, str) or isinstance(self.block, str):
            raise RuleError(f"line {self.line} has not passed the checks", field="sequence")
        return ListEntry(self.number, self.stratum, self.sequence, self.block, self.arm)


@dataclass(frozen=True, slots=True)
class ListError:
    """What is wrong: the line (WHOLE_FILE for the file), the column, a stable code, and a message with the value."""

    line: int
    column: str
    code: str
    message: str


def check_list(
    rows: Sequence[ListRow],
    runs: Runs,
    *,
    blocks_required: bool = False,
    block_sizes: Collection[int] = (),
    allow_truncated_last_block: bool = False,
) -> tuple[ListError, ...]:
    """Return all errors of an uploaded list, sorted by line; an empty tuple means that it may be activated.

    `runs` gives the shares of each run's arms, by the keys that the protocol knows; each must have rows. In every run the
    sequence goes 1, 2, 3, ... in the order of the file, numbers are unique in the whole list, and each block holds
    consecutive rows whose arms are an exact multiple of the run's ratio. `blocks_required`: every row names its block.
    `block_sizes`: those that the protocol allows, if it says so (empty: any).
    `allow_truncated_last_block` accepts a last block of a run that holds no more of an arm than a complete block would.
    """
    if not rows:
        return (ListError(WHOLE_FILE, "", "empty-list", "the list has no rows"),)
    errors: list[ListError] = []
    errors += _row_errors(rows, runs)
    by_run: dict[str, list[ListRow]] = {}
    for row in rows:
        by_run.setdefault(row.stratum, []).append(row)
    for key in runs:
        if key not in by_run:
            message = f"stratum {key!r} has no rows"
            errors.append(ListError(WHOLE_FILE, "stratum", "stratum-without-rows", message))
    for key, of_run in by_run.items():
        errors += _sequence_errors(of_run)
        allowed = _AllowedBlocks(blocks_required, frozenset(block_sizes), allow_truncated_last_block)
        errors += _block_errors(of_run, runs.get(key), allowed)
    return tuple(sorted(errors, key=lambda error: (error.line, error.column, error.code)))


def _row_errors(rows: Sequence[ListRow], runs: Runs) -> list[ListError]:
    errors: list[ListError] = []
    first_line: dict[str, int] = {}
    all_arms = list(dict.fromkeys(arm for ratio in runs.values() for arm in ratio))
    for row in rows:
        if not row.number.strip():
            errors.append(ListError(row.line, "number", "missing-number", "the number is empty"))
        elif row.number in first_line:
            message = f"number {row.number} is already on line {first_line[row.number]}"
            errors.append(ListError(row.line, "number", "duplicate-number", message))
        else:
            first_line[row.number] = row.line
            if NUMBER.fullmatch(row.number) is None:
                message = f"{row.number!r} is no randomization number: up to 40 letters, digits and . _ / # -"
                errors.append(ListError(row.line, "number", "malformed-number", message))
        arms = list(runs.get(row.stratum, all_arms))
        if row.arm not in arms:
            message = f"unknown arm {row.arm!r}; the protocol has {', '.join(arms)}"
            errors.append(ListError(row.line, "arm", "unknown-arm", message))
        if row.stratum not in runs:
            message = f"unknown stratum {row.stratum!r}"
            errors.append(ListError(row.line, "stratum", "unknown-stratum", message))
    return errors


def _sequence_errors(rows: Sequence[ListRow]) -> list[ListError]:
    errors: list[ListError] = []
    line_of: dict[int, int] = {}
    expected = 1
    for row in rows:
        if isinstance(row.sequence, str):
            message = f"sequence {row.sequence!r} is no whole number from 1"
            errors.append(ListError(row.line, "sequence", "malformed-sequence", message))
            expected += 1  # it stands where a number is due: the rows after it are not at fault
            continue
        if row.sequence in line_of:
            message = f"sequence {row.sequence} of stratum {row.stratum!r} is already on line {line_of[row.sequence]}"
            errors.append(ListError(row.line, "sequence", "duplicate-sequence", message))
            continue
        line_of[row.sequence] = row.line
        if row.sequence < expected:
            message = f"sequence {row.sequence} of stratum {row.stratum!r} comes after {expected - 1}"
            errors.append(ListError(row.line, "sequence", "sequence-out-of-order", message))
            continue
        if row.sequence > expected:
            message = f"sequence {row.sequence} of stratum {row.stratum!r} where {expected} is due"
            errors.append(ListError(row.line, "sequence", "sequence-gap", message))
        expected = row.sequence + 1
    return errors


@dataclass(frozen=True, slots=True)
class _AllowedBlocks:
    """What blocks a list may have: whether it must have any, of which sizes (empty: any), and whether the last may be cut short."""

    required: bool
    sizes: frozenset[int]
    truncated_last: bool


def _block_errors(
    rows: Sequence[ListRow], ratio: Mapping[str, int] | None, allowed: _AllowedBlocks
) -> list[ListError]:
    """Return the errors of one run's blocks; without a `ratio` (an unknown run) only their order is looked at."""
    with_block = [row for row in rows if row.block is not None]
    if not with_block and not allowed.required:
        return []
    errors = [
        ListError(
            row.line, "block", "missing-block", f"stratum {row.stratum!r} has blocks, this row has none"
        )
        for row in rows
        if row.block is None
    ]
    malformed = [row for row in with_block if isinstance(row.block, str)]
    errors += [
        ListError(row.line, "block", "malformed-block", f"block {row.block!r} is no whole number from 1")
        for row in malformed
    ]
    if malformed:
        return errors  # which rows are together is not known
    runs: list[list[ListRow]] = []
    for row in with_block:
        if runs and runs[-1][0].block == row.block:
            runs[-1].append(row)
        else:
            runs.append([row])
    seen: set[int | str | None] = set()
    for position, run in enumerate(runs):
        first = run[0]
        if first.block in seen:
            message = f"block {first.block} of stratum {first.stratum!r} goes on after another block"
            errors.append(ListError(first.line, "block", "block-not-together", message))
        seen.add(first.block)
        truncated_allowed = allowed.truncated_last and position == len(runs) - 1
        off_ratio = [] if ratio is None else _ratio_error(run, ratio, truncated_allowed)
        errors += off_ratio or _size_error(run, allowed.sizes, truncated_allowed)
    return errors


def _size_error(run: Sequence[ListRow], sizes: frozenset[int], truncated_allowed: bool) -> list[ListError]:
    """Return the error of a block whose size the protocol does not allow; a truncated one began as one of the allowed sizes."""
    if not sizes or len(run) in sizes or (truncated_allowed and len(run) < max(sizes)):
        return []
    wanted = ", ".join(map(str, sorted(sizes)))
    message = f"block {run[0].block} of stratum {run[0].stratum!r} has {len(run)} rows; the protocol allows {wanted}"
    return [ListError(run[-1].line, "block", "block-size", message)]


def _ratio_error(
    run: Sequence[ListRow], ratio: Mapping[str, int], truncated_allowed: bool
) -> list[ListError]:
    """Return the error of one block against the ratio; a row of an unknown arm has its own error already."""
    if any(row.arm not in ratio for row in run):
        return []
    counts = Counter(row.arm for row in run)
    total = sum(ratio.values())
    # Only whole multiples of the ratio make a block; a truncated one is measured by the complete block it began.
    multiple = -(-len(run) // total)
    if truncated_allowed:
        fits = all(counts[arm] <= multiple * share for arm, share in ratio.items())
    else:
        fits = all(counts[arm] == multiple * share for arm, share in ratio.items())
    if fits:
        return []
    found = ", ".join(f"{arm} {counts[arm]}" for arm in ratio)
    wanted = ":".join(str(share) for share in ratio.values())
    message = f"block {run[0].block} of stratum {run[0].stratum!r} has {found}, not the ratio {wanted}"
    return [ListError(run[-1].line, "arm", "block-off-ratio", message)]

"""Drawing from an event's list in use: the run of the subject's stratum and holder, and the next free block where none is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select

from allocation.commands.list_versions import basis_under, lists_in_use
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import list_block, list_entry
from allocation.rules.blocks import ListEntry
from allocation.rules.list_choice import VersionInForce, choose_list
from allocation.study.randomization_design import RandomizationEvent

_UNUSED = (
    select(list_entry)
    .where(
        list_entry.c.study_id == bindparam("study"),
        list_entry.c.list_id == bindparam("list"),
        list_entry.c.holder == bindparam("holder"),
        list_entry.c.stratum == bindparam("stratum"),
        list_entry.c.subject_id.is_(None),
    )
    .order_by(list_entry.c.sequence)
)
_OF_BLOCKS = (
    select(list_entry)
    .join(
        list_block,
        (list_block.c.study_id == list_entry.c.study_id)
        & (list_block.c.list_id == list_entry.c.list_id)
        & (list_block.c.block == list_entry.c.block),
    )
    .where(
        list_block.c.study_id == bindparam("study"),
        list_block.c.list_id == bindparam("list"),
        list_block.c.holder == bindparam("holder"),
        list_block.c.stratum == bindparam("stratum"),
        list_entry.c.subject_id.is_(None),
    )
    .order_by(list_entry.c.sequence)
)

CENTRAL: str = ""
"""Holder and stratum of a list whose blocks are handed out where they are needed."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """The unused entries of a run, in sequence, each with whether it was passed over for another subject.

    `new_block` is the block that this draw hands out to the run, None when the run has entries of its own.
    """

    list_id: str
    holder: str
    entries: tuple[tuple[ListEntry, bool], ...]
    new_block: int | None = None


def open_run(
    transaction: Transaction,
    event: RandomizationEvent,
    holder: str,
    stratum: str,
    *,
    arms: frozenset[str] | None = None,
) -> OpenRun:
    """The entries that may be drawn now, with the active lists locked: the first, or, for a draw that may skip to one of `arms`, all.

    With dynamic blocks a run without such an entry gets the next block that nobody has. Raises DomainRefusal without an active list
    that fits the protocol version in force at the site.
    """
    list_id = _list_of(transaction, event, stratum)
    dynamic = event.block_assignment == "dynamic"
    query = _OF_BLOCKS if dynamic else _UNUSED
    if arms is None:
        query = query.where(list_entry.c.skipped_for.is_(None)).limit(1)
    run = {"study": transaction.study_id, "list": list_id, "holder": holder, "stratum": stratum}
    rows = transaction.connection.execute(query, run).all()
    new_block = None
    if dynamic and not any(_in_turn(row, event, arms) for row in rows):
        new_block, more = _next_free_block(transaction, list_id)
        rows = [*rows, *more]
    return OpenRun(
        list_id,
        holder,
        tuple(
            (
                ListEntry(one.randomization_number, one.stratum, one.sequence, one.block, one.arm),
                one.skipped_for is not None,
            )
            for one in rows
        ),
        new_block,
    )


def _list_of(transaction: Transaction, event: RandomizationEvent, run: str) -> str:
    active = lists_in_use(transaction, event.code)
    if not active:
        raise DomainRefusal(
            "no randomization list is active",
            code="no-active-list",
            field="event",
            fix="the statistician activates a list first",
        )
    now = VersionInForce(transaction.version, basis_under(transaction, transaction.version, event))
    list_id = choose_list(active, now, run)
    if list_id is None:
        raise DomainRefusal(
            "no randomization list in use fits the protocol version in force",
            code="list-outdated",
            field="event",
            fix="the statistician activates a list for the present protocol version first",
        )
    return list_id


def _in_turn(row: Any, event: RandomizationEvent, arms: frozenset[str] | None) -> bool:
    """Whether the entry can be drawn: not passed over before (but for back-filling), and of one of `arms`, if there are any."""
    is_open = row.skipped_for is None or event.forced == "FR2"
    return is_open and (not arms or row.arm in arms)


def _next_free_block(transaction: Transaction, list_id: str) -> tuple[int | None, list[Any]]:
    """The first block of the central run that was handed out to nobody, with its entries; (None, []) when all are."""
    entries, blocks = list_entry.c, list_block.c
    handed_out = select(blocks.block).where(
        blocks.study_id == transaction.study_id, blocks.list_id == list_id
    )
    of_list = (
        entries.study_id == transaction.study_id,
        entries.list_id == list_id,
        entries.holder == CENTRAL,
    )
    block = transaction.connection.execute(
        select(func.min(entries.block)).where(*of_list, entries.block.not_in(handed_out))
    ).scalar()
    if block is None:
        return None, []
    query = select(list_entry).where(*of_list, entries.block == block).order_by(entries.sequence)
    return block, list(transaction.connection.execute(query))

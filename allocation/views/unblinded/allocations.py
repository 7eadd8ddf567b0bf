"""The allocations of a randomization event in the order in which they were made: what quality monitoring reads. Unblinded."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.schema import ledger_entry, list_entry
from allocation.study.allocation_scheme import event_named
from allocation.study.protocol import Protocol
from allocation.views.shape import View
from allocation.views.study_at import study_at


class Allocation(View):
    """One allocation. `version` is the protocol version that it was decided under, `ratio` that of its moment, by arm.

    `levels` are the factor levels that it was stratified by; `probabilities` are those of the draw, or what the open block had left,
    None where a list has no blocks.
    """

    subject_id: str
    version: int
    site_id: str
    country: str
    randomized_on: date
    stratum: str
    levels: dict[str, str]
    run: str
    ratio: dict[str, int]
    arm: str
    scheduled_arm: str
    forced: bool
    probabilities: dict[str, float] | None


class AllocationHistory(View):
    """An event's allocations. `method` is that of the protocol version in force."""

    study_id: str
    event: str
    method: str
    allocations: tuple[Allocation, ...]


def allocation_history(
    database: Database, actor: Actor, study_id: str, event: str | None = None
) -> AllocationHistory:
    """The allocations of an event (None: the first), those that a protocol made without a draw left out.

    Raises NotPermitted, NotFound for an unknown event.
    """
    authorize(actor, "view.draws", study_id)
    with database.read() as connection:
        protocol = study_at(connection, study_id).protocol
        found = protocol.randomization[0] if event is None else event_named(protocol, event)
        allocations = _allocations(connection, study_id, protocol, found.code)
    return AllocationHistory(
        study_id=study_id, event=found.code, method=found.method, allocations=tuple(allocations)
    )


def _allocations(connection: Connection, study_id: str, protocol: Protocol, event: str) -> list[Allocation]:
    entries = ledger_entry.c
    query = (
        select(entries.subject_id, entries.site_id, entries.config_version, entries.after_json)
        .where(entries.study_id == study_id, entries.command == "randomize")
        .order_by(entries.entry_id)
    )
    blocks: dict[tuple[Any, ...], Counter[str]] = {}
    allocations = []
    for row in connection.execute(query):
        after = json.loads(row.after_json)
        if after["event"] != event or (after["list"] is None and after["scheme"] is None):
            continue
        record = after["record"]
        probabilities: dict[str, float] | None
        if after["list"] is None:
            probabilities = dict(zip(record["arms"], record["probabilities"], strict=True))
            ratio = dict(zip(record["arms"], record["ratio"], strict=True))
        else:
            probabilities = _left_in_block(connection, study_id, after, blocks)
            ratio = record["ratio"]
        allocations.append(
            Allocation(
                subject_id=row.subject_id,
                version=row.config_version,
                site_id=row.site_id,
                country=after["country"],
                randomized_on=after["randomized_on"],
                stratum=after["stratum"],
                # A factor that a later version added was not asked of subjects before it.
                levels={
                    code: after["factors"][code]
                    for code in _factors(protocol, event)
                    if code in after["factors"]
                },
                run=f"{after['holder']}|{after['run']}",
                ratio=ratio,
                arm=after["arm"],
                scheduled_arm=after["scheduled_arm"],
                forced=after["forced"],
                probabilities=probabilities,
            )
        )
    return allocations


def _factors(protocol: Protocol, event: str) -> tuple[str, ...]:
    found = protocol.event(event)
    return () if found is None else found.factors


def _left_in_block(
    connection: Connection, study_id: str, after: dict[str, Any], blocks: dict[tuple[Any, ...], Counter[str]]
) -> dict[str, float] | None:
    """What the entry's block had left by arm when it was drawn, as probabilities; `blocks` keeps what each has left now."""
    used = after["list"]
    if used["block"] is None:
        return None
    key = (used["list_id"], used["holder"], used["stratum"], used["block"])
    if key not in blocks:
        query = select(list_entry.c.arm).where(
            list_entry.c.study_id == study_id,
            list_entry.c.list_id == used["list_id"],
            list_entry.c.holder == used["holder"],
            list_entry.c.stratum == used["stratum"],
            list_entry.c.block == used["block"],
        )
        blocks[key] = Counter(connection.execute(query).scalars())
    left = blocks[key]
    total = left.total()
    probabilities = {arm: count / total for arm, count in left.items()}
    left[after["arm"]] -= 1
    return probabilities

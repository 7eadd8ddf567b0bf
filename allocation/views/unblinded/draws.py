"""How a subject's arm came about: the record of each randomization, and the same decision derived again. For unblinded readers.

What is derived again is the decision, not its copy: a live draw is made anew from the seed, its index and the allocations before it; a
list is chosen again of those that were active, and its entry is what the rule takes of the stored entries that were unused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.errors import NotFound
from allocation.ledger.allocation_history import DrawPlace, draw_after_history, plain_record
from allocation.ledger.database import Database
from allocation.ledger.list_history import lists_in_use_before
from allocation.ledger.schema import (
    ledger_entry,
    list_entry,
    randomization_method,
    study_version,
    subject,
    subject_randomization,
)
from allocation.rules.blocks import ListEntry
from allocation.rules.forced import ForcedMode, UnusedEntry, forced_list_entry, forced_live_draw
from allocation.rules.list_choice import VersionInForce, choose_list
from allocation.study.allocation_scheme import event_ratio
from allocation.study.list_basis import list_basis
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent
from allocation.views.shape import View


class ExplainedRandomization(View):
    """One randomization: what was decided, by which rule, from which facts, and whether it derives to the same again."""

    event: str
    occurrence: int
    recorded_at: datetime
    randomized_on: date
    actor: str
    protocol_version: int
    randomization_number: str
    method: str
    stratum: str
    holder: str
    cohort: str | None
    from_arm: str | None
    scheduled_arm: str
    arm: str
    forced: bool
    list_use: dict[str, Any] | None
    record: dict[str, Any]
    derived_again: dict[str, Any]
    derives_to_the_same: bool


class ExplainedSubject(View):
    """A subject's randomizations, in order."""

    study_id: str
    subject_id: str
    randomizations: tuple[ExplainedRandomization, ...]


def explain_randomization(
    database: Database, actor: Actor, study_id: str, subject_id: str
) -> ExplainedSubject:
    """Every randomization of the subject with its record, derived again. Raises NotPermitted, NotFound."""
    authorize(actor, "view.draws", study_id)
    with database.read() as connection:
        known = select(subject.c.subject_id).where(
            subject.c.study_id == study_id, subject.c.subject_id == subject_id
        )
        if connection.execute(known).first() is None:
            raise NotFound(
                f"subject {subject_id!r} is not known in study {study_id}",
                field="subject_id",
                fix="give the subject's number as it was screened",
            )
        entries = ledger_entry.c
        query = (
            select(
                entries.entry_id,
                entries.recorded_at,
                entries.actor,
                entries.config_version,
                entries.after_json,
                entries.command,
            )
            .where(
                entries.study_id == study_id,
                entries.subject_id == subject_id,
                entries.command == "randomize",
            )
            .order_by(entries.entry_id)
        )
        found = tuple(_explained(connection, study_id, row) for row in connection.execute(query))
    return ExplainedSubject(study_id=study_id, subject_id=subject_id, randomizations=found)


def _explained(connection: Connection, study_id: str, row: Any) -> ExplainedRandomization:
    after = json.loads(row.after_json)
    again = _again(connection, study_id, row, after)
    decided = {**after, **{name: (after["list"] or {}).get(name) for name in ("list_id", "sequence")}}
    same = all(
        again[name] == decided[name]
        for name in ("arm", "scheduled_arm", "randomization_number", "list_id", "sequence")
        if name in again
    ) and all(value == after["record"][name] for name, value in again.get("record", {}).items())
    return ExplainedRandomization(
        event=after["event"],
        occurrence=after["occurrence"],
        recorded_at=row.recorded_at,
        randomized_on=after["randomized_on"],
        actor=row.actor,
        protocol_version=row.config_version,
        randomization_number=after["randomization_number"],
        method=after["method"],
        stratum=after["stratum"],
        holder=after["holder"],
        cohort=after["cohort"],
        from_arm=after["from_arm"],
        scheduled_arm=after["scheduled_arm"],
        arm=after["arm"],
        forced=after["forced"],
        list_use=after["list"],
        record=after["record"],
        derived_again=again,
        derives_to_the_same=same,
    )


def _again(connection: Connection, study_id: str, row: Any, after: dict[str, Any]) -> dict[str, Any]:
    """The decision made again: `arm`, `scheduled_arm`, and what else can be derived."""
    protocol = _protocol(connection, study_id, row.config_version)
    event = protocol.event(after["event"])
    if event is None:
        return {}
    ratio = event_ratio(protocol, event, after["cohort"], after["from_arm"])
    if after["list"] is not None:
        now = VersionInForce(row.config_version, list_basis(protocol, event))
        active = lists_in_use_before(connection, study_id, event.code, row.entry_id)
        chosen = choose_list(active, now, after["run"])
        return {"list_id": chosen, **_from_list(connection, study_id, row.entry_id, event, after)}
    if "replaces" in after["record"]:
        arm = _arm_of(connection, study_id, after["record"]["replaces"], event.code)
        return {"arm": arm, "scheduled_arm": arm}
    if after["scheme"] is None:
        (only,) = ratio if len(ratio) == 1 else ((None, 0),)
        return {"arm": only[0], "scheduled_arm": only[0]}
    place = DrawPlace(
        study_id,
        protocol,
        event,
        ratio,
        after["run"],
        after["holder"],
        after["factors"],
        _seed(connection, study_id, after),
        after["draw_index"],
    )
    drawn = draw_after_history(connection, place)
    suppliable = after["record"].get("suppliable", dict.fromkeys(drawn.arms, True))
    decision = forced_live_draw(
        ForcedMode(after["record"].get("mode", "none")),
        drawn.arms,
        drawn.probabilities,
        drawn.uniform,
        suppliable,
        drawn.ratio,
    )
    record = json.loads(json.dumps(plain_record(drawn)))
    return {"arm": decision.assigned, "scheduled_arm": decision.scheduled, "record": record}


def _from_list(
    connection: Connection, study_id: str, entry_id: int, event: RandomizationEvent, after: dict[str, Any]
) -> dict[str, Any]:
    """What the rule takes of the stored list, of the entries that no earlier randomization had used or passed over."""
    used = after["list"]
    run = after["record"]["run"]
    taken: set[int] = set()
    skipped: set[int] = set()
    blocks = {used["new_block"]}
    for earlier in _earlier_uses(connection, study_id, entry_id, used):
        taken.add(earlier["list"]["sequence"])
        skipped.update(earlier["list"]["skipped"])
        if earlier["record"]["run"] == run:
            blocks.add(earlier["list"]["new_block"])
    entries = list_entry.c
    query = (
        select(list_entry)
        .where(
            entries.study_id == study_id,
            entries.list_id == used["list_id"],
            entries.holder == used["holder"],
            entries.stratum == used["stratum"],
        )
        .order_by(entries.sequence)
    )
    unused = [
        UnusedEntry(
            ListEntry(row.randomization_number, row.stratum, row.sequence, row.block, row.arm),
            row.sequence in skipped,
        )
        for row in connection.execute(query)
        if row.sequence not in taken and (event.block_assignment == "static" or row.block in blocks)
    ]
    mode = ForcedMode(after["record"]["mode"])
    decision = forced_list_entry(mode, run[1], unused, after["record"]["suppliable"])
    return {
        "arm": decision.assigned.arm,
        "scheduled_arm": decision.scheduled.arm,
        "randomization_number": decision.assigned.number,
        "sequence": decision.assigned.sequence,
    }


def _earlier_uses(
    connection: Connection, study_id: str, entry_id: int, used: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The randomizations before that used the same run of the same list (a central run: any block of it)."""
    entries = ledger_entry.c
    query = select(entries.after_json).where(
        entries.study_id == study_id, entries.command == "randomize", entries.entry_id < entry_id
    )
    for text in connection.execute(query).scalars():
        after = json.loads(text)
        theirs = after["list"]
        if theirs is not None and all(
            theirs[name] == used[name] for name in ("list_id", "holder", "stratum")
        ):
            yield after


def _arm_of(connection: Connection, study_id: str, subject_id: str, event: str) -> str | None:
    """The arm that another subject got at the event."""
    got = subject_randomization.c
    query = select(got.arm).where(
        got.study_id == study_id, got.subject_id == subject_id, got.event == event, got.occurrence == 1
    )
    return connection.execute(query).scalar()


def _seed(connection: Connection, study_id: str, after: dict[str, Any]) -> int:
    methods = randomization_method.c
    query = select(methods.seed).where(
        methods.study_id == study_id,
        methods.event == after["event"],
        methods.activation == after["activation"],
    )
    return int(connection.execute(query).scalar_one())


def _protocol(connection: Connection, study_id: str, version: int) -> Protocol:
    query = select(study_version.c.protocol_json).where(
        study_version.c.study_id == study_id, study_version.c.version == version
    )
    return Protocol.model_validate_json(connection.execute(query).scalar_one())

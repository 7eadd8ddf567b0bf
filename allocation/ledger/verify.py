"""Verifying the ledger of a study: hashes and chain, kits in one place, projections equal to replay, triggers in their place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.entry import GENESIS, chain_hash, content_hash, moment_text
from allocation.ledger.protection import gaps
from allocation.ledger.reader import iter_rows
from allocation.ledger.replay import Progress, no_progress, replayed
from allocation.ledger.schema import PROJECTIONS, kit, ledger_entry, ledger_seal, subject
from allocation.ledger.sealing import seal_pending


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that does not hold. `position` is the ledger position concerned, None when no entry explains the row."""

    check: str
    position: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified; `difference` is None when all holds."""

    study_id: str
    entries: int
    kits: int
    rows: int
    chain_head: str
    difference: Difference | None

    @property
    def intact(self) -> bool:
        """True when chain, conservation, projections and protection all hold."""
        return self.difference is None


def verify_ledger(database: Database, study_id: str, progress: Progress = no_progress) -> Verification:
    """Check the study's ledger; the first difference ends the check. Raises NotFound for a study without entries."""
    seal_pending(database)
    entries, head, difference = _check_chain(database, study_id)
    if entries == 0 and difference is None:
        raise NotFound(
            f"study {study_id!r} has no ledger", field="study_id", fix="`rtsm study show` lists the studies"
        )
    kits = rows = 0
    if difference is None:
        try:
            fresh = replayed(database, study_id, progress=progress)
        except Exception as error:  # noqa: BLE001  (whatever a fold meets in a broken ledger is itself the finding)
            return Verification(
                study_id,
                entries,
                0,
                0,
                head,
                Difference("replay", None, f"the ledger cannot be replayed: {error}"),
            )
        with fresh, database.read() as live:
            kits, difference = _check_conservation(database, live, study_id)
            if difference is None:
                rows, difference = _check_projections(database, live, fresh, study_id)
            if difference is None:
                difference = _check_protection(live)
        fresh.engine.dispose()
    return Verification(study_id, entries, kits, rows, head, difference)


def _check_chain(database: Database, study_id: str) -> tuple[int, str, Difference | None]:
    position, previous = 0, GENESIS
    for row in iter_rows(database, study_id):
        position += 1
        if row["position"] != position:
            return (
                position,
                previous,
                Difference("chain", position, f"position {position} is missing; {row['position']} follows"),
            )
        content = content_hash({**row, "recorded_at": moment_text(row["recorded_at"])})
        what = f"{row['command']} by {row['actor']} at {moment_text(row['recorded_at'])}"
        if content != row["content_hash"]:
            return (
                position,
                previous,
                Difference("content", position, f"{what}: the entry was changed after it was written"),
            )
        previous = chain_hash(previous, position, content)
        if previous != row["chain_hash"]:
            return (
                position,
                previous,
                Difference("chain", position, f"{what}: the chain does not lead here from the entry before"),
            )
    with database.read() as connection:
        sealed = select(ledger_seal.c.entry_id)
        loose = connection.execute(
            select(func.count())
            .select_from(ledger_entry)
            .where(ledger_entry.c.study_id == study_id, ledger_entry.c.entry_id.not_in(sealed))
        ).scalar_one()
    if loose and not database.is_postgresql:
        return (
            position,
            previous,
            Difference("chain", None, f"{loose} entries stand in the ledger without a seal"),
        )
    return position, previous, None


def _check_conservation(database: Database, live: Connection, study_id: str) -> tuple[int, Difference | None]:
    """Kits that came in are somewhere; a dispensed kit is with a known subject; none went past its last dispense date."""
    came_in = sum(
        len(json.loads(row["after_json"])["kits"])
        for row in iter_rows(database, study_id)
        if row["command"] in ("load_kits", "load_bulk", "take_from_pool")
    )
    ours = kit.c.study_id == study_id
    present = int(live.execute(select(func.count()).select_from(kit).where(ours)).scalar_one())
    if came_in != present:
        return present, Difference(
            "conservation", None, f"{came_in} kits were loaded but {present} are on the books"
        )
    subjects = select(subject.c.subject_id).where(subject.c.study_id == study_id)
    stray = live.execute(
        select(kit.c.kit_number).where(ours, kit.c.place_kind == "subject", kit.c.place.not_in(subjects))
    ).scalar()
    if stray is not None:
        return present, Difference(
            "conservation", _last_naming(database, study_id, stray), f"kit {stray} is with an unknown subject"
        )
    late = live.execute(
        select(kit.c.kit_number).where(ours, kit.c.dispensed_on > kit.c.last_dispense_date)
    ).scalar()
    if late is not None:
        position = _last_naming(database, study_id, late)
        return present, Difference(
            "conservation", position, f"kit {late} was dispensed after its last dispense date"
        )
    return present, None


def _check_projections(
    database: Database, live: Connection, fresh: Connection, study_id: str
) -> tuple[int, Difference | None]:
    compared = 0
    for table in PROJECTIONS:
        theirs = _keyed(fresh, table, study_id)
        ours = _keyed(live, table, study_id)
        names = [column.name for column in table.columns]
        for key in sorted(theirs.keys() | ours.keys(), key=str):
            compared += 1
            for message in _row_differences(names, ours.get(key), theirs.get(key)):
                shown = "/".join(str(part) for part in key[1:]) or study_id
                position = _last_naming(database, study_id, str(key[-1] if table is not subject else key[1]))
                return compared, Difference("projection", position, f"{table.name} {shown}: {message}")
    return compared, None


def _check_protection(live: Connection) -> Difference | None:
    """Nothing was changed; nothing may stand open to change either. Last, because what was changed is the graver finding."""
    found = gaps(live)
    if not found:
        return None
    return Difference(
        "protection",
        None,
        f"unprotected: {', '.join(found)}; make it again as the migration m0001_ledger does, and ask who took it away",
    )


def _keyed(connection: Connection, table: Table, study_id: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    keys = [column.name for column in table.primary_key]
    rows = connection.execute(select(table).where(table.c.study_id == study_id))
    return {tuple(row[key] for key in keys): tuple(row.values()) for row in rows.mappings()}


def _row_differences(
    names: list[str], live: tuple[Any, ...] | None, fresh: tuple[Any, ...] | None
) -> Iterator[str]:
    if live is None:
        yield "the row is missing; replay of the ledger gives one"
    elif fresh is None:
        yield "the row is there; replay of the ledger gives none"
    elif live != fresh:
        column = next(name for name, one, other in zip(names, live, fresh, strict=True) if one != other)
        index = names.index(column)
        yield f"{column} is {live[index]!r}, replay of the ledger gives {fresh[index]!r}"


def _last_naming(database: Database, study_id: str, key: str) -> int | None:
    """The position of the last entry whose subject or payload names `key`: where to start looking."""
    query = (
        select(ledger_seal.c.position)
        .join_from(ledger_seal, ledger_entry)
        .where(
            ledger_entry.c.study_id == study_id,
            (ledger_entry.c.subject_id == key)
            | ledger_entry.c.after_json.contains(f'"{key}"', autoescape=True),
        )
        .order_by(ledger_seal.c.position.desc())
        .limit(1)
    )
    with database.read() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else int(found)

"""What a resupply run took from pools, or tried to, for one decision: the run's own entry says it. UNBLINDING: kit types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from allocation.ledger.database import Database
from allocation.ledger.projections.kit_moves import chunks
from allocation.ledger.reader import SealedEntry, entries_backwards
from allocation.ledger.schema import kit


@dataclass(frozen=True, slots=True)
class PoolTry:
    """A kit type that a run was short of and asked another study for. `short` and `taken` are kits.

    `refills`: the depot that it was for; empty: sites. `why`: `taken`, or why not (all of) it.
    """

    pool: str
    from_study: str
    level: str
    place: str
    refills: str
    kit_type: str
    short: int
    taken: int
    why: str
    kits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KitOrigin:
    """So many kits of an order that were the study's own, or came from a pool for this run (`pool`, `from_study`)."""

    kit_type: str
    kits: int
    pool: str = ""
    from_study: str = ""


def tries_of_run(database: Database, study_id: str, run_id: str, decision: SealedEntry) -> list[PoolTry]:
    """Every try of the run that made the decision; none where the run was cut off and has no entry of its own."""
    for entry in _since(database, study_id, decision):
        if entry.after["run_id"] == run_id:
            return [
                PoolTry(
                    pool=one["pool"],
                    from_study=one["from_study"],
                    level=one["level"],
                    place=one["place"],
                    refills=one["refills"],
                    kit_type=one["kit_type"],
                    short=one["short"],
                    taken=len(one["kits"]),
                    why=one["why"],
                    kits=tuple(one["kits"]),
                )
                for one in entry.after.get("pools", ())
            ]
    return []


def _since(database: Database, study_id: str, decision: SealedEntry) -> Iterator[SealedEntry]:
    """The entries of runs that end with the decision or after it."""
    for entry in entries_backwards(database, study_id, ("run_resupply",)):
        if entry.position < decision.position:
            return
        yield entry


def kits_by_origin(
    database: Database, study_id: str, numbers: Sequence[str], tries: Sequence[PoolTry]
) -> tuple[KitOrigin, ...]:
    """The kits of an order by kit type and by where they came from; empty where the run took nothing for it."""
    came = {number: (one.pool, one.from_study) for one in tries for number in one.kits}
    if not came:
        return ()
    counts = Counter[tuple[str, str, str]]()
    with database.read() as connection:
        for some in chunks(numbers):
            query = select(kit.c.kit_number, kit.c.kit_type).where(
                kit.c.study_id == study_id, kit.c.kit_number.in_(some)
            )
            for row in connection.execute(query):
                counts[row.kit_type, *came.get(row.kit_number, ("", ""))] += 1
    return tuple(
        KitOrigin(kit_type, kits, pool, lender) for (kit_type, pool, lender), kits in sorted(counts.items())
    )

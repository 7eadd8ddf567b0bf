"""Reading the ledger into event frames, from where the last reading ended.

Only sealed entries are read: a position is final, so nothing that commits late is ever skipped (DESIGN.md rule 3).
"""

from collections.abc import Iterable
from typing import Any

import polars as pl

from allocation.ledger.database import Database
from allocation.ledger.reader import SealedEntry, iter_sealed, last_position
from pipelines.errors import UnreadableEntry
from pipelines.events import kit_entries, return_entries, shipment_entries, study_entries, subject_entries
from pipelines.events.frames import EVENT_SCHEMAS, EventFrames, event_frame, last_entry, no_events
from pipelines.events.rows import Translation

TRANSLATIONS: dict[str, Translation] = {
    **study_entries.TRANSLATIONS,
    **kit_entries.TRANSLATIONS,
    **shipment_entries.TRANSLATIONS,
    **return_entries.TRANSLATIONS,
    **subject_entries.TRANSLATIONS,
}
"""Command of an entry to the function that gives its event rows."""


def translate(entries: Iterable[SealedEntry]) -> EventFrames:
    """The event rows of these entries, in order. Raises UnreadableEntry for an unknown command or a payload that lacks a field."""
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in EVENT_SCHEMAS}
    for entry in entries:
        try:
            translation = TRANSLATIONS[entry.command]
        except KeyError:
            raise UnreadableEntry(
                f"entry {entry.position} of study {entry.study_id} has the command {entry.command!r}, which has no translation: "
                "add one to pipelines/events"
            ) from None
        rows["entries"].append(_entry_row(entry))
        lines = dict.fromkeys(EVENT_SCHEMAS, 0)
        try:
            for name, values in translation(entry):
                rows[name].append((entry.position, lines[name], *values))
                lines[name] += 1
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise UnreadableEntry(
                f"entry {entry.position} of study {entry.study_id} ({entry.command}) cannot be read: "
                f"{type(error).__name__}: {error}"
            ) from error
    return {name: event_frame(name, rows[name]) for name in EVENT_SCHEMAS}


def _entry_row(entry: SealedEntry) -> tuple[Any, ...]:
    return (
        entry.position,
        0,
        entry.entry_id,
        entry.recorded_at,
        entry.command,
        entry.actor,
        entry.role,
        entry.subject_id,
        entry.site_id,
        entry.config_version,
        entry.chain_hash,
    )


def appended(known: EventFrames, more: EventFrames) -> EventFrames:
    """The events of `known`, followed by those of `more`."""
    return {name: pl.concat([known[name], more[name]]) for name in EVENT_SCHEMAS}


def read_events(database: Database, study_id: str, known: EventFrames | None = None) -> EventFrames:
    """Every event of a study up to its last sealed entry: the `known` ones, and those of the entries after them.

    Known events of another ledger (another database was set up for the study, so that the chain differs) are left aside and all is
    read anew. Raises UnreadableEntry.
    """
    known = no_events() if known is None else known
    position, chain_hash = last_entry(known)
    if position and not _continues(database, study_id, position, chain_hash):
        known, position = no_events(), 0
    return appended(known, translate(iter_sealed(database, study_id, position)))


def _continues(database: Database, study_id: str, position: int, chain_hash: str) -> bool:
    if last_position(database, study_id) < position:
        return False
    return any(
        entry.chain_hash == chain_hash
        for entry in iter_sealed(database, study_id, position - 1, up_to=position)
    )

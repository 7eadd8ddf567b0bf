"""What came, from a study's ledger: subjects, kits handed out, and visits without the kits that were due, each with its day and site.

A fact is of the day on which it happened; one that was recorded after a census counts from the day after it on, as it was forecast.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from allocation.ledger.database import Database
from allocation.ledger.reader import SealedEntry, iter_sealed, protocol_at
from forecasting.calibration.kept import ALL_TYPES
from simulation.engines.plan_of_study import depot_of

Counts = Counter[tuple[str, str, str, str]]

SCHEMA: Final[dict[str, Any]] = {
    "position": pl.Int64,
    "on": pl.Date,
    "measure": pl.String,
    "site": pl.String,
    "country": pl.String,
    "depot": pl.String,
    "kit_type": pl.String,
    "count": pl.Int64,
}


@dataclass(frozen=True)
class Facts:
    """All facts of a study up to `as_of` (the UTC day of the last entry that was read): `rows` by SCHEMA, in order of the ledger.

    `opened`: site -> its day. `hashes`: sealed position -> chain hash, of the positions asked for.
    """

    study_id: str
    rows: pl.DataFrame
    as_of: date
    opened: dict[str, date]
    hashes: dict[int, str]

    def counts(self, position: int, census: date, first: date, to: date, only_open: bool) -> Counts:
        """How many there were from the day `first` to before the day `to`, by entries after `position`, the census.

        By (measure, scope, place, kit type), kit types together as ALL_TYPES. `only_open`: at the sites that were open at the census.
        """
        counts_from = pl.max_horizontal("on", pl.lit(census + timedelta(days=1)))
        found = self.rows.filter(pl.col("position") > position, counts_from >= first, counts_from < to)
        by_site = found.group_by("measure", "site", "country", "depot", "kit_type").agg(pl.col("count").sum())
        counts: Counts = Counter()
        for measure, site, country, depot, kit_type, count in by_site.iter_rows():
            if only_open and self.opened.get(site, date.max) > census:
                continue
            places = (("study", self.study_id), ("country", country), ("depot", depot), ("site", site))
            for scope, place in places:
                for of_type in {kit_type, ALL_TYPES}:
                    counts[measure, scope, place, of_type] += count
        return counts


@dataclass
class _Reading:
    """What is known while the ledger is read: the facts so far, the sites, who is on dose hold."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    opened: dict[str, date] = field(default_factory=dict)
    country: dict[str, str] = field(default_factory=dict)
    on_hold: set[str] = field(default_factory=set)
    as_of: date = date.min


def facts_of(
    database: Database, study_id: str, up_to: int | None = None, positions: frozenset[int] = frozenset()
) -> Facts:
    """The facts in a study's sealed entries, up to and with the position `up_to` (None: all). Raises NotFound for an unknown study.

    It has kits by type: unblinded.
    """
    protocol = protocol_at(database, study_id)
    reading = _Reading()
    dispensing = {visit.code for visit in protocol.visits if visit.dispensing}
    hashes = {}
    for entry in iter_sealed(database, study_id, up_to=up_to):
        reading.as_of = max(reading.as_of, entry.recorded_at.date())
        if entry.position in positions:
            hashes[entry.position] = entry.chain_hash
        _read(reading, entry, dispensing)
    depots = {site.code: depot_of(protocol, site) for site in protocol.sites}
    rows = [
        (position, on, measure, site, reading.country.get(site, ""), depots.get(site, ""), kit_type, count)
        for position, on, measure, site, kit_type, count in reading.rows
    ]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("position", maintain_order=True)
    return Facts(study_id, frame, reading.as_of, reading.opened, hashes)


def _note(
    reading: _Reading, position: int, on: date, measure: str, site: str, kit_type: str, count: int
) -> None:
    reading.rows.append((position, on, measure, site, kit_type, count))


def _read(reading: _Reading, entry: SealedEntry, dispensing: set[str]) -> None:
    after, site, subject = entry.after, entry.site_id or "", entry.subject_id or ""
    if entry.command == "open_site":
        reading.opened.setdefault(after["site_id"], date.fromisoformat(after["opened_on"]))
        reading.country[after["site_id"]] = after["country"]
    elif entry.command == "screen":
        on = date.fromisoformat(after["screened_on"])
        _note(reading, entry.position, on, "screened", site, ALL_TYPES, 1)
    elif entry.command == "randomize" and after.get("is_first", True):
        on = date.fromisoformat(after["randomized_on"])
        _note(reading, entry.position, on, "randomized", site, ALL_TYPES, 1)
    elif entry.command in ("dispense", "replace_kit"):
        _handed_out(reading, entry, after, site)
    elif entry.command == "record_visit":
        visit = after.get("visit") or {}
        due = visit.get("planned") and visit.get("status") == "done" and visit.get("visit_code") in dispensing
        if due and subject not in reading.on_hold:
            on = date.fromisoformat(visit["visit_date"])
            _note(reading, entry.position, on, "stock_outs", site, ALL_TYPES, 1)
    elif entry.command == "hold_dosing":
        reading.on_hold.add(subject)
    elif entry.command == "resume_dosing":
        reading.on_hold.discard(subject)


def _handed_out(reading: _Reading, entry: SealedEntry, after: dict[str, Any], site: str) -> None:
    on = date.fromisoformat(after["dispensed_on"])
    visit = after.get("visit")
    if visit is not None:
        on = date.fromisoformat(visit["visit_date"])
        if after.get("short"):
            _note(reading, entry.position, on, "stock_outs", site, ALL_TYPES, 1)
    for one in after["kits"]:
        _note(reading, entry.position, on, "kits_dispensed", site, one["kit_type"], 1)

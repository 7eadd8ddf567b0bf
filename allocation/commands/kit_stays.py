"""Which kits were at a place, and from when until when: followed through the ledger's entries, as the offline verifier follows them.

It reads every entry of the study that moves kits, so it is for rare acts; what happened is asked of the ledger, not of the present state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from allocation.ledger.offline_verifier import follow_kits
from allocation.ledger.schema import ledger_entry

MOVES_NO_KIT = (
    "load_study_version",
    "upload_list",
    "generate_list",
    "run_resupply",
    "receive_edc_facts",
    "apply_edc_facts",
    "number_kits",
    "file_supply_proposal",
)
"""Commands with long payloads that are not worth reading for kits."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A time that a kit spent at a place; `until` is None while it is there. Moments are UTC."""

    since: datetime
    until: datetime | None


def stays_at(connection: Connection, study_id: str, holder: str) -> Mapping[str, tuple[Stay, ...]]:
    """Kit number -> its stays at `holder`, which is "site S01", "depot D1" or "shipment S01-S001"."""
    entries = ledger_entry.c
    rows = connection.execute(
        select(entries.command, entries.site_id, entries.subject_id, entries.after_json, entries.recorded_at)
        .where(entries.study_id == study_id, entries.command.not_in(MOVES_NO_KIT))
        .order_by(entries.entry_id)
    )
    places = _Watched(holder)
    shipments: dict[str, list[str]] = {}
    for row in rows:
        places.now = row.recorded_at
        follow_kits(
            {
                "command": row.command,
                "site_id": row.site_id,
                "subject_id": row.subject_id,
                "after_json": row.after_json,
            },
            places,
            shipments,
        )
    return places.stays()


class _Watched(dict[str, str]):
    """The places of kits, which notes when one comes to the place that is watched and when it leaves."""

    now: datetime

    def __init__(self, holder: str) -> None:
        super().__init__()
        self._holder = holder
        self._since: dict[str, datetime] = {}
        self._stays: dict[str, list[Stay]] = defaultdict(list)

    def __setitem__(self, kit: str, place: str) -> None:
        if place == self._holder:
            self._since.setdefault(kit, self.now)
        elif kit in self._since:
            self._stays[kit].append(Stay(self._since.pop(kit), self.now))
        super().__setitem__(kit, place)

    def stays(self) -> dict[str, tuple[Stay, ...]]:
        """Every stay at the place that is watched, by kit."""
        found = {kit: list(several) for kit, several in self._stays.items()}
        for kit, since in self._since.items():
            found.setdefault(kit, []).append(Stay(since, None))
        return {kit: tuple(several) for kit, several in found.items()}

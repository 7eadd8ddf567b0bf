"""The chain of custody of a lot of bulk supply: quantities that moved between places, in words that blinded people may read.

Where units were is followed through the ledger by the very steps that verify it (ledger/offline_verifier.py). No kit type looks like bulk
supply, so a load by lot tells nothing here that a blinded reader does not know; who decided, and why, is told as for a kit.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, select

from allocation.access.actors import Actor
from allocation.access.permissions import PERMISSIONS
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.lot_units import units_of_lot
from allocation.ledger.offline_verifier import follow_kits
from allocation.ledger.schema import ledger_entry, ledger_seal
from allocation.rules.bulk_units import UNIT_MARK
from allocation.views.blinded.events import WORDS
from allocation.views.blinded.kit_history import CustodyStep, custody_step
from allocation.views.shape import View
from allocation.views.visible import Visible, visible

_UNIT: Final = re.compile(rf"{UNIT_MARK}\d+")
HIDDEN_SUBJECT: Final = "subject (not shown)"


class LotMove(CustodyStep):
    """So many units, from a place to a place, such as `depot D1`; the same place where something was decided about them there.

    `from_place` is empty of units that were loaded.
    """

    quantity: int
    from_place: str
    to_place: str


class LotHistory(View):
    """A lot of bulk supply: how many units are where now (place -> units, of the places that the reader sees), and how they came there."""

    study_id: str
    lot: str
    places: dict[str, int]
    moves: tuple[LotMove, ...]


def lot_history(database: Database, actor: Actor, study_id: str, lot: str) -> LotHistory:
    """The chain of custody of a lot, by its number as the reader reads it.

    Raises NotPermitted, and NotFound also for a lot that has numbered kits, or of which the reader's places never had any.
    """
    with database.read() as connection:
        seen = visible(connection, actor, "view.accountability", study_id)
        roles = set(actor.roles_in(study_id))
        unblinded, recalls, subjects = (
            bool(PERMISSIONS[name] & roles)
            for name in ("view.stock.unblinded", "view.recalls", "view.subjects.blinded")
        )
        units = units_of_lot(connection, study_id, lot, by_own_name=unblinded)
        places: dict[str, str] = {}
        moves = []
        for entry, paths in _followed(connection, study_id, units, places) if units else ():
            if entry.command == "recall_lot" and not recalls:
                continue
            for (source, target), quantity in sorted(paths.items()):
                if not _is_seen(seen, source, target, entry.site_id):
                    continue
                kits = f"{quantity} of lot {lot}"
                step = custody_step(entry, unblinded, subjects, kits, told_by_lot=True)
                ends = (_shown(source, subjects), _shown(target, subjects))
                moves.append(LotMove(**dict(step), quantity=quantity, from_place=ends[0], to_place=ends[1]))
    if not moves:
        raise NotFound(f"lot {lot} is not known here", field="lot", fix="name a lot of bulk supply")
    now = Counter(_shown(place, subjects) for place in places.values() if _is_seen(seen, place, place, None))
    return LotHistory(study_id=study_id, lot=lot, places=dict(sorted(now.items())), moves=tuple(moves))


def _followed(
    connection: Connection, study_id: str, units: frozenset[str], places: dict[str, str]
) -> Iterator[tuple[Any, Counter[tuple[str, str]]]]:
    """Each entry that is of the lot, with how many units went from where to where. `places` are those of the units after it."""
    entries = ledger_entry.c
    query = (
        select(
            entries.command,
            entries.recorded_at,
            entries.actor,
            entries.role,
            entries.site_id,
            entries.subject_id,
            entries.reason,
            entries.kit_numbers,
            entries.after_json,
            ledger_seal.c.position,
        )
        .outerjoin_from(ledger_entry, ledger_seal, ledger_seal.c.entry_id == entries.entry_id)
        .where(entries.study_id == study_id)
        .order_by(entries.entry_id)
    )
    everywhere: dict[str, str] = {}
    shipments: dict[str, list[str]] = {}
    for row in connection.execute(query):
        follow_kits(
            {
                "command": row.command,
                "site_id": row.site_id,
                "subject_id": row.subject_id,
                "after_json": row.after_json,
            },
            everywhere,
            shipments,
        )
        named = units.intersection(json.loads(row.kit_numbers))
        paths: Counter[tuple[str, str]] = Counter()
        for unit in units.intersection(_UNIT.findall(row.after_json)) | named:
            before, after = places.get(unit, ""), everywhere.get(unit, "")
            if before != after or unit in named:
                paths[before, after] += 1
                places[unit] = after
        if paths and row.command in WORDS:
            yield row, paths


def _is_seen(seen: Visible, source: str, target: str, site_id: str | None) -> bool:
    """Whether a move begins or ends at a place of the reader, or is an act of one."""
    if seen.whole_study or site_id in seen.sites:
        return True
    own = {f"site {one}" for one in seen.sites} | {f"depot {one}" for one in seen.depots}
    return source in own or target in own


def _shown(place: str, subjects: bool) -> str:
    return place if subjects or not place.startswith("subject ") else HIDDEN_SUBJECT

"""Folds of entries that move pooled kits from the books of one study to those of another; each study has an entry of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert

from allocation.ledger.projections.fold import Fold, day
from allocation.ledger.projections.kit_moves import move_kits
from allocation.ledger.projections.studies import load_lots
from allocation.ledger.projections.supply import by_state
from allocation.ledger.schema import kit, lot_country
from allocation.rules.kit_status import Act, Place, check_transition


def lend_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits leave for another study, for good."""
    for row, place, numbers in by_state(after, Act.LEND):
        move_kits(connection, study_id, numbers, row, place, after["to_study"])


def take_from_pool(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits come in from another study, with their lots where these were not known."""
    if after["lots"]:
        load_lots(connection, study_id, "", "", after)
    if after["lot_countries"]:
        connection.execute(
            insert(lot_country),
            [
                {"study_id": study_id, "lot_id": lot_id, "country": country, "expiry_date": day(expiry)}
                for lot_id, country, expiry in after["lot_countries"]
            ],
        )
    act = Act.TAKE_OVER if after["level"] == Place.DEPOT else Act.TAKE_OVER_AT_SITE
    at_site = after["place"] if act == Act.TAKE_OVER_AT_SITE else None
    row = check_transition(after["kits"][0][0], None, None, act)
    connection.execute(
        insert(kit),
        [
            {
                "study_id": study_id,
                "kit_number": number,
                "kit_type": kit_type,
                "lot_id": lot_id,
                "pick_sequence": pick_sequence,
                "last_ship_date": day(last_ship),
                "last_count_date": day(last_count),
                "last_dispense_date": day(last_dispense),
                "expiry_date": day(expiry),
                "printed_expiry": day(printed),
                "status": row.to_status.value,
                "place_kind": row.to_place.value,
                "place": after["place"],
                "pooled_at_site": at_site,
                "pooled_on": None if at_site is None else day(after["moved_on"]),
            }
            for (
                number,
                kit_type,
                lot_id,
                pick_sequence,
                last_ship,
                last_count,
                last_dispense,
                expiry,
                printed,
            ) in after["kits"]
        ],
    )


FOLDS: dict[str, Fold] = {"lend_kits": lend_kits, "take_from_pool": take_from_pool}

"""Folds of entries about lots: their expiry changed, kits relabelled, their status and the countries that they are released for."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, delete, insert, update

from allocation.ledger.canonical import canonical_json
from allocation.ledger.projections.fold import Fold, day, expect_rows
from allocation.ledger.projections.kit_dates import date_kits, dates_as_columns
from allocation.ledger.projections.kit_moves import move_kits
from allocation.ledger.projections.supply import fold_of_act
from allocation.ledger.schema import lot, lot_country
from allocation.rules.kit_status import Act, KitStatus, Place, check_transition


def change_lot_expiry(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """The lot, and its kits wherever they are, have other dates; kits that had expired and no longer have are in quarantine."""
    lot_id = after["lot_id"]
    changed = connection.execute(
        update(lot)
        .where(lot.c.study_id == study_id, lot.c.lot_id == lot_id)
        .values(expiry_date=day(after["expiry_date"]))
    )
    expect_rows(changed, 1, f"lot {lot_id}")
    ours = (lot_country.c.study_id == study_id, lot_country.c.lot_id == lot_id)
    connection.execute(delete(lot_country).where(*ours))
    if after["by_country"]:
        connection.execute(
            insert(lot_country),
            [
                {"study_id": study_id, "lot_id": lot_id, "country": country, "expiry_date": day(text)}
                for country, text in after["by_country"]
            ],
        )
    date_kits(connection, study_id, after["dates"])
    _into_quarantine(connection, study_id, Act.EXTEND, after)


def relabel_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """The labels of kits say another expiry date; the kits are in quarantine."""
    _into_quarantine(connection, study_id, Act.RELABEL, after, printed_expiry=day(after["printed_expiry"]))


def _into_quarantine(
    connection: Connection, study_id: str, act: Act, after: dict[str, Any], **also: Any
) -> None:
    """Kits that the act leaves in quarantine where they are, with their new dates."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for number, status, place_kind, place, *dates in after["kits"]:
        groups[status, place_kind, place, *dates].append(number)
    for (status, place_kind, place, *dates), numbers in sorted(groups.items()):
        row = check_transition(numbers[0], KitStatus(status), Place(place_kind), act)
        move_kits(connection, study_id, numbers, row, place, place, **dates_as_columns(dates), **also)


def change_lot_release(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """The lot may be used in these countries."""
    statement = update(lot).where(lot.c.study_id == study_id, lot.c.lot_id == after["lot_id"])
    changed = connection.execute(statement.values(released_for=canonical_json(after["released_for"])))
    expect_rows(changed, 1, f"lot {after['lot_id']}")


FOLDS: dict[str, Fold] = {
    "change_lot_expiry": change_lot_expiry,
    "relabel_kits": relabel_kits,
    "judge_lot": fold_of_act(Act.QUARANTINE),
    "change_lot_release": change_lot_release,
}

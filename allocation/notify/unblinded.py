"""What an unblinded mail says beside the blinded facts: kit types, lots, and the reason that was given. UNBLINDING."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from allocation.ledger.projections.kit_moves import CHUNK
from allocation.ledger.schema import kit
from allocation.notify.blinded import BlindedNotice, lines_of, subject_line

WARNING = "UNBLINDING: this mail names kit types, lots or an arm. Do not forward it to anybody who is blinded in the study."


@dataclass(frozen=True, slots=True)
class Content:
    """Kits of one type and lot. `lot_id` and `expiry_date` are empty where only a type is meant."""

    kit_type: str
    kits: int | None = None
    lot_id: str = ""
    expiry_date: date | None = None


@dataclass(frozen=True, slots=True)
class UnblindedNotice:
    """The blinded facts, and what only unblinded people may know. `reason`: the free text that was given for the act."""

    said: BlindedNotice
    contents: tuple[Content, ...] = ()
    lot_id: str = ""
    reason: str = ""
    arm: str = ""


def contents_of(connection: Connection, study_id: str, numbers: Sequence[str]) -> tuple[Content, ...]:
    """The types and lots of these kits, by type and lot."""
    keys = (kit.c.kit_type, kit.c.lot_id, kit.c.expiry_date)
    counted: dict[tuple[str, str, date], int] = {}
    for start in range(0, len(numbers), CHUNK):
        query = select(*keys, func.count().label("kits")).where(
            kit.c.study_id == study_id, kit.c.kit_number.in_(list(numbers[start : start + CHUNK]))
        )
        for row in connection.execute(query.group_by(*keys)):
            key = (row.kit_type, row.lot_id, row.expiry_date)
            counted[key] = counted.get(key, 0) + row.kits
    return tuple(Content(key[0], kits, *key[1:]) for key, kits in sorted(counted.items()))


def unblinded_mail(study_id: str, at: datetime, told: UnblindedNotice) -> tuple[str, str]:
    """Subject and text of the mail. `at` is the moment (UTC) of what it tells of."""
    lines = [*lines_of(study_id, at, told.said), ""]
    if told.arm:
        lines.append(f"{'Arm:':<22}{told.arm}")
    if told.lot_id:
        lines.append(f"{'Lot:':<22}{told.lot_id}")
    for one in told.contents:
        parts = [one.kit_type] + [f"{one.kits} kits"] * (one.kits is not None)
        parts += [f"lot {one.lot_id}"] * bool(one.lot_id)
        parts += [f"expires {one.expiry_date}"] * (one.expiry_date is not None)
        lines.append("Kit type:".ljust(22) + ", ".join(parts))
    if told.reason:
        lines.append(f"{'Reason:':<22}{told.reason}")
    lines += ["", WARNING]
    return subject_line(study_id, told.said), "\n".join(lines) + "\n"

"""Folds of temperature excursions: recorded, and settled kit by kit."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, update

from allocation.ledger.projections.fold import Fold, day, expect_rows
from allocation.ledger.projections.kit_moves import CHUNK
from allocation.ledger.projections.supply import act_on_kits
from allocation.ledger.schema import excursion, excursion_kit
from allocation.rules.kit_status import Act

_AS_THEY_ARE = (
    "excursion_id", "place_kind", "place", "source", "file_sha256", "timezone", "lowest", "highest", "mean_kinetic",
)  # fmt: skip
OUTCOMES = {"release": "released", "reject": "rejected"}
"""What is decided about kits of an excursion -> their outcome."""


def record_excursion(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """The excursion and the kits that left their range are on record; those that could still be used are in quarantine."""
    connection.execute(
        insert(excursion),
        {
            "study_id": study_id,
            **{name: after[name] for name in _AS_THEY_ARE},
            "began_at": datetime.fromisoformat(after["began_at"]),
            "ended_at": datetime.fromisoformat(after["ended_at"]),
            "recorded_on": day(after["recorded_on"]),
            "attachments_json": json.dumps(after["attachments"]),
        },
    )
    if after["judged"]:
        connection.execute(
            insert(excursion_kit),
            [
                {
                    "study_id": study_id,
                    "excursion_id": after["excursion_id"],
                    "kit_number": number,
                    "minutes_above": above,
                    "minutes_below": below,
                    "mean_kinetic": mean_kinetic,
                }
                for number, above, below, mean_kinetic in after["judged"]
            ],
        )
    act_on_kits(connection, study_id, Act.QUARANTINE, after)


def settle_excursion(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """It is decided about kits of an excursion; those that wait for nothing else leave quarantine."""
    table = excursion_kit.c
    numbers = after["settled"]
    for start in range(0, len(numbers), CHUNK):
        some = numbers[start : start + CHUNK]
        statement = update(excursion_kit).where(
            table.study_id == study_id,
            table.excursion_id == after["excursion_id"],
            table.kit_number.in_(some),
            table.outcome.is_(None),
        )
        changed = connection.execute(statement.values(outcome=OUTCOMES[after["decision"]]))
        expect_rows(changed, len(some), "kits of the excursion")
    act_on_kits(connection, study_id, Act(after["decision"]), after)


FOLDS: dict[str, Fold] = {"record_excursion": record_excursion, "settle_excursion": settle_excursion}

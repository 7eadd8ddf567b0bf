"""Following kits through the ledger without a database: the projections' own folds, on a stand-in for a connection that keeps kits alone.

A view as of a past moment needs where each kit was, and no more. Folding everything into an empty database takes seconds; here each fold
runs as it is, what it writes of subjects, visits and shipments is passed over, and what it does to kits is kept. So there is no second
statement of what an entry moves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, cast

from sqlalchemy import Connection, Insert, Update, select

from allocation.errors import RTSMError
from allocation.ledger.database import Database
from allocation.ledger.projections import FOLDS
from allocation.ledger.projections.kit_moves import KitTaker
from allocation.ledger.schema import kit, ledger_entry, ledger_seal
from allocation.rules.kit_status import Transition

WITHOUT_KITS: Final = (
    "screen",
    "record_eligibility",
    "correct_stratum",
    "randomize",
    "record_visit",
    "miss_visit",
    "hold_dosing",
    "resume_dosing",
    "discontinue",
    "complete",
    "receive_edc_facts",
    "apply_edc_facts",
    "run_resupply",
    "number_kits",
    "load_lots",
    "load_study_version",
    "put_version_into_effect",
    "open_site",
    "upload_list",
    "generate_list",
    "activate_list",
    "activate_method",
    "set_cohort",
    "send_home",
    "set_patient_address",
    "forget_patient_address",
    "file_supply_proposal",
    "sign_supply_proposal",
    "reject_supply_proposal",
    "withdraw_supply_proposal",
)
"""Commands whose entries touch no kit and are not read at all. Whatever is not named here is folded."""


@dataclass(slots=True)
class FollowedKit:
    """A kit where its last entry left it. `shipment_id` is that of its last order or shipment."""

    kit_type: str
    lot_id: str
    expiry_date: date
    last_dispense_date: date
    status: str
    place_kind: str
    place: str
    shipment_id: str | None = None


_FIELDS: Final = frozenset(FollowedKit.__slots__)


class _Passed:
    """What a statement gives that is not carried out: no rows, and as many changed as whoever asks expects."""

    class _AnyCount(int):
        def __eq__(self, other: object) -> bool:
            return True

        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = int.__hash__

    rowcount = _AnyCount()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def scalars(self) -> _Passed:
        """No values."""
        return self

    def all(self) -> list[Any]:
        """No rows."""
        return []

    def first(self) -> None:
        """No row."""


class KitFollower(KitTaker):
    """Kits by number, moved by folds that are given this in place of a connection."""

    def __init__(self) -> None:
        self.kits: dict[str, FollowedKit] = {}

    def fold(self, row: Any, study_id: str) -> None:
        """Fold one entry (columns command, subject_id, site_id, after_json)."""
        fold = FOLDS.get(row.command)
        if fold is not None:
            after = json.loads(row.after_json)
            fold(cast(Connection, self), study_id, row.subject_id or "", row.site_id or "", after)

    def move(self, numbers: Iterable[str], row: Transition, to_key: str, also: dict[str, Any]) -> None:
        """Move kits along a row of the table of kit states; of `also`, what is followed is kept."""
        left = {"status": row.to_status.value, "place_kind": row.to_place.value, "place": to_key}
        self._set(numbers, {**left, **also})

    def execute(self, statement: Any, parameters: Any = None) -> _Passed:
        """Take a statement of a fold: kits that are loaded or changed by number are followed, all else is passed over.

        Raises RTSMError for a change of kits that names none.
        """
        if isinstance(statement, Insert) and statement.table is kit:
            for one in parameters if isinstance(parameters, list) else [parameters]:
                self.kits[one["kit_number"]] = FollowedKit(
                    **{name: value for name, value in one.items() if name in _FIELDS}
                )
        elif isinstance(statement, Update) and statement.table is kit:
            given = {**statement.compile().params, **(parameters or {})}
            numbers = given.get("kit_number_1")
            if not isinstance(numbers, Sequence) or isinstance(numbers, str):
                raise RTSMError("a fold changes kits that it does not name, so they cannot be followed")
            self._set(numbers, given)
        return _Passed()

    def _set(self, numbers: Iterable[str], given: dict[str, Any]) -> None:
        values = [(name, value) for name, value in given.items() if name in _FIELDS]
        for number in numbers:
            one = self.kits[number]
            for name, value in values:
                setattr(one, name, value)


def kits_as_of(
    database: Database, study_id: str, *, position: int | None = None, moment: datetime | None = None
) -> dict[str, FollowedKit]:
    """Every kit as of a sealed position, or of a moment (aware, UTC), both inclusive; by number."""
    columns = (
        ledger_entry.c.command,
        ledger_entry.c.subject_id,
        ledger_entry.c.site_id,
        ledger_entry.c.after_json,
    )
    query = (
        select(*columns)
        .join_from(ledger_seal, ledger_entry)
        .where(ledger_seal.c.study_id == study_id, ledger_entry.c.command.not_in(WITHOUT_KITS))
        .order_by(ledger_seal.c.position)
    )
    if position is not None:
        query = query.where(ledger_seal.c.position <= position)
    if moment is not None:
        query = query.where(ledger_entry.c.recorded_at <= moment)
    follower = KitFollower()
    with database.read() as connection:
        for row in connection.execute(query):
            follower.fold(row, study_id)
    return follower.kits

"""Moving kits: each movement takes kits from one place and gives them to another, by the one table of kit states."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, update

from allocation.errors import RTSMError
from allocation.ledger.hot_statement import StandIn
from allocation.ledger.projections.fold import expect_rows
from allocation.ledger.schema import kit
from allocation.rules.kit_status import TRANSITIONS, Act, Place, Transition

CHUNK = 500  # kit numbers in one IN list: well below both databases' limits on parameters

_BY_ACT: Final[dict[Act, list[Transition]]] = {
    act: [row for row in TRANSITIONS if row.act == act] for act in Act
}


class KitTaker(StandIn):
    """A stand-in for a connection that takes kits as they move, and not as statements."""

    @abstractmethod
    def move(self, numbers: Iterable[str], row: Transition, to_key: str, also: dict[str, Any]) -> None:
        """Take kits that move along `row` to `to_key`; `also` are further columns that change."""


def transition(act: Act, place: Place) -> Transition:
    """The row of the table for `act` on kits at `place`, for acts that are possible from one status only there."""
    rows = [row for row in _BY_ACT[act] if row.from_place == place]
    if len(rows) != 1:
        raise RTSMError(f"{act} from {place} has {len(rows)} rows in the table of kit states", field="act")
    return rows[0]


def chunks(numbers: Sequence[str]) -> Iterator[list[str]]:
    """The kit numbers in parts that one statement can name."""
    for start in range(0, len(numbers), CHUNK):
        yield list(numbers[start : start + CHUNK])


def move_kits(
    connection: Connection,
    study_id: str,
    numbers: Sequence[str],
    row: Transition,
    from_key: str,
    to_key: str,
    **also: Any,
) -> None:
    """Move `numbers` along `row`, from the depot, shipment, site or subject `from_key` to `to_key`; `also` are further columns.

    Raises ProjectionConflict unless every one of them is in the status and place that the row starts from.
    """
    if isinstance(connection, KitTaker):
        connection.move(numbers, row, to_key, also)
        return
    left = {"status": row.to_status.value, "place_kind": row.to_place.value, "place": to_key, **also}
    for some in chunks(numbers):
        statement = update(kit).where(
            kit.c.study_id == study_id,
            kit.c.kit_number.in_(some),
            kit.c.status == row.from_status,
            kit.c.place_kind == row.from_place,
            kit.c.place == from_key,
        )
        expect_rows(connection.execute(statement.values(**left)), len(some), f"kits to {row.act}")

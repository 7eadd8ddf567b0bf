"""Lot and quantity in place of kit numbers: what a request asks of bulk supply, and how answers and refusals speak of it.

Commands work on kit numbers throughout. Here a quantity of a lot becomes the numbers of units on the way in, and numbers of units become
lots and quantities on the way out: no number of a unit leaves the service by a command.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import Field
from sqlalchemy import Connection

from allocation.commands.service import CommandRequest
from allocation.errors import DomainRefusal
from allocation.ledger.database import Database
from allocation.ledger.lot_units import units_among
from allocation.plain_values import Whole
from allocation.rules.bulk_units import (
    UNIT_MARK,
    AskedOfLot,
    count_by_lot,
    is_unit,
    serialized_only,
    take_units,
)
from allocation.study.model import LARGEST, Code

_NAMED = re.compile(rf"(?:kits? )?{UNIT_MARK}\d+(?:, {UNIT_MARK}\d+)*")
_ONE = re.compile(rf"{UNIT_MARK}\d+")


class LotQuantity(CommandRequest):
    """So many units of a lot of bulk supply. `lot`: its number as people read it (the blinded one, where it has one)."""

    lot: Code
    quantity: Whole = Field(ge=1, le=LARGEST)


Bulk = tuple[LotQuantity, ...]

Row = TypeVar("Row", bound=CommandRequest)


def lots_named_once(lots: Iterable[str]) -> None:
    """Refuse a lot that stands twice. Raises ValueError, for a request's validator."""
    seen: set[str] = set()
    for one in lots:
        if one in seen:
            raise ValueError(f"names lot {one} twice; give each lot once")
        seen.add(one)


def units_for(
    connection: Connection,
    study_id: str,
    inside: Iterable[str],
    asked: Sequence[LotQuantity],
    where: str,
    field: str = "bulk",
) -> tuple[tuple[str, ...], ...]:
    """The units among the kits `inside` for each quantity asked. Raises DomainRefusal as `take_units`."""
    if not asked:
        return ()
    inside = list(inside)
    wanted = [AskedOfLot(one.lot, one.quantity) for one in asked]
    return take_units(units_among(connection, study_id, inside), wanted, where, field)


def rows_for(
    connection: Connection,
    study_id: str,
    inside: Iterable[str],
    asked: Sequence[LotQuantity],
    kind: type[Row],
    where: str,
    field: str = "bulk",
) -> tuple[Row, ...]:
    """A row of `kind` for each unit that is asked for: what was said of numbered kits, said of units. Raises DomainRefusal."""
    said = [name for name in kind.model_fields if name != "kit_number"]
    # Not validated again: a unit's number is no number that a request may name.
    return tuple(
        cast(
            Row,
            kind.model_construct(
                None, **{"kit_number": number, **{name: getattr(one, name) for name in said}}
            ),
        )
        for one, numbers in zip(
            asked, units_for(connection, study_id, inside, asked, where, field), strict=True
        )
        for number in numbers
    )


def told_by_lot(connection: Connection, study_id: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without numbers of units: what its lists and rows of kits named so stands in `bulk`, by field, as lot and quantity."""
    held = {name: named for name, value in answer.items() if (named := _units_in(value))}
    if not held:
        return answer
    numbers = {number for named in held.values() for number, _ in named}
    lot_of = {one.number: one.lot_word for one in units_among(connection, study_id, numbers)}
    bulk = {
        name: [
            {**json.loads(said), "lot": lot, "quantity": quantity}
            for (lot, said), quantity in sorted(
                Counter(
                    (lot_of[number], json.dumps(said, sort_keys=True, default=str)) for number, said in named
                ).items()
            )
        ]
        for name, named in held.items()
    }
    told = {name: _without_units(value) if name in held else value for name, value in answer.items()}
    return {**told, "bulk": bulk}


def _units_in(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Each unit that a value names by its number, and what else is said of it."""
    if isinstance(value, str):
        return [(value, {})] if is_unit(value) else []
    if isinstance(value, Mapping):
        number, said = (
            value.get("kit_number"),
            {name: one for name, one in value.items() if name != "kit_number"},
        )
        return [(number, said)] if isinstance(number, str) and is_unit(number) else []
    if isinstance(value, list | tuple):
        return [unit for one in value for unit in _units_in(one)]
    return []


def _without_units(value: Any) -> Any:
    if isinstance(value, str):
        return None
    if all(isinstance(one, str) for one in value):
        return serialized_only(value)
    return [one for one in value if not _units_in(one)]


def refusal_by_lot(database: Database, study_id: str, refusal: DomainRefusal) -> None:
    """Put lots and quantities in place of the numbers of units in a refusal's message and fix, where it names any."""
    texts = [refusal.message, refusal.fix or ""]
    named = {number for text in texts for number in _ONE.findall(text)}
    if not named:
        return
    with database.read() as connection:
        unit_of = {one.number: one for one in units_among(connection, study_id, named)}

    def words(found: re.Match[str]) -> str:
        units = [unit_of[one] for one in _ONE.findall(found.group()) if one in unit_of]
        return ", ".join(f"{one.quantity} of lot {one.lot}" for one in count_by_lot(units))

    refusal.message = _NAMED.sub(words, refusal.message)
    refusal.args = (refusal.message, *refusal.args[1:])
    if refusal.fix is not None:
        refusal.fix = _NAMED.sub(words, refusal.fix)

"""Loading bulk supply: so many of a lot come into a depot's stock, and the service numbers the units itself."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from allocation.commands.kits import arrived, drawn_sequences, locked_lots, lot_problem, named_depot
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import FileRefused
from allocation.plain_values import Whole
from allocation.rules.bulk_units import unit_number
from allocation.study.model import Code

MOST_UNITS: Final = 200_000
"""Units of one load."""


class BulkRow(CommandRequest):
    """So many units of a lot. `line` is where it stood in a file."""

    kit_type: Code
    lot_id: Code
    quantity: Whole = Field(ge=1, le=MOST_UNITS)
    line: Whole | None = None


class LoadBulkRequest(CommandRequest):
    """Bulk supply that arrived at a depot, all or none of it."""

    depot_id: Code
    rows: tuple[BulkRow, ...] = Field(min_length=1, max_length=5000)


def load_bulk(service: Service, act: Act, study_id: str, request: LoadBulkRequest) -> dict[str, Any]:
    """Load bulk supply into a depot's stock on the date of the act; answers how many units.

    Raises NotFound for an unknown depot, FileRefused naming every row at fault; then nothing is loaded.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study(depot_id=request.depot_id)
        depot = named_depot(transaction.protocol, request.depot_id)
        lots = locked_lots(transaction)
        total = sum(row.quantity for row in request.rows)
        problems = _problems(transaction, request, lots)
        if total > MOST_UNITS:
            problems.append(f"all rows: {total} units are too many at once; load at most {MOST_UNITS}")
        if problems:
            raise FileRefused("bulk supply", problems)
        turns = iter(drawn_sequences(transaction, total))
        units = [
            (unit_number(turn), row.kit_type, row.lot_id, turn)
            for row in request.rows
            for turn in (next(turns) for _ in range(row.quantity))
        ]
        after = arrived(transaction, depot, units, lots)
        answer = {"depot_id": request.depot_id, "rows": len(request.rows), "units": total}
        return transaction.append(after, answer=answer)

    return execute(service, act, study_id, "load_bulk", request, body)


def _problems(transaction: Transaction, request: LoadBulkRequest, lots: dict[str, Any]) -> list[str]:
    serialized = {one.code: one.serialized for one in transaction.protocol.kit_types}
    problems = []
    for index, row in enumerate(request.rows, start=1):
        at = f"line {row.line}" if row.line is not None else f"row {index}"
        if row.kit_type not in serialized:
            problems.append(f"{at}: kit_type {row.kit_type!r} is not in the protocol")
        elif serialized[row.kit_type]:
            problems.append(f"{at}: kits of kit_type {row.kit_type} have numbers; load a list of kits")
        if (problem := lot_problem(lots, row.kit_type, row.lot_id)) is not None:
            problems.append(f"{at}: {problem}")
    return problems

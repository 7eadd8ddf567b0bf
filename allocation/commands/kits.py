"""Loading lots and kits: thousands at once, all or nothing."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator
from sqlalchemy import func, select

from allocation.commands.lot_expiry import lot_expiries
from allocation.commands.lot_places import countries_named
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import FileRefused, NotFound
from allocation.ledger.schema import kit, lot
from allocation.plain_values import Day, Whole
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.expiry_change import kit_dates
from allocation.rules.kit_numbers import LARGEST_PICK_SEQUENCE
from allocation.rules.lot_status import NEVER_AGAIN
from allocation.rules.seeded_stream import SeededStream
from allocation.study.model import Code
from allocation.study.protocol import Protocol
from allocation.study.supply import Depot

ALL_COUNTRIES = "*"


class LotRow(CommandRequest):
    """A lot: `released_for` are ISO 3166-1 alpha-3 country codes and label groups, or ("*",) for all. `line` is where it stood in a file.

    `expiry_printed`: the labels of its kits say the expiry date. `blinded_lot`: the lot number that blinded people may read.
    """

    lot_id: Code
    kit_type: Code
    expiry_date: Day
    manufactured_on: Day | None = None
    released_for: tuple[str, ...] = (ALL_COUNTRIES,)
    status: Literal["pending", "released", "quarantined"] = "released"
    expiry_printed: bool = False
    blinded_lot: Code | None = None
    line: Whole | None = None

    @field_validator("released_for")
    @classmethod
    def _no_empty_country(cls, countries: tuple[str, ...]) -> tuple[str, ...]:
        if "" in countries:
            raise ValueError("has an empty entry; take out the semicolon or text that is too many")
        return countries


class LoadLotsRequest(CommandRequest):
    """Lots to load, all or none."""

    lots: tuple[LotRow, ...] = Field(min_length=1)


class KitRow(CommandRequest):
    """A kit. Without `pick_sequence` the service draws one that says nothing about type, lot or number."""

    kit_number: Code
    kit_type: Code
    lot_id: Code
    pick_sequence: Whole | None = Field(default=None, ge=1, le=LARGEST_PICK_SEQUENCE)
    line: Whole | None = None


class LoadKitsRequest(CommandRequest):
    """Kits that arrived at a depot, all or none."""

    depot_id: Code
    kits: tuple[KitRow, ...] = Field(min_length=1, max_length=200_000)


def _at(row: LotRow | KitRow, index: int) -> str:
    return f"line {row.line}" if row.line is not None else f"row {index}"


def _lot_on_record(row: LotRow, protocol: Protocol) -> dict[str, Any]:
    """A lot as the ledger has it: label groups as the countries that they have now."""
    named = [one for one in row.released_for if one != ALL_COUNTRIES]
    countries = countries_named(protocol, named, "released_for")
    everywhere = [ALL_COUNTRIES] if ALL_COUNTRIES in row.released_for else []
    return {
        **row.model_dump(mode="json", exclude={"line", "expiry_printed"}),
        "released_for": [*everywhere, *countries],
        "printed_expiry": row.expiry_date.isoformat() if row.expiry_printed else None,
    }


def load_lots(service: Service, act: Act, study_id: str, request: LoadLotsRequest) -> dict[str, Any]:
    """Load lots; answers their number. Raises FileRefused naming every row at fault."""

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        protocol = transaction.protocol
        known = set(
            transaction.connection.execute(select(lot.c.lot_id).where(lot.c.study_id == study_id)).scalars()
        )
        seen: Counter[str] = Counter()
        problems = []
        places = {name for one in protocol.countries for name in (one.code, one.label_group) if name}
        for index, row in enumerate(request.lots, start=1):
            at = _at(row, index)
            seen[row.lot_id] += 1
            if seen[row.lot_id] > 1:
                problems.append(f"{at}: lot_id {row.lot_id} stands in the file twice")
            if row.lot_id in known:
                problems.append(f"{at}: lot_id {row.lot_id} is loaded already")
            if protocol.kit_type(row.kit_type) is None:
                problems.append(f"{at}: kit_type {row.kit_type!r} is not in the protocol")
            problems += [
                f"{at}: country {code!r} is not in the protocol"
                for code in row.released_for
                if code not in places | {ALL_COUNTRIES}
            ]
            if row.manufactured_on is not None and row.manufactured_on >= row.expiry_date:
                problems.append(
                    f"{at}: expiry_date {row.expiry_date} is not after manufactured_on {row.manufactured_on}"
                )
        if problems:
            raise FileRefused("lots", problems)
        after = {"lots": [_lot_on_record(row, protocol) for row in request.lots]}
        return transaction.append(after, answer={"lots": len(request.lots)})

    return execute(service, act, study_id, "load_lots", request, body)


def load_kits(service: Service, act: Act, study_id: str, request: LoadKitsRequest) -> dict[str, Any]:
    """Load kits into a depot's stock on the date of the act; answers their number by depot.

    Raises NotFound for an unknown depot, FileRefused naming every row at fault; then no kit is loaded.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study(depot_id=request.depot_id)
        protocol = transaction.protocol
        depot = named_depot(protocol, request.depot_id)
        sequences = _pick_sequences(transaction, request)
        lots = locked_lots(transaction)
        problems = _kit_problems(transaction, request, protocol, lots, sequences)
        if problems:
            raise FileRefused("kits", problems)
        rows = [
            (row.kit_number, row.kit_type, row.lot_id, sequence)
            for row, sequence in zip(request.kits, sequences, strict=True)
        ]
        after = arrived(transaction, depot, rows, lots)
        return transaction.append(after, answer={"depot_id": request.depot_id, "kits": len(rows)})

    return execute(service, act, study_id, "load_kits", request, body)


def named_depot(protocol: Protocol, depot_id: str) -> Depot:
    """The depot of the protocol. Raises NotFound."""
    depot = next((one for one in protocol.depots if one.code == depot_id), None)
    if depot is None:
        raise NotFound(
            f"depot {depot_id!r} is not in the protocol", field="depot_id", fix="name a depot of the protocol"
        )
    return depot


def locked_lots(transaction: Transaction) -> dict[str, Any]:
    """The lots of the study by id (kit_type, printed_expiry, status), locked: none is recalled while its kits come in."""
    query = (
        select(lot.c.lot_id, lot.c.kit_type, lot.c.printed_expiry, lot.c.status)
        .where(lot.c.study_id == transaction.study_id)
        .order_by(lot.c.lot_id)
        .with_for_update(read=True)
    )
    return {row.lot_id: row for row in transaction.connection.execute(query).all()}


def arrived(
    transaction: Transaction,
    depot: Depot,
    kits: Sequence[tuple[str, str, str, int]],
    lots: Mapping[str, Any],
) -> dict[str, Any]:
    """The payload of kits (number, type, lot, pick sequence) that come into a depot's stock: with the dates that they have there."""
    expiries = lot_expiries(
        transaction.connection, transaction.study_id, {lot_id for _, _, lot_id, _ in kits}
    )
    printed_of = {
        lot_id: one.printed_expiry.isoformat()
        for lot_id, one in lots.items()
        if lot_id in expiries and one.printed_expiry is not None
    }
    windows_of = {
        one.code: ExpiryWindows(**one.expiry.model_dump()) for one in transaction.protocol.kit_types
    }
    rows = []
    for number, kit_type, lot_id, sequence in kits:
        printed = lots[lot_id].printed_expiry
        dates = kit_dates(expiries[lot_id], None, printed, windows_of[kit_type])
        days = (dates.last_ship, dates.last_count, dates.last_dispense, dates.expiry)
        rows.append([number, kit_type, lot_id, sequence, *(day.isoformat() for day in days)])
    return {
        "depot_id": depot.code,
        "received_on": transaction.at_zone(depot.timezone).isoformat(),
        "kits": rows,
        **({"printed_expiry": printed_of} if printed_of else {}),
    }


def lot_problem(lots: Mapping[str, Any], kit_type: str, lot_id: str) -> str | None:
    """Why no kit of the type comes in from the lot; None where it may."""
    if lot_id not in lots:
        return f"lot_id {lot_id!r} is not loaded; load lots first"
    if lots[lot_id].status in NEVER_AGAIN:
        return f"lot {lot_id} was {lots[lot_id].status}"
    if lots[lot_id].kit_type != kit_type:
        return f"lot {lot_id} is of kit type {lots[lot_id].kit_type}, not {kit_type}"
    return None


def drawn_sequences(transaction: Transaction, wanted: int, given: Collection[int] = ()) -> list[int]:
    """Random pick sequences behind all that are in use in the study or `given` (drawn once, then kept in the ledger)."""
    query = select(func.max(kit.c.pick_sequence)).where(kit.c.study_id == transaction.study_id)
    start = (transaction.connection.execute(query).scalar() or 0) + 1
    start = max([start, *(number + 1 for number in given)])
    drawn = list(range(start, start + wanted))
    if start + wanted > LARGEST_PICK_SEQUENCE:
        drawn = _free_sequences(transaction, wanted, set(given))
    SeededStream("pick-sequence", secrets.randbits(63)).shuffle(drawn)
    return drawn


def _pick_sequences(transaction: Transaction, request: LoadKitsRequest) -> list[int]:
    """The rows' own pick sequences, or drawn ones."""
    given = [row.pick_sequence for row in request.kits if row.pick_sequence is not None]
    ahead = iter(drawn_sequences(transaction, len(request.kits) - len(given), given))
    return [row.pick_sequence if row.pick_sequence is not None else next(ahead) for row in request.kits]


def _free_sequences(transaction: Transaction, wanted: int, taken: set[int]) -> list[int]:
    """Sequences that no kit has, from anywhere: a packager's may lie as high as there are any."""
    query = select(kit.c.pick_sequence).where(kit.c.study_id == transaction.study_id)
    taken = taken | set(transaction.connection.execute(query).scalars())
    drawn: dict[int, None] = {}
    while len(drawn) < wanted:
        sequence = secrets.randbelow(LARGEST_PICK_SEQUENCE) + 1
        if sequence not in taken:
            drawn[sequence] = None
    return list(drawn)


def _kit_problems(
    transaction: Transaction,
    request: LoadKitsRequest,
    protocol: Protocol,
    lots: Mapping[str, Any],
    sequences: list[int],
) -> list[str]:
    ours = kit.c.study_id == transaction.study_id
    known_numbers = set(transaction.connection.execute(select(kit.c.kit_number).where(ours)).scalars())
    known_sequences = set(transaction.connection.execute(select(kit.c.pick_sequence).where(ours)).scalars())
    kit_types = {kit_type.code for kit_type in protocol.kit_types}
    bulk = {kit_type.code for kit_type in protocol.kit_types if not kit_type.serialized}
    numbers: set[str] = set()
    used: set[int] = set()
    problems = []
    for index, (row, sequence) in enumerate(zip(request.kits, sequences, strict=True), start=1):
        at = _at(row, index)
        if row.kit_number in numbers:
            problems.append(f"{at}: kit_number {row.kit_number} stands in the file twice")
        if row.kit_number in known_numbers:
            problems.append(f"{at}: kit_number {row.kit_number} is loaded already")
        if sequence in used or sequence in known_sequences:
            problems.append(f"{at}: pick_sequence {sequence} is in use")
        if row.kit_type not in kit_types:
            problems.append(f"{at}: kit_type {row.kit_type!r} is not in the protocol")
        elif row.kit_type in bulk:
            problems.append(
                f"{at}: kits of kit_type {row.kit_type} have no numbers; load it by lot and quantity (bulk)"
            )
        if (problem := lot_problem(lots, row.kit_type, row.lot_id)) is not None:
            problems.append(f"{at}: {problem}")
        numbers.add(row.kit_number)
        used.add(sequence)
    return problems

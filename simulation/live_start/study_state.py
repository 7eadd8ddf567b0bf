"""What a study has come to at the end of a day: the service's own folds of its ledger up to then, read as plain facts.

Nothing is read from the running projections, so that every past day can be asked for. Dates are those of the place, as the ledger has them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from allocation.ledger.database import Database
from allocation.ledger.replay import replayed
from allocation.ledger.schema import (
    kit,
    ledger_entry,
    ledger_seal,
    list_entry,
    lot,
    randomization_list,
    shipment,
    shipment_kit,
    site,
    subject,
    subject_visit,
)
from allocation.ledger.sealing import seal_pending
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.lot_status import CODES, LotStatus, lot_is_usable
from allocation.rules.shipment_status import COUNTED_AS, ShipmentStatus
from simulation.live_start.errors import LiveStartError

_ORDER: ColumnElement[int] = literal_column("rowid")
"""The order in which the rows of a table were made; the folded tables are SQLite's."""


@dataclass(frozen=True, slots=True)
class Pile:
    """A lot as its kits have it: kits of one lot may expire on another day than the lot, in some country."""

    lot: str
    expires_on: date


@dataclass
class LotFacts:
    """A lot: its kit type, status and the countries that it is released for."""

    kit_type: str
    expires_on: date
    status: LotStatus
    released_for: tuple[str, ...]


@dataclass
class SubjectFacts:
    """Someone who was screened. `visits`: code -> (whether it took place, its date), of planned visits; `levels`: of the factors known."""

    code: str
    site: str
    screened_on: date
    status: str
    eligible: bool
    levels: dict[str, str]
    randomized_on: date | None
    arm: str | None
    dose_level: str | None
    visits: dict[str, tuple[bool, date | None]] = field(default_factory=dict)


@dataclass
class ShipmentFacts:
    """A shipment that is ordered or on its way; `dispatched_on` None: it has not left."""

    code: str
    depot: str
    to: tuple[str, str]
    ordered_on: date
    dispatched_on: date | None
    due_on: date | None
    kits: Counter[Pile] = field(default_factory=Counter)


@dataclass
class BlockFacts:
    """A run of list entries: how many are used, and the arms of the used ones in the block that is open, with that block's size."""

    used: int = 0
    size: int = 0
    arms: Counter[str] = field(default_factory=Counter)


@dataclass
class StudyState:
    """The facts at the end of the day `at` (UTC), which is sealed position `position` of the ledger.

    `stock`: usable kits by (kind of place, place). `set_aside`: by status, kits that are neither usable nor on their way, dispensed,
    expired, lost or damaged: quarantined, returned, of a lot that is not released. `gone`: (status, kind of place) -> kits.
    `shipped`: (depot, site) -> shipments made so far, the last of them for a site ordered on `last_orders`; `kits_shipped` by kit type.
    """

    study_id: str
    at: date
    position: int
    begins_on: date
    sites: dict[str, date] = field(default_factory=dict)
    subjects: list[SubjectFacts] = field(default_factory=list)
    lots: dict[str, LotFacts] = field(default_factory=dict)
    stock: dict[tuple[str, str], Counter[Pile]] = field(default_factory=dict)
    set_aside: Counter[str] = field(default_factory=Counter)
    gone: Counter[tuple[str, str]] = field(default_factory=Counter)
    dispensed: int = 0
    shipments: list[ShipmentFacts] = field(default_factory=list)
    blocks: dict[tuple[str, str], BlockFacts] = field(default_factory=dict)
    shipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    last_orders: dict[str, date] = field(default_factory=dict)
    kits_shipped: Counter[str] = field(default_factory=Counter)

    @property
    def in_flight(self) -> int:
        """Kits ordered and not received."""
        return sum(one.kits.total() for one in self.shipments)


def state_at(database: Database, study_id: str, at: date | None, event: str) -> StudyState:
    """The state of a study at the end of the day `at` (UTC; None: that of its last entry). `event`: whose lists are read.

    Raises LiveStartError where the ledger begins later.
    """
    seal_pending(database)
    ours = ledger_seal.c.study_id == study_id
    moments = select(func.min(ledger_entry.c.recorded_at), func.max(ledger_entry.c.recorded_at))
    last_position = select(func.max(ledger_seal.c.position)).join_from(ledger_seal, ledger_entry).where(ours)
    with database.read() as connection:
        first, last = connection.execute(moments.join_from(ledger_seal, ledger_entry).where(ours)).one()
        at = at or last.date()
        end = datetime.combine(at + timedelta(days=1), time(), UTC)
        position = connection.execute(last_position.where(ledger_entry.c.recorded_at < end)).scalar()
    if position is None:
        raise LiveStartError(
            f"the ledger of {study_id} begins on {first.date()}, after {at}",
            field="--at",
            fix=f"give a day from {first.date()} to {last.date()}",
        )
    state = StudyState(study_id, at, position, first.date())
    tables = replayed(database, study_id, position)
    try:
        _read(tables, state, event)
    finally:
        tables.close()
        tables.engine.dispose()
    return state


def _read(tables: Connection, state: StudyState, event: str) -> None:
    for row in tables.execute(select(site).order_by(_ORDER)):
        state.sites[row.site_id] = row.opened_on
    for row in tables.execute(select(lot).order_by(lot.c.lot_id)):
        released = tuple(json.loads(row.released_for))
        state.lots[row.lot_id] = LotFacts(row.kit_type, row.expiry_date, LotStatus(row.status), released)
    _read_subjects(tables, state)
    _read_shipments(tables, state)
    _read_kits(tables, state)
    _read_blocks(tables, state, event)


def _read_subjects(tables: Connection, state: StudyState) -> None:
    by_code = {}
    for row in tables.execute(select(subject).order_by(_ORDER)):
        levels = dict(json.loads(row.factors_json) or {})
        by_code[row.subject_id] = SubjectFacts(
            row.subject_id,
            row.site_id,
            row.screened_on,
            row.status,
            bool(row.eligible),
            levels,
            row.randomized_on,
            row.arm,
            row.dose_level,
        )
    for row in tables.execute(select(subject_visit).where(subject_visit.c.visit_code.is_not(None))):
        by_code[row.subject_id].visits[row.visit_code] = (row.status == "done", row.visit_date)
    state.subjects = list(by_code.values())


def _read_shipments(tables: Connection, state: StudyState) -> None:
    never_left = (ShipmentStatus.REFUSED.value, ShipmentStatus.CANCELLED.value)
    from_depots = select(shipment).where(
        shipment.c.from_kind == "depot", shipment.c.status.not_in(never_left)
    )
    for row in tables.execute(from_depots.order_by(_ORDER)):
        if row.to_kind == "site":
            state.shipped[row.from_place, row.to_place] += 1
            state.last_orders[row.to_place] = max(
                row.requested_on, state.last_orders.get(row.to_place, row.requested_on)
            )
        if ShipmentStatus(row.status) in COUNTED_AS:
            state.shipments.append(
                ShipmentFacts(
                    row.shipment_id,
                    row.from_place,
                    (row.to_kind, row.to_place),
                    row.requested_on,
                    row.dispatched_on,
                    row.expected_on,
                )
            )
    sent = (
        select(kit.c.kit_type, func.count().label("kits"))
        .select_from(
            shipment_kit.join(shipment, shipment.c.shipment_id == shipment_kit.c.shipment_id).join(
                kit, kit.c.kit_number == shipment_kit.c.kit_number
            )
        )
        .where(
            shipment.c.from_kind == "depot",
            shipment.c.to_kind == "site",
            shipment.c.status.not_in(never_left),
        )
        .group_by(kit.c.kit_type)
    )
    state.kits_shipped = Counter({row.kit_type: row.kits for row in tables.execute(sent)})


_GONE = (KitStatus.EXPIRED.value, KitStatus.LOST.value, KitStatus.DAMAGED.value)
_STOCK = {KitStatus.DEPOT_AVAILABLE.value, KitStatus.SITE_AVAILABLE.value}
_COMING = {KitStatus.REQUESTED.value, KitStatus.IN_TRANSIT.value}


def _read_kits(tables: Connection, state: StudyState) -> None:
    coming = {one.code: one for one in state.shipments}
    keys = (kit.c.status, kit.c.place_kind, kit.c.place, kit.c.lot_id, kit.c.expiry_date, kit.c.shipment_id)
    dispensed = kit.c.dispensed_on.is_not(None)
    for row in tables.execute(
        select(*keys, dispensed.label("out"), func.count().label("n")).group_by(*keys, dispensed)
    ):
        pile = Pile(row.lot_id, row.expiry_date)
        if row.out:
            state.dispensed += row.n
        elif row.status in _GONE:
            state.gone[row.status, row.place_kind] += row.n
        elif row.status in _COMING and row.shipment_id in coming:
            coming[row.shipment_id].kits[pile] += row.n
        elif row.status in _STOCK and _usable(state.lots[row.lot_id], row.place_kind):
            state.stock.setdefault((row.place_kind, row.place), Counter())[pile] += row.n
        else:
            state.set_aside[row.status] += row.n
    state.shipments = [one for one in state.shipments if one.kits]


def _usable(facts: LotFacts, place_kind: str) -> bool:
    """Whether the lot's status lets its kits be used, in a country that it is released for."""
    return lot_is_usable(CODES[facts.status], True, place_kind == Place.DEPOT.value)


def _read_blocks(tables: Connection, state: StudyState, event: str) -> None:
    query = (
        select(list_entry)
        .join(randomization_list, randomization_list.c.list_id == list_entry.c.list_id)
        .where(randomization_list.c.event == event, randomization_list.c.state == "active")
        .order_by(list_entry.c.holder, list_entry.c.stratum, list_entry.c.sequence)
    )
    for run, block in _open_blocks(tables, query):
        state.blocks[run] = block


def _open_blocks(tables: Connection, query: object) -> Iterator[tuple[tuple[str, str], BlockFacts]]:
    """Each run (holder, stratum) of an active list with what is used of it: entries are used in their order."""
    runs: dict[tuple[str, str], list[tuple[int | None, str, bool]]] = {}
    for row in tables.execute(query):  # type: ignore[call-overload]
        used = row.subject_id is not None or row.skipped_for is not None
        runs.setdefault((row.holder, row.stratum), []).append((row.block, row.arm, used))
    for run, entries in runs.items():
        facts = BlockFacts(sum(used for *_, used in entries))
        at = next((block for block, _, used in entries if not used), None)
        taken = [arm for block, arm, used in entries if used and block == at and at is not None]
        if taken:
            facts.size, facts.arms = sum(block == at for block, *_ in entries), Counter(taken)
        yield run, facts

"""Which kits an act is about: named by number, or all of a lot, a shipment or a site; found under lock, where the actor may act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, model_validator
from sqlalchemy import Row, Select, select

from allocation.access.permissions import COMMAND_PERMISSIONS, authorize, reach
from allocation.commands.lot_quantities import Bulk
from allocation.commands.service import CommandRequest
from allocation.commands.shipments import entered_shipment
from allocation.commands.transaction import Transaction
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.projections.kit_moves import CHUNK
from allocation.ledger.schema import depot, kit, lot, shipment, site
from allocation.ledger.shipment_ends import COLUMNS as ENDS
from allocation.ledger.shipment_ends import ends_of_row
from allocation.rules.kit_status import Place
from allocation.study.model import Code

NAMES_LOTS = "lots.name"
"""The permission of whoever names a lot: its kits are of one type."""


class KitScopeRequest(CommandRequest):
    """Kits by number, or all of a lot, a shipment or a site that the act is possible for: one of the four.

    `bulk`: so many units of lots of bulk supply at a site, at a depot or in a shipment, which is named beside.
    """

    kit_numbers: tuple[Code, ...] = Field(default=(), max_length=20_000)
    lot_id: Code | None = None
    shipment_id: str | None = Field(default=None, min_length=1, max_length=60)
    site_id: Code | None = None
    depot_id: Code | None = None
    bulk: Bulk = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _one_scope(self) -> KitScopeRequest:
        if self.bulk:
            if self.kit_numbers or self.lot_id or sum(map(bool, self._places)) != 1:
                raise ValueError(
                    "name where the bulk supply is by one of site_id, depot_id and shipment_id, and nothing else"
                )
            return self
        if self.depot_id:
            raise ValueError(
                "depot_id says where bulk supply is; name kits of a depot by kit_numbers or lot_id"
            )
        if sum(map(bool, (self.kit_numbers, self.lot_id, self.shipment_id, self.site_id))) != 1:
            raise ValueError("name kits by one of kit_numbers, lot_id, shipment_id and site_id")
        if len(set(self.kit_numbers)) != len(self.kit_numbers):
            raise ValueError("name each kit once")
        return self

    @property
    def _places(self) -> tuple[str | None, ...]:
        return self.site_id, self.depot_id, self.shipment_id

    @property
    def named(self) -> dict[str, Any]:
        """What was named, as it stands in the ledger and under a signature."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value}


@dataclass(frozen=True, slots=True)
class ChosenKits:
    """The kits of a request, by kit number, locked (columns of `kit`, and `lot_status`). `site_id`: the one site concerned, if one."""

    rows: Sequence[Row[Any]]
    site_id: str | None = None


def _kits() -> Select[Any]:
    return (
        select(kit, lot.c.status.label("lot_status"))
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .order_by(kit.c.kit_number)
    )


def chosen_kits(transaction: Transaction, request: KitScopeRequest) -> ChosenKits:
    """Find and lock the kits, and enter where they are. Raises NotFound, NotPermitted; neither tells where another's kit is."""
    if request.kit_numbers:
        return _by_number(transaction, request.kit_numbers)
    locked = _kits().where(kit.c.study_id == transaction.study_id).with_for_update(of=kit)
    if request.lot_id is not None:
        in_whole_study(transaction)
        authorize(transaction.act.actor, NAMES_LOTS, transaction.study_id)
        locked_lot(transaction, request.lot_id)
        rows = transaction.connection.execute(locked.where(kit.c.lot_id == request.lot_id)).all()
        return ChosenKits(rows)
    if request.shipment_id is not None:
        _, ends = entered_shipment(transaction, request.shipment_id)
        _lock_depots(transaction, set() if ends.depot_id is None else {ends.depot_id})
        rows = transaction.connection.execute(locked.where(kit.c.shipment_id == request.shipment_id)).all()
        return ChosenKits(rows, ends.site_id)
    if request.depot_id is not None:
        transaction.in_study(depot_id=request.depot_id)
        _lock_depots(transaction, {request.depot_id})
        there = (kit.c.place_kind == Place.DEPOT.value) & (kit.c.place == request.depot_id)
        return ChosenKits(transaction.connection.execute(locked.where(there)).all())
    assert request.site_id is not None  # noqa: S101  (the request has one of them)
    transaction.at_site(request.site_id)
    at_site = (kit.c.place_kind == Place.SITE.value) & (kit.c.place == request.site_id)
    return ChosenKits(transaction.connection.execute(locked.where(at_site)).all(), request.site_id)


def in_whole_study(transaction: Transaction) -> None:
    """Act on kits anywhere: every site and depot stays locked, so that nothing is dispensed or shipped meanwhile."""
    transaction.in_study()
    for table, key in ((site, site.c.site_id), (depot, depot.c.depot_id)):
        places = select(key).where(table.c.study_id == transaction.study_id).order_by(key)
        transaction.connection.execute(places.with_for_update()).all()


def locked_lot(transaction: Transaction, lot_id: str) -> Row[Any]:
    """The lot's row, locked: no kit of it is loaded meanwhile. Raises NotFound."""
    query = select(lot).where(lot.c.study_id == transaction.study_id, lot.c.lot_id == lot_id)
    found = transaction.connection.execute(query.with_for_update()).first()
    if found is None:
        raise NotFound(f"lot {lot_id!r} is not loaded", field="lot_id", fix="name a lot of this study")
    return found


def _by_number(transaction: Transaction, numbers: Sequence[str]) -> ChosenKits:
    """Kits by number. A kit where the actor may not act is answered as one that does not exist."""
    permission = COMMAND_PERMISSIONS[transaction.command]
    reached = reach(transaction.act.actor, permission, transaction.study_id)
    found = {row.kit_number: row for row in _named(transaction, numbers, lock=False)}
    holders = {(row.place_kind, row.place): row for row in found.values()}
    holder_is = {key: _place_of(transaction, row) for key, row in holders.items()}
    where = {number: holder_is[row.place_kind, row.place] for number, row in found.items()}
    for number in numbers:
        at = where.get(number)
        allowed = at is not None and (
            reached.whole_study
            or at[0] in reached.sites
            or at[1] in reached.countries
            or at[2] in reached.depots
        )
        if not allowed:
            raise NotFound(
                f"kit {number} is not known here", field="kit_numbers", fix="correct the kit number"
            )
    places = set(where.values())
    sites = {site_id for site_id, _, _ in places if site_id is not None}
    depots = {depot_id for _, _, depot_id in places if depot_id is not None}
    only_site = next(iter(sites)) if len(sites) == 1 else None
    if only_site is not None and len(places) == 1:
        transaction.at_site(only_site, depot_id=next(iter(depots), None))
        _lock_depots(transaction, depots)
    elif len(places) == 1 and depots:
        transaction.in_study(depot_id=next(iter(depots)))
        _lock_depots(transaction, depots)
    else:
        only_site = None
        if not reached.whole_study:
            raise NotPermitted(
                "these kits are not all in one place",
                field="kit_numbers",
                fix="name the kits of one place at a time",
            )
        in_whole_study(transaction)
    return ChosenKits(_named(transaction, numbers, lock=True), only_site)


def _named(transaction: Transaction, numbers: Sequence[str], *, lock: bool) -> list[Row[Any]]:
    return sorted(_in_chunks(transaction, numbers, lock=lock), key=lambda row: str(row.kit_number))


def _in_chunks(transaction: Transaction, numbers: Sequence[str], *, lock: bool) -> Iterator[Row[Any]]:
    ordered = sorted(numbers)
    for start in range(0, len(ordered), CHUNK):
        query = _kits().where(
            kit.c.study_id == transaction.study_id, kit.c.kit_number.in_(ordered[start : start + CHUNK])
        )
        yield from transaction.connection.execute(query.with_for_update(of=kit) if lock else query)


def _place_of(transaction: Transaction, row: Row[Any]) -> tuple[str | None, str | None, str | None]:
    """Site, country of the site, and depot that a kit is of; all None for one that is with a subject, lost or destroyed."""
    site_id, depot_id = None, None
    if row.place_kind == Place.DEPOT:
        return None, None, str(row.place)
    if row.place_kind == Place.SITE:
        site_id = row.place
    elif row.place_kind == Place.TRANSIT:
        query = select(*ENDS).where(
            shipment.c.study_id == transaction.study_id, shipment.c.shipment_id == row.place
        )
        ends = ends_of_row(transaction.connection.execute(query).one())
        site_id, depot_id = ends.site_id, ends.depot_id
    country = transaction.connection.execute(
        select(site.c.country).where(site.c.study_id == transaction.study_id, site.c.site_id == site_id)
    ).scalar()
    return site_id, country, depot_id


def _lock_depots(transaction: Transaction, depots: set[str]) -> None:
    if depots:
        query = select(depot.c.depot_id).where(
            depot.c.study_id == transaction.study_id, depot.c.depot_id.in_(sorted(depots))
        )
        transaction.connection.execute(query.order_by(depot.c.depot_id).with_for_update()).all()

"""The stock of a pool at one place, as the study that lends it and the study that takes it each see it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, select

from allocation.commands.depot_zones import depot_zone
from allocation.commands.kit_candidates import is_released
from allocation.commands.lot_expiry import lot_expiries
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.projections.kit_moves import chunks
from allocation.ledger.schema import depot, kit, lot
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.expiry_change import LotExpiry, kit_dates
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.picking import KitCandidate
from allocation.study.pools import PooledKitType, countries_supplied, pool_of
from allocation.study.protocol import Protocol

EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class PoolPlace:
    """The depot or site of a pool, on its date. `country`: of a site; None at a depot, where a kit keeps the dates of its longest use."""

    kind: Place
    key: str
    country: str | None
    today: date

    @property
    def stock(self) -> KitStatus:
        """The status of kits that may be lent here."""
        return KitStatus.DEPOT_AVAILABLE if self.kind == Place.DEPOT else KitStatus.SITE_AVAILABLE

    def countries(self, protocol: Protocol) -> tuple[str, ...]:
        """Where a study uses the kits of this place."""
        return countries_supplied(protocol, self.key) if self.country is None else (self.country,)


@dataclass(frozen=True, slots=True)
class PooledItem:
    """A kit type of each study that is the same item of the pool. `keep`: kits that the lender keeps of it."""

    item: str
    kit_type: str
    lent_type: str
    keep: int


def enter_place(transactions: Iterable[Transaction], kind: Place, key: str) -> PoolPlace:
    """Act at the place in both studies; its rows stay locked, in the order of the studies' ids, so that no two takers wait for each other.

    Raises NotFound, NotPermitted, and DomainRefusal (`pool-place`) where the studies have different places under one code.
    """
    found = {}
    for transaction in sorted(transactions, key=lambda one: one.study_id):
        if kind == Place.SITE:
            row = transaction.at_site(key)
            found[row.site_country, row.timezone] = transaction.today
        else:
            country, zone = _locked_depot(transaction, key)
            found[country, zone] = transaction.at_zone(zone)
    if len(found) > 1:
        raise DomainRefusal(
            f"{kind} {key} is in another country or time zone in the other study, so that it is not the same place",
            code="pool-place",
            field=f"{kind}_id",
            fix="name a place that both studies have",
        )
    ((country, _), today) = next(iter(found.items()))
    return PoolPlace(kind, key, country if kind == Place.SITE else None, today)


def _locked_depot(transaction: Transaction, depot_id: str) -> tuple[str, str]:
    """The country of a depot, and its time zone; its stock stays locked."""
    transaction.in_study(depot_id=depot_id)
    zone = depot_zone(transaction.connection, transaction.study_id, depot_id, lock=True)
    query = select(depot.c.country).where(
        depot.c.study_id == transaction.study_id, depot.c.depot_id == depot_id
    )
    return str(transaction.connection.execute(query).scalar_one()), zone


def agreed_items(
    taker: Protocol, lender: Protocol, pool: str, level: Place, kit_types: Iterable[str]
) -> list[PooledItem]:
    """The items of these kit types of the taker, agreed by both protocols. Raises DomainRefusal (`not-pooled`, `pool-item-differs`)."""
    ours, theirs = pool_of(taker, pool), pool_of(lender, pool)
    if ours is None or theirs is None or (ours.level, theirs.level) != (level.value, level.value):
        raise DomainRefusal(
            f"the studies do not both have the pool {pool} for kits at a {level}",
            code="not-pooled",
            field="pool",
            fix="add it under supply.pools to both protocols, with the same code and level",
        )
    here: Mapping[str, PooledKitType] = {one.kit_type: one for one in ours.items}
    there: Mapping[str, PooledKitType] = {one.item: one for one in theirs.items}
    found = []
    for code in kit_types:
        lent = there.get(here[code].item) if code in here else None
        if lent is None:
            raise DomainRefusal(
                f"kit type {code} is not an item of the pool {pool} in both studies",
                code="not-pooled",
                field="kit_types",
                fix="name kit types that both protocols give the same item of the pool",
            )
        _require_alike(taker, code, lender, lent.kit_type)
        found.append(PooledItem(lent.item, code, lent.kit_type, lent.keep))
    return found


def _require_alike(taker: Protocol, kit_type: str, lender: Protocol, lent_type: str) -> None:
    ours, theirs = taker.kit_type(kit_type), lender.kit_type(lent_type)
    facts = [None if one is None else (one.units_per_kit, one.unit, one.strength) for one in (ours, theirs)]
    if facts[0] != facts[1]:
        raise DomainRefusal(
            f"kit type {kit_type} has other units or another strength than {lent_type} of the other study",
            code="pool-item-differs",
            field="kit_types",
            fix="correct the pool of one of the protocols: an item is the same thing in both",
        )


def stock_to_lend(
    lender: Transaction, place: PoolPlace, items: Sequence[PooledItem]
) -> dict[str, list[Row[Any]]]:
    """Item -> the lender's available kits of it at the place, locked, with what is known of their lots; in the order of picking."""
    types = {one.lent_type: one.item for one in items}
    # A lot is not recalled while its kits go.
    lots = select(lot.c.lot_id).where(lot.c.study_id == lender.study_id, lot.c.kit_type.in_(sorted(types)))
    lender.connection.execute(lots.order_by(lot.c.lot_id).with_for_update(read=True)).all()
    query = (
        select(
            kit.c.kit_number,
            kit.c.kit_type,
            kit.c.lot_id,
            kit.c.expiry_date,
            kit.c.pick_sequence,
            kit.c.printed_expiry,
            lot.c.status,
            lot.c.released_for,
            lot.c.printed_expiry.label("lot_printed"),
            lot.c.blinded_lot,
        )
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(
            kit.c.study_id == lender.study_id,
            kit.c.place_kind == place.kind.value,
            kit.c.place == place.key,
            kit.c.kit_type.in_(sorted(types)),
            kit.c.status == place.stock.value,
        )
        .order_by(kit.c.expiry_date, kit.c.pick_sequence)
    )
    found: dict[str, list[Row[Any]]] = {one.item: [] for one in items}
    rows: Any = lender.connection.execute(query.with_for_update(of=kit))
    for row in rows:
        found[types[row.kit_type]].append(row)
    return found


@dataclass(frozen=True, slots=True)
class TakerBooks:
    """What the taking study knows of kits and lots that may come: kit numbers that it has, its own rows of lots, and expiry dates.

    `expiries` are those of its own lots; of a lot that it does not know, those of the lender's.
    """

    numbers: frozenset[str]
    lots: Mapping[str, Row[Any]]
    expiries: Mapping[str, LotExpiry]


def books_of_taker(taker: Transaction, lender: Transaction, rows: Sequence[Row[Any]]) -> TakerBooks:
    """Look kits and lots up in the taking study; its lots stay locked against a recall."""
    ours, numbers = taker.study_id, set[str]()
    for some in chunks([row.kit_number for row in rows]):
        query = select(kit.c.kit_number).where(kit.c.study_id == ours, kit.c.kit_number.in_(some))
        numbers |= set(taker.connection.execute(query).scalars())
    lot_ids = sorted({row.lot_id for row in rows})
    known = select(lot).where(lot.c.study_id == ours, lot.c.lot_id.in_(lot_ids)).order_by(lot.c.lot_id)
    lots = {row.lot_id: row for row in taker.connection.execute(known.with_for_update(read=True))}
    expiries = {
        **lot_expiries(lender.connection, lender.study_id, lot_ids),
        **lot_expiries(taker.connection, ours, lots),
    }
    return TakerBooks(frozenset(numbers), lots, expiries)


def as_the_lender_sees(rows: Sequence[Row[Any]], countries: Sequence[str]) -> list[KitCandidate]:
    """Kits by the dates and releases of the study that lends them."""
    return [
        KitCandidate(
            row.kit_number,
            row.kit_type,
            True,
            is_released(row, *countries, shipping=True),
            row.expiry_date,
            row.pick_sequence,
            row.lot_id,
        )
        for row in rows
    ]


def as_the_taker_sees(
    rows: Sequence[Row[Any]],
    kit_type: str,
    books: TakerBooks,
    place: PoolPlace,
    countries: Sequence[str],
    windows: ExpiryWindows,
) -> list[KitCandidate]:
    """The same kits by the dates and releases of the study that takes them; one whose number it has had before is not available to it."""
    return [
        KitCandidate(
            row.kit_number,
            kit_type,
            row.kit_number not in books.numbers,
            is_released(row, *countries, shipping=True)
            and is_released(books.lots.get(row.lot_id, row), *countries, shipping=True),
            kit_dates(books.expiries[row.lot_id], place.country, row.printed_expiry, windows).expiry,
            row.pick_sequence,
            row.lot_id,
        )
        for row in rows
    ]


def facts_there(
    there: Sequence[KitCandidate], books: TakerBooks, place: PoolPlace, windows: ExpiryWindows
) -> dict[str, Any]:
    """What of the taker's books the decision went by, for the lender's ledger, so that it can be derived there again."""
    lots = {
        one.lot: {
            "released": one.released,
            "expiry_date": books.expiries[one.lot].own.isoformat(),
            "by_country": {
                country: expiry.isoformat() for country, expiry in books.expiries[one.lot].by_country.items()
            },
        }
        for one in there
    }
    return {
        "windows": asdict(windows),
        "country": place.country,
        "known_kits": sorted(one.key for one in there if not one.available),
        "lots": lots,
    }


def lots_to_make_known(
    rows: Iterable[tuple[str, Row[Any]]], books: TakerBooks, countries: Iterable[str]
) -> list[dict[str, Any]]:
    """The lots of these kits (kit type there, row) that the taker does not know, with the lender's status and release.

    Raises DomainRefusal (`pool-lot-differs`) for one that it knows as a lot of another kit type.
    """
    found: dict[str, dict[str, Any]] = {}
    known_countries = {EVERYWHERE, *countries}
    for kit_type, row in rows:
        ours = books.lots.get(row.lot_id)
        if ours is not None and ours.kit_type != kit_type:
            raise DomainRefusal(
                f"lot {row.lot_id} is of another kit type in this study",
                code="pool-lot-differs",
                field="kit_types",
                fix="correct the lots of one of the studies; nothing was moved",
            )
        if ours is None:
            found[row.lot_id] = {
                "lot_id": row.lot_id,
                "kit_type": kit_type,
                "expiry_date": books.expiries[row.lot_id].own.isoformat(),
                "released_for": [one for one in json.loads(row.released_for) if one in known_countries],
                "status": row.status,
                "printed_expiry": None if row.lot_printed is None else row.lot_printed.isoformat(),
                "blinded_lot": row.blinded_lot,
            }
    return [found[lot_id] for lot_id in sorted(found)]

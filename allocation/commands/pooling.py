"""Kits of a pool from the books of one study into those of another: one transaction, and an entry in each ledger.

The kits stay where they are. The lender's entry says what was decided and why, the other's what came in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field, model_validator
from sqlalchemy import Row

from allocation.commands.kit_authority import require_reason_and_signature
from allocation.commands.kits import drawn_sequences
from allocation.commands.lot_expiry import expiry_windows
from allocation.commands.pool_stock import (
    PooledItem,
    PoolPlace,
    TakerBooks,
    agreed_items,
    as_the_lender_sees,
    as_the_taker_sees,
    books_of_taker,
    enter_place,
    facts_there,
    lots_to_make_known,
    stock_to_lend,
)
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.site_supply import kit_type_supplies, order_policy
from allocation.commands.transaction import Transaction, execute
from allocation.commands.transfers import Quantity
from allocation.errors import DomainRefusal
from allocation.rules.expiry_change import kit_dates
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import Place
from allocation.rules.pooling import LendingDecision, choose_kits_to_lend
from allocation.rules.site_transfer import plan_transfer
from allocation.study.model import Code

Lent = tuple[PooledItem, Row[Any]]
"""A kit that goes, with the item of the pool that it is."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the lender can give of each item, what goes of it, and the facts of each decision for its ledger."""

    items: Sequence[PooledItem]
    decisions: Sequence[LendingDecision]
    lent: Sequence[Lent]
    books: TakerBooks
    records: Sequence[dict[str, Any]]

    @property
    def kits_of(self) -> dict[str, int]:
        """Kit type of the taker -> kits that go."""
        return {item.kit_type: len(one.chosen) for item, one in zip(self.items, self.decisions, strict=True)}


class TakeFromPoolRequest(CommandRequest):
    """Kits (of the taking study's kit types, so many) to take from another study's stock at one depot or site."""

    pool: Code
    from_study: Code
    depot_id: Code | None = None
    site_id: Code | None = None
    kit_types: dict[Code, Quantity] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_place(self) -> TakeFromPoolRequest:
        if (self.depot_id is None) == (self.site_id is None):
            raise ValueError("name the place by one of depot_id and site_id")
        return self

    @property
    def place(self) -> tuple[Place, str]:
        """The kind of place, and which one."""
        if self.depot_id is not None:
            return Place.DEPOT, self.depot_id
        return Place.SITE, self.site_id or ""


def take_from_pool(service: Service, act: Act, study_id: str, request: TakeFromPoolRequest) -> dict[str, Any]:
    """Take pooled kits from another study's stock at the same depot or site, with a reason; answers how many of each kit type.

    Both protocols have the pool, and the place has the same code in both. The lender keeps what its pool says. At a site the protections
    of orders hold, so that more may come than was asked for. The role is needed in both studies. Raises DomainRefusal where it is not
    pooled, or not all of it can be lent; NotFound, NotPermitted. Then nothing moves in either study.
    """

    def body(taker: Transaction) -> dict[str, Any]:
        if request.from_study == study_id:
            raise DomainRefusal(
                f"study {study_id} cannot lend kits to itself",
                code="same-study",
                field="from_study",
                fix="name the study that has the kits",
            )
        lender = lending_side(taker, request.from_study)
        place = enter_place((taker, lender), *request.place)
        require_reason_and_signature(taker, KitAct.LEND)
        require_same_mode(taker, lender)
        wanted = _wanted(taker, request)
        items = agreed_items(taker.protocol, lender.protocol, request.pool, place.kind, wanted)
        offer = offered(taker, lender, place, items, wanted)
        for one in offer.decisions:
            one.require_complete()
        return change_books(taker, lender, place, request.pool, offer, request.kit_types)

    return execute(service, act, study_id, "take_from_pool", request, body)


def lending_side(taker: Transaction, from_study: str) -> Transaction:
    """The same act in the books of the study that lends, on the same connection."""
    return Transaction(
        taker.connection,
        taker.service,
        taker.act,
        from_study,
        "lend_kits",
        taker.request_sha256,
        taker.now,
    )


def offered(
    taker: Transaction,
    lender: Transaction,
    place: PoolPlace,
    items: Sequence[PooledItem],
    wanted: Mapping[str, int],
    used_in: Sequence[str] | None = None,
) -> Offer:
    """Decide what goes of each item, up to `wanted` kits by kit type of the taker; the lender's stock stays locked.

    `used_in`: the countries that the taker needs the kits for; None: wherever it uses kits of the place.
    """
    stock = stock_to_lend(lender, place, items)
    books = books_of_taker(taker, lender, [row for rows in stock.values() for row in rows])
    countries = place.countries(taker.protocol) if used_in is None else used_in
    decisions, records, lent = [], [], list[Lent]()
    for item in items:
        own = as_the_lender_sees(stock[item.item], place.countries(lender.protocol))
        windows = expiry_windows(taker.protocol, item.kit_type)
        there = as_the_taker_sees(stock[item.item], item.kit_type, books, place, countries, windows)
        decision = choose_kits_to_lend(
            own,
            there,
            wanted[item.kit_type],
            item.keep,
            place.today,
            expiry_windows(lender.protocol, item.lent_type),
            windows,
        )
        chosen = [stock[item.item][index] for index in decision.chosen]
        lent += [(item, row) for row in chosen]
        record = {**asdict(decision), "chosen": [row.kit_number for row in chosen]}
        known = {"asked_as": item.kit_type, "there": facts_there(there, books, place, windows)}
        records.append({"kit_type": item.lent_type, "item": item.item, **record, **known})
        decisions.append(decision)
    return Offer(items, decisions, lent, books, records)


def change_books(
    taker: Transaction,
    lender: Transaction,
    place: PoolPlace,
    pool: str,
    offer: Offer,
    asked: Mapping[str, int],
    why: Mapping[str, Any] | None = None,
    answer: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the entry of each ledger; gives the answer of the taker's. `why`: what asked for it, where it was not a person.

    `answer`: another one than that of a taking by hand.
    """
    numbers = tuple(row.kit_number for _, row in offer.lent)
    site_id = place.key if place.kind == Place.SITE else None
    shared = {
        "pool": pool,
        "level": place.kind.value,
        "place": place.key,
        "moved_on": place.today.isoformat(),
        **({"depot_id": place.key} if place.kind == Place.DEPOT else {}),
    }
    lending = {
        **shared,
        "to_study": taker.study_id,
        "kits": [[number, place.stock.value, place.kind.value, place.key] for number in numbers],
        "decisions": list(offer.records),
    }
    lender.append(lending, answer={}, site_id=site_id, kit_numbers=numbers, follows="lend_kits")
    told = {
        "pool": pool,
        "from_study": lender.study_id,
        "place": place.key,
        "kits": len(numbers),
        "kit_types": offer.kits_of,
    }
    taking = {
        **shared,
        "from_study": lender.study_id,
        "asked": dict(asked),
        **(why or {}),
        **_coming_in(taker, place, offer.lent, offer.books),
    }
    return taker.append(taking, answer=answer or told, site_id=site_id, kit_numbers=numbers)


def require_same_mode(taker: Transaction, lender: Transaction) -> None:
    """Raise DomainRefusal (`pool-mode`) for studies of another mode."""
    if taker.protocol.study.mode != lender.protocol.study.mode:
        raise DomainRefusal(
            f"study {taker.study_id} is in mode {taker.protocol.study.mode}, {lender.study_id} in {lender.protocol.study.mode}",
            code="pool-mode",
            field="from_study",
            fix="kits go only between studies of the same mode",
        )


def _wanted(taker: Transaction, request: TakeFromPoolRequest) -> dict[str, int]:
    """Kit type -> kits to take. What comes to a site shows there, so a single kit or type is made up as in any order."""
    supplies, policy = kit_type_supplies(taker.protocol), order_policy(taker.protocol)
    lines = plan_transfer({}, request.kit_types, supplies, policy)  # refuses kit types that are not there
    if request.site_id is None:
        return dict(request.kit_types)
    return {line.kit_type: line.ordered for line in lines}


def _coming_in(
    taker: Transaction, place: PoolPlace, lent: Sequence[Lent], books: TakerBooks
) -> dict[str, Any]:
    """What the taker's entry says of kits that come in, and of lots that it did not know."""
    countries = [one.code for one in taker.protocol.countries]
    lots = lots_to_make_known([(item.kit_type, row) for item, row in lent], books, countries)
    rows = []
    for (item, row), sequence in zip(lent, drawn_sequences(taker, len(lent)), strict=True):
        windows = expiry_windows(taker.protocol, item.kit_type)
        dates = kit_dates(books.expiries[row.lot_id], place.country, row.printed_expiry, windows)
        in_order = (dates.last_ship, dates.last_count, dates.last_dispense, dates.expiry)
        rows.append(
            [
                row.kit_number,
                item.kit_type,
                row.lot_id,
                sequence,
                *(day.isoformat() for day in in_order),
                None if row.printed_expiry is None else row.printed_expiry.isoformat(),
            ]
        )
    return {
        "lots": lots,
        "lot_countries": [
            [one["lot_id"], country, expiry.isoformat()]
            for one in lots
            for country, expiry in sorted(books.expiries[one["lot_id"]].by_country.items())
            if country in countries
        ],
        "kits": rows,
    }

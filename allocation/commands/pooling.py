"""Kits of a pool from the books of one study into those of another: one transaction, and an entry in each ledger.

The kits stay where they are. The lender's entry says what was decided and why, the other's what came in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
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
from allocation.rules.pooling import choose_kits_to_lend
from allocation.rules.site_transfer import plan_transfer
from allocation.study.model import Code

Lent = tuple[PooledItem, Row[Any]]
"""A kit that goes, with the item of the pool that it is."""


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
        lender = Transaction(
            taker.connection,
            service,
            act,
            request.from_study,
            "lend_kits",
            taker.request_sha256,
            taker.now,
        )
        place = enter_place((taker, lender), *request.place)
        require_reason_and_signature(taker, KitAct.LEND)
        _require_same_mode(taker, lender)
        wanted = _wanted(taker, request)
        items = agreed_items(taker.protocol, lender.protocol, request.pool, place.kind, wanted)
        stock = stock_to_lend(lender, place, items)
        books = books_of_taker(taker, lender, [row for rows in stock.values() for row in rows])
        lent: list[Lent] = []
        decisions = []
        for item in items:
            own = as_the_lender_sees(stock[item.item], place.countries(lender.protocol))
            windows = expiry_windows(taker.protocol, item.kit_type)
            there = as_the_taker_sees(
                stock[item.item], item.kit_type, books, place, place.countries(taker.protocol), windows
            )
            decision = choose_kits_to_lend(
                own,
                there,
                wanted[item.kit_type],
                item.keep,
                place.today,
                expiry_windows(lender.protocol, item.lent_type),
                windows,
            ).require_complete()
            chosen = [stock[item.item][index] for index in decision.chosen]
            lent += [(item, row) for row in chosen]
            record = {**asdict(decision), "chosen": [row.kit_number for row in chosen]}
            known = {"asked_as": item.kit_type, "there": facts_there(there, books, place, windows)}
            decisions.append({"kit_type": item.lent_type, "item": item.item, **record, **known})
        numbers = tuple(row.kit_number for _, row in lent)
        shared = {
            "pool": request.pool,
            "level": place.kind.value,
            "place": place.key,
            "moved_on": place.today.isoformat(),
            **({"depot_id": place.key} if place.kind == Place.DEPOT else {}),
        }
        lending = {
            **shared,
            "to_study": study_id,
            "kits": [[number, place.stock.value, place.kind.value, place.key] for number in numbers],
            "decisions": decisions,
        }
        lender.append(lending, answer={}, site_id=request.site_id, kit_numbers=numbers, follows="lend_kits")
        answer = {
            "pool": request.pool,
            "from_study": request.from_study,
            "place": place.key,
            "kits": len(numbers),
            "kit_types": dict(wanted),
        }
        taking = {
            **shared,
            "from_study": request.from_study,
            "asked": dict(request.kit_types),
            **_coming_in(taker, place, lent, books),
        }
        return taker.append(taking, answer=answer, site_id=request.site_id, kit_numbers=numbers)

    return execute(service, act, study_id, "take_from_pool", request, body)


def _require_same_mode(taker: Transaction, lender: Transaction) -> None:
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

"""Pools in a resupply run: where a depot of the study is short of what the run is to order, other studies lend it what is missing.

Both protocols say `automatic` for the pool. What is missing at a depot is taken before the orders of a run are filled; what a site's
order still lacks is then taken from a pool at that site. Each taking is a transaction and has an entry in each ledger, as one by hand
(pooling.py). It is an act of the system, by the two protocols: whoever asked for the run needs no role in the other study.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.depot_supply import depot_need, depot_situations
from allocation.commands.open_sites import site_at
from allocation.commands.pool_shortages import Short, kits_missing, shortage_at_depot, top_ups_at_site
from allocation.commands.pool_stock import PooledItem, agreed_items, enter_place
from allocation.commands.pooling import change_books, lending_side, offered, require_same_mode
from allocation.commands.satellite_supply import supplied_situations
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.site_supply import SiteAt, SiteNeed, kit_type_supplies, order_policy, site_need
from allocation.commands.transaction import Transaction, earlier_answer, execute
from allocation.errors import DomainRefusal
from allocation.ledger.schema import site, study
from allocation.ledger.versions import VERSION_IN_STUDY, protocol_of, version_in_country
from allocation.rules.kit_status import Place
from allocation.rules.pooling import quantities_at_site
from allocation.study.pools import Pool, pool_of
from allocation.study.protocol import Protocol
from allocation.study.satellites import pharmacy_of

NOTHING_TO_SPARE = "the other study has nothing to spare here that this one may use"
TAKEN = "taken"

Missing = Callable[[Transaction], tuple[Short, list[dict[str, Any]], tuple[str, ...]]]
"""Under the lock of the place: what is missing, the facts that say so, and the countries where it is to be used."""

Asked = Mapping[str, Mapping[str, int]]
"""Kit type -> kits that are wanted, by the site or depot that wants them."""

_ANY_NUMBER = 1_000_000


class TakeForRunRequest(CommandRequest):
    """The part of a run that takes from one study's pool at one place. What is short is decided under the lock, so it is no part of it."""

    run_id: str = Field(exclude=True)
    pool: str
    from_study: str
    place_kind: str
    place: str
    refills: str = ""
    """The depot whose order it is taken for; empty: the orders of sites."""


@dataclass
class PoolsOfRun:
    """What one run tries to take. `tries`: each kit type that was asked of another study, what came of it, and why not more."""

    service: Service
    study_id: str
    run_id: str
    base_key: str
    asked_by: str
    tries: list[dict[str, Any]] = field(default_factory=list)

    def for_sites(self, needs: Sequence[tuple[SiteAt, SiteNeed]]) -> None:
        """Before the orders of sites: what their depots lack for all of them together."""
        if not self._any(Place.DEPOT):
            return
        by_depot: dict[str, list[SiteAt]] = defaultdict(list)
        with self.service.database.read() as connection:
            for at, need in needs:
                protocol = protocol_of(connection, self.study_id, at.version, self.service.protocols)
                if need.lines and pharmacy_of(protocol, at.site_id) is None:
                    by_depot[at.depot_id].append(at)
        for depot_id, places in by_depot.items():
            asking = partial(self._sites_ask, places)
            self._at_depot(depot_id, asking, {at.site_id: (at.country,) for at in places})

    def _sites_ask(self, places: Sequence[SiteAt], connection: Connection, now: datetime) -> Asked:
        situations = supplied_situations(connection, self.study_id, places, now, self.service.protocols)
        asked: dict[str, dict[str, int]] = defaultdict(dict)
        for situation in situations:
            for line in site_need(situation).lines:
                asked[line.kit_type][situation.at.site_id] = line.ordered
        return asked

    def for_depot(self, supplier: str, depot_id: str, countries: tuple[str, ...]) -> None:
        """Before the order of a depot that another one refills: what that one lacks for it."""
        if not self._any(Place.DEPOT):
            return
        self._at_depot(supplier, partial(self._depot_asks, depot_id), {depot_id: countries}, refills=depot_id)

    def _depot_asks(self, depot_id: str, connection: Connection, now: datetime) -> Asked:
        version = connection.execute(
            select(VERSION_IN_STUDY), {"study": self.study_id, "now": now}
        ).scalar_one()
        situations = depot_situations(connection, self.study_id, version, now, self.service.protocols)
        (need,) = [depot_need(one) for one in situations if one.at.depot_id == depot_id]
        return {line.kit_type: {depot_id: line.ordered} for line in need.lines}

    def at_site(self, site_id: str, lacking: Mapping[str, int]) -> None:
        """After the order of a site: what it lacks, from a pool at the site itself."""

        def missing(taker: Transaction) -> tuple[Short, list[dict[str, Any]], tuple[str, ...]]:
            row = taker.connection.execute(
                select(site, version_in_country(site.c.country)).where(
                    site.c.study_id == self.study_id, site.c.site_id == site_id
                ),
                {"study": self.study_id, "now": taker.now},
            ).one()
            at = site_at(row, taker.now)
            top_ups = top_ups_at_site(taker.connection, self.study_id, at, taker.now, self.service.protocols)
            short = {code: min(kits, top_ups.get(code, 0)) for code, kits in lacking.items()}
            basis = [
                {"kit_type": code, "shortfall": kits, "top_up": top_ups.get(code, 0)}
                for code, kits in lacking.items()
            ]
            return {code: kits for code, kits in short.items() if kits}, basis, (at.country,)

        if lacking and self._any(Place.SITE):
            self._take(Place.SITE, site_id, dict(lacking), missing)

    def _at_depot(
        self,
        depot_id: str,
        asking: Callable[[Connection, datetime], Asked],
        countries: Mapping[str, tuple[str, ...]],
        refills: str = "",
    ) -> None:
        """`asking`: what is wanted of the depot. It is asked again under the lock: another run may have ordered it meanwhile."""

        def missing(taker: Transaction) -> tuple[Short, list[dict[str, Any]], tuple[str, ...]]:
            wanted = asking(taker.connection, taker.now)
            shared = shortage_at_depot(
                taker.connection, self.study_id, depot_id, wanted, countries, taker.now
            )
            asked = {code: kits_missing(one) for code, one in shared.items()}
            short = {code: kits for code, kits in asked.items() if kits}
            used_in = {
                country
                for code in short
                for asker, share in shared[code].shares.items()
                if share < wanted[code][asker]
                for country in countries[asker]
            }
            return short, [asdict(shared[code]) for code in short], tuple(sorted(used_in))

        with self.service.database.read() as connection:
            now = self.service.clock()
            wanted = asking(connection, now)
            shared = shortage_at_depot(connection, self.study_id, depot_id, wanted, countries, now)
        short = {code: kits for code, one in shared.items() if (kits := kits_missing(one))}
        self._take(Place.DEPOT, depot_id, short, missing, refills)

    def _take(self, kind: Place, place: str, short: Short, missing: Missing, refills: str = "") -> None:
        """Ask one study after the other, in the order of their ids, until nothing is missing."""
        left = dict(short)
        if not left:
            return
        for pool, lender in self._lenders(kind, left):
            if not left:
                return
            request = TakeForRunRequest(
                run_id=self.run_id,
                pool=pool,
                from_study=lender,
                place_kind=kind.value,
                place=place,
                refills=refills,
            )
            rows = self._taken(request, missing, left)
            self.tries += rows
            for row in rows:
                left[row["kit_type"]] = left.get(row["kit_type"], 0) - len(row["kits"])
            left = {code: kits for code, kits in left.items() if kits > 0}

    def _lenders(self, kind: Place, short: Short) -> list[tuple[str, str]]:
        """Pool and study, of all that have an automatic pool at such places with an item that is short."""
        now = self.service.clock()
        with self.service.database.read() as connection:
            others = connection.execute(select(study.c.study_id).order_by(study.c.study_id)).scalars().all()
            ours = self._pools(connection, self.study_id, kind, now)
            found = []
            for other in others if ours else ():
                theirs = {one.code: one for one in self._pools(connection, other, kind, now)}
                for pool in ours if other != self.study_id else ():
                    items = {one.item for one in pool.items if one.kit_type in short}
                    if pool.code in theirs and items & {one.item for one in theirs[pool.code].items}:
                        found.append((pool.code, other))
        return found

    def _any(self, kind: Place) -> bool:
        """Whether the study has such a pool at all: most have none, and their runs read no more than they must."""
        with self.service.database.read() as connection:
            return bool(self._pools(connection, self.study_id, kind, self.service.clock()))

    def _pools(self, connection: Connection, study_id: str, kind: Place, now: datetime) -> list[Pool]:
        version = connection.execute(select(VERSION_IN_STUDY), {"study": study_id, "now": now}).scalar()
        if version is None:
            return []
        protocol = protocol_of(connection, study_id, version, self.service.protocols)
        return [one for one in protocol.supply.pools if one.automatic and one.level == kind.value]

    def _taken(self, request: TakeForRunRequest, missing: Missing, left: Short) -> list[dict[str, Any]]:
        """One taking, whole in both ledgers or not made; the rows say what it was made of, or why it was not."""
        parts = [self.base_key, "pool", request.refills, request.place, request.pool, request.from_study]
        reason = f"resupply run {self.run_id} of study {self.study_id}, asked for by {self.asked_by}"
        act = Act(SYSTEM_ACTOR, ":".join(parts), reason)

        def body(taker: Transaction) -> dict[str, Any]:
            return self._take_in(taker, request, missing)

        try:
            answer = earlier_answer(self.service, act, self.study_id, "take_from_pool", request)
            answer = answer or execute(self.service, act, self.study_id, "take_from_pool", request, body)
        except DomainRefusal as refusal:
            # Whatever stands against one taking, the run goes on, and says so.
            return [self._row(request, code, kits, (), str(refusal)) for code, kits in left.items()]
        return list(answer["tries"])

    def _take_in(self, taker: Transaction, request: TakeForRunRequest, missing: Missing) -> dict[str, Any]:
        lender = lending_side(taker, request.from_study)
        place = enter_place((taker, lender), Place(request.place_kind), request.place)
        require_same_mode(taker, lender)
        _require_automatic(taker.protocol, lender.protocol, request.pool)
        short, basis, used_in = missing(taker)
        items, others = _items_of(taker.protocol, lender.protocol, request.pool, place.kind, short)
        wanted = {one.kit_type: short.get(one.kit_type, 0) for one in items}
        if place.kind == Place.SITE:
            # What can be lent at most decides what comes, since what comes shows at the site.
            most = offered(taker, lender, place, items, dict.fromkeys(wanted, _ANY_NUMBER), used_in).kits_of
            protected = quantities_at_site(
                {code: kits for code, kits in wanted.items() if kits},
                most,
                kit_type_supplies(taker.protocol),
                order_policy(taker.protocol),
            )
            items = [one for one in items if one.kit_type in protected]
            wanted = protected
        offer = offered(taker, lender, place, items, wanted, used_in)
        came: dict[str, list[str]] = defaultdict(list)
        for item, row in offer.lent:
            came[item.kit_type].append(row.kit_number)
        rows = [
            self._row(
                request,
                code,
                short.get(code, 0),
                came[code],
                TAKEN if len(came[code]) >= short.get(code, 0) else NOTHING_TO_SPARE,
            )
            for code in dict.fromkeys((*(code for code in short if code not in others), *came))
        ]
        answer = {"tries": rows}
        if not offer.lent:
            return answer
        why = {"run_id": self.run_id, "basis": basis, "tries": rows}
        change_books(taker, lender, place, request.pool, offer, wanted, why, answer=answer)
        return answer

    def _row(
        self, request: TakeForRunRequest, kit_type: str, short: int, kits: Sequence[str], why: str
    ) -> dict[str, Any]:
        return {
            "pool": request.pool,
            "from_study": request.from_study,
            "level": request.place_kind,
            "place": request.place,
            "refills": request.refills,
            "kit_type": kit_type,
            "short": short,
            "kits": list(kits),
            "why": why,
        }


def _require_automatic(ours: Protocol, theirs: Protocol, pool: str) -> None:
    """Ask again under the lock: a version that took effect meanwhile may have ended it."""
    if not all(
        found is not None and found.automatic for found in (pool_of(ours, pool), pool_of(theirs, pool))
    ):
        raise DomainRefusal(
            f"the pool {pool} is not automatic in both studies",
            code="pool-not-automatic",
            field="pool",
            fix="take by hand, or say `automatic: true` in both protocols",
        )


def _items_of(
    ours: Protocol, theirs: Protocol, pool: str, level: Place, short: Short
) -> tuple[list[PooledItem], list[str]]:
    """The items that may be taken, and the kit types that are short and no item of this pool in both studies.

    At a site also the items that look like those that are short, with which a taking may have to be made up.
    """
    here, there = pool_of(ours, pool), pool_of(theirs, pool)
    theirs_too = {one.item for one in there.items} if there is not None else set()
    pooled = [one.kit_type for one in here.items if one.item in theirs_too] if here is not None else []
    looks = {one.code: one.blinding_group for one in ours.kit_types}
    wanted = {looks[code] for code in short if code in looks} if level == Place.SITE else set()
    codes = [code for code in pooled if code in short or looks[code] in wanted]
    return agreed_items(ours, theirs, pool, level, codes), [code for code in short if code not in pooled]

"""Resupply by event: a site whose stock an entry reduced waits, in the same transaction, to be decided soon (`supply.on_event`).

A row of the queue is worked off by a resupply run that decides its site, whoever asked for that run: the rows go in the transaction of the
run's own entry, which names them. So each is answered at least once, and a run that was cut off leaves them waiting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from allocation.commands.site_supply import OPEN_STATUSES
from allocation.ledger.schema import kit, resupply_waiting, shipment, shipment_kit, site
from allocation.ledger.versions import Protocols, countries_in_force, protocol_of
from allocation.rules.kit_status import KitStatus, Place

FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)

_HAND_OUT: Final = frozenset({"dispense", "replace_kit"})
_ON_KITS: Final = frozenset(
    {
        "quarantine_kits",
        "report_kits_damaged",
        "report_kits_lost",
        "recall_lot",
        "expire_kits",
        "record_excursion",
        "judge_lot",
    }
)
"""Their payload names each kit with the state that it was taken out of. What is done to kits in quarantine or to broken ones is not among
them: those were not counted before either, and the site was asked for when they went there."""

_ON_LOTS: Final = {"change_lot_release": "withdrawn_from", "change_lot_expiry": "sooner_in"}
"""What changes where or how long a whole lot may be used -> where its payload names the countries that can use less of it now."""

_ON_COMING: Final = frozenset({"cancel_shipment", "refuse_order", "lose_shipment"})
"""They take away what was coming to the entry's site."""

Waiting = tuple[str, int, str]
"""A row of the queue: site, number of the entry, its command."""


def queue_for_resupply(
    connection: Connection,
    study_id: str,
    version: int,
    entry_id: int,
    command: str,
    site_id: str | None,
    after: dict[str, Any],
    now: datetime,
    known: Protocols,
) -> None:
    """Let the sites wait that the entry left with less, where the study decides by event; in the caller's transaction.

    `version`: the protocol version that the act was decided under, which is that of its site where it has one.
    """
    sites = _sites_with_less(connection, study_id, command, site_id or "", after)
    if sites and sites == {site_id}:
        sites = sites if protocol_of(connection, study_id, version, known).supply.on_event else set()
    elif sites:
        sites = _deciding_by_event(connection, study_id, sites, now, known)
    if sites:
        row = {"study_id": study_id, "entry_id": entry_id, "command": command, "attempts": 0}
        connection.execute(
            insert(resupply_waiting), [{**row, "site_id": one, "next_try_at": now} for one in sorted(sites)]
        )


def _sites_with_less(
    connection: Connection, study_id: str, command: str, site_id: str, after: dict[str, Any]
) -> set[str]:
    """The sites whose countable stock or pipeline the entry reduced."""
    if command in _HAND_OUT:
        return {site_id}
    if command in ("transfer_kits", "order_shipment"):  # of orders, those that a central pharmacy fills
        kind, place = after.get("from", (Place.DEPOT.value, ""))
        return {place} if kind == Place.SITE else set()
    if command == "receive_shipment":
        bad = any(found != "available" for _, found in after["kits"])
        return ({site_id} if bad else set()) | _taken_out_of(connection, study_id, after.get("unlisted", ()))
    if command == "dispatch_shipment":
        return {site_id} if after["left_behind"] else set()
    if command == "exchange_kit":
        return {site_id} if after["replacement"] is None else set()
    if command in _ON_COMING or command == "lend_kits":
        return {site_id} if site_id else set()
    if command == "declare_return":
        usable = any(status == KitStatus.SITE_AVAILABLE for _, status, *_ in after["kits"])
        return {site_id} if usable else set()
    if command in _ON_LOTS:
        return _holding(connection, study_id, after["lot_id"], after.get(_ON_LOTS[command], ()))
    return _taken_out_of(connection, study_id, after["kits"]) if command in _ON_KITS else set()


def _taken_out_of(connection: Connection, study_id: str, kits: Iterable[Sequence[Any]]) -> set[str]:
    """The sites that had these kits as stock, or were to get them; each kit with the state that it was taken out of."""
    here, coming = set[str](), []
    for number, status, place_kind, place, *_ in kits:
        if (status, place_kind) == (KitStatus.SITE_AVAILABLE, Place.SITE):
            here.add(place)
        elif status in (KitStatus.REQUESTED, KitStatus.IN_TRANSIT):
            coming.append(number)
    return here | _destinations(connection, study_id, coming)


def _holding(connection: Connection, study_id: str, lot_id: str, countries: Iterable[str]) -> set[str]:
    """The sites of these countries that have kits of the lot as stock, or are to get some."""
    of_lot = (kit.c.study_id == study_id, kit.c.lot_id == lot_id)
    stock = select(kit.c.place).where(
        *of_lot, kit.c.place_kind == Place.SITE.value, kit.c.status == KitStatus.SITE_AVAILABLE.value
    )
    coming = (KitStatus.REQUESTED.value, KitStatus.IN_TRANSIT.value)
    ordered = select(kit.c.kit_number).where(*of_lot, kit.c.status.in_(coming))
    held = set(connection.execute(stock.distinct()).scalars())
    held |= _destinations(connection, study_id, list(connection.execute(ordered).scalars()))
    there = select(site.c.site_id).where(
        site.c.study_id == study_id, site.c.site_id.in_(held), site.c.country.in_(list(countries))
    )
    return set(connection.execute(there).scalars())


def _destinations(connection: Connection, study_id: str, numbers: Sequence[str]) -> set[str]:
    """The sites that open shipments were to bring these kits to."""
    if not numbers:
        return set()
    found = connection.execute(
        select(shipment.c.to_place)
        .join_from(
            shipment,
            shipment_kit,
            (shipment_kit.c.study_id == shipment.c.study_id)
            & (shipment_kit.c.shipment_id == shipment.c.shipment_id),
        )
        .where(
            shipment.c.study_id == study_id,
            shipment.c.to_kind == Place.SITE.value,
            shipment.c.status.in_(OPEN_STATUSES),
            shipment_kit.c.kit_number.in_(numbers),
        )
        .distinct()
    )
    return set(found.scalars())


def _deciding_by_event(
    connection: Connection, study_id: str, sites: Iterable[str], now: datetime, known: Protocols
) -> set[str]:
    """Those of the sites where the version in force in their country decides by event."""
    by_event = {
        country
        for country, version in countries_in_force(connection, study_id, now).items()
        if protocol_of(connection, study_id, version, known).supply.on_event
    }
    query = select(site.c.site_id).where(
        site.c.study_id == study_id, site.c.site_id.in_(sites), site.c.country.in_(by_event)
    )
    return set(connection.execute(query).scalars()) if by_event else set()


def waiting_at(connection: Connection, study_id: str, sites: Iterable[str]) -> dict[str, list[Waiting]]:
    """Site -> what it waits for, in the order of the entries; sites that wait for nothing are left out."""
    table = resupply_waiting.c
    rows = connection.execute(
        select(table.site_id, table.entry_id, table.command)
        .where(table.study_id == study_id, table.site_id.in_(list(sites)))
        .order_by(table.site_id, table.entry_id)
    )
    found: dict[str, list[Waiting]] = defaultdict(list)
    for row in rows:
        found[row.site_id].append((row.site_id, row.entry_id, row.command))
    return dict(found)


def take_away(connection: Connection, study_id: str, rows: Iterable[Waiting]) -> None:
    """The rows are answered; in the transaction of what answers them."""
    table = resupply_waiting.c
    for site_id, entry_id, _ in rows:
        connection.execute(
            delete(resupply_waiting).where(
                table.study_id == study_id, table.site_id == site_id, table.entry_id == entry_id
            )
        )


def due_at(connection: Connection, study_id: str, now: datetime) -> list[str]:
    """The sites that wait and may be tried at `now` (UTC), by name."""
    table = resupply_waiting.c
    query = select(table.site_id).where(table.study_id == study_id, table.next_try_at <= now).distinct()
    return sorted(connection.execute(query).scalars())


def put_off(connection: Connection, study_id: str, site_id: str, now: datetime) -> None:
    """The site could not be decided: it is tried again after 30 s, doubled each time, at most 1 h."""
    table = resupply_waiting.c
    rows = (table.study_id == study_id) & (table.site_id == site_id)
    tried = max(connection.execute(select(table.attempts).where(rows)).scalars(), default=0)
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(tried, 16)))
    connection.execute(
        update(resupply_waiting).where(rows).values(attempts=tried + 1, next_try_at=now + pause)
    )

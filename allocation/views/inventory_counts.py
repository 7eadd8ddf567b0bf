"""Counting kits now or as of a past moment: from the projections, or by following kits through the ledger. UNBLINDING: types and lots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, case, func, literal, or_, select

from allocation.errors import DomainRefusal
from allocation.ledger.database import Database
from allocation.ledger.kit_follower import kits_as_of
from allocation.ledger.schema import kit, ledger_entry, ledger_seal
from allocation.ledger.sealing import seal_pending
from allocation.rules.kit_status import KitStatus, Place

HELD = (Place.DEPOT.value, Place.SITE.value)
IN_FLIGHT = (KitStatus.REQUESTED.value, KitStatus.IN_TRANSIT.value)


@dataclass(frozen=True, slots=True)
class AsOf:
    """The moment (UTC) of a view, and the ledger position if it was asked for by one. `past`: the ledger is read back to it."""

    moment: datetime
    position: int | None = None
    past: bool = False


class KitLine(NamedTuple):
    """Kits that are alike. `place` names depots, sites and shipments; `shipment_id` is set while a shipment is under way."""

    place_kind: str
    place: str
    kit_type: str
    lot_id: str
    expiry_date: date
    last_dispense_date: date
    status: str
    shipment_id: str


def as_of(database: Database, study_id: str, text: str | None, now: datetime) -> AsOf:
    """The moment that `text` means: a ledger position, or an ISO moment with its offset; None: `now`.

    Raises DomainRefusal for what is neither, a moment without an offset or ahead of now, and a position that the ledger does not have.
    """
    if text is None:
        return AsOf(now)
    if text.isdecimal():
        return _at_position(database, study_id, int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _refused(f"{text!r} is neither a ledger position nor a moment with its offset")
    if moment > now:
        raise _refused(f"{text} is still to come")
    return AsOf(moment.astimezone(UTC), past=True)


def _at_position(database: Database, study_id: str, position: int) -> AsOf:
    seal_pending(database)
    query = (
        select(ledger_entry.c.recorded_at)
        .join_from(ledger_seal, ledger_entry)
        .where(ledger_seal.c.study_id == study_id, ledger_seal.c.position == min(position, 2**31))
    )
    with database.read() as connection:
        moment = connection.execute(query).scalar()
    if moment is None:
        raise _refused(f"the ledger of {study_id} has no position {position}")
    return AsOf(moment, position, past=True)


def _refused(what: str) -> DomainRefusal:
    return DomainRefusal(
        what,
        code="unknown-moment",
        field="as_of",
        fix="give a position such as 1200, or a moment such as 2026-03-01T08:00:00Z",
    )


def kit_counts(database: Database, connection: Connection, study_id: str, at: AsOf) -> Counter[KitLine]:
    """How many kits there are of each line, as of `at`."""
    if not at.past:
        return _counted_now(connection, study_id)
    seal_pending(database)
    until = {"position": at.position} if at.position is not None else {"moment": at.moment}
    counts: Counter[KitLine] = Counter()
    for one in kits_as_of(database, study_id, **until).values():
        in_flight = one.status in IN_FLIGHT
        named = one.place_kind in (*HELD, Place.TRANSIT.value)
        line = KitLine(
            one.place_kind,
            one.place if named else "",
            one.kit_type,
            one.lot_id,
            one.expiry_date,
            one.last_dispense_date,
            one.status,
            (one.shipment_id or "") if in_flight else "",
        )
        counts[line] += 1
    return counts


def _counted_now(connection: Connection, study_id: str) -> Counter[KitLine]:
    named = kit.c.place_kind.in_((*HELD, Place.TRANSIT.value))
    keys = (
        kit.c.place_kind,
        case((named, kit.c.place), else_=literal("")).label("place"),
        kit.c.kit_type,
        kit.c.lot_id,
        kit.c.expiry_date,
        kit.c.last_dispense_date,
        kit.c.status,
        case(
            (
                or_(kit.c.status == IN_FLIGHT[0], kit.c.status == IN_FLIGHT[1]),
                func.coalesce(kit.c.shipment_id, ""),
            ),
            else_=literal(""),
        ).label("shipment_id"),
    )
    rows = connection.execute(
        select(*keys, func.count().label("kits")).where(kit.c.study_id == study_id).group_by(*keys)
    )
    return Counter({KitLine(*row[:-1]): row.kits for row in rows})

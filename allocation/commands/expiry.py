"""Turning expired kits over: stock whose expiry date has come is no longer stock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from allocation.commands.lot_expiry import country_of_kit, lots_by_country
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, earlier_answer, execute
from allocation.ledger.schema import depot, kit, site
from allocation.rules.expiry import is_expired, kit_expiry_date
from allocation.rules.expiry_change import LotExpiry
from allocation.rules.kit_status import TRANSITIONS
from allocation.rules.kit_status import Act as KitAct

EXPIRING = sorted({str(row.from_status) for row in TRANSITIONS if row.act == KitAct.EXPIRE})
"""The states from which the table of kit states lets a kit expire."""


class ExpireKitsRequest(CommandRequest):
    """Turn over all kits that are expired now, each by the date at its place."""


def _binding(connection: Connection, study_id: str, row: Row[Any], lots: Mapping[str, LotExpiry]) -> date:
    """The date that binds a kit where it is. One that left an order for quarantine may carry the date of where it was to go."""
    held: date = row.expiry_date
    lot = lots.get(row.lot_id)
    if lot is None:
        return held
    return kit_expiry_date(
        lot.own, lot.for_use_in(country_of_kit(connection, study_id, row)), row.printed_expiry
    )


def expire_kits(service: Service, act: Act, study_id: str, request: ExpireKitsRequest) -> dict[str, Any]:
    """Turn over expired kits at depots and sites; answers their number. With none, nothing is written."""

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        connection = transaction.connection
        places = {
            ("depot", row.depot_id): row.timezone
            for row in connection.execute(select(depot).where(depot.c.study_id == study_id))
        }
        places |= {
            ("site", row.site_id): row.timezone
            for row in connection.execute(select(site).where(site.c.study_id == study_id))
        }
        today = {place: transaction.at_zone(timezone) for place, timezone in places.items()}
        latest = max(today.values(), default=transaction.today)
        lots = lots_by_country(connection, study_id)
        rows = connection.execute(
            select(kit)
            .where(
                kit.c.study_id == study_id,
                or_(kit.c.expiry_date <= latest, kit.c.lot_id.in_(lots)),
                kit.c.status.in_(EXPIRING),
                kit.c.place_kind.in_(("depot", "site")),
            )
            .order_by(kit.c.kit_number)
            .with_for_update()
        )
        expired = [
            row
            for row in rows
            if is_expired(today[row.place_kind, row.place], _binding(connection, study_id, row, lots))
        ]
        if not expired:
            return {"kits": 0}
        after = {
            "as_of": transaction.today.isoformat(),
            "kits": [
                [
                    row.kit_number,
                    row.status,
                    row.place_kind,
                    row.place,
                    row.kit_type,
                    row.lot_id,
                    row.expiry_date.isoformat(),
                ]
                for row in expired
            ],
        }
        return transaction.append(
            after, answer={"kits": len(expired)}, kit_numbers=tuple(row.kit_number for row in expired)
        )

    # A retry finds nothing left to expire, writes nothing, and so would not meet its own earlier entry.
    answer = earlier_answer(service, act, study_id, "expire_kits", request)
    return answer or execute(service, act, study_id, "expire_kits", request, body)

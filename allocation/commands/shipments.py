"""Shipments on their way: dispatched by the depot, received by the site with a disposition for every kit."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Row, Select, select

from allocation.commands.kit_authority import require_roles
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.projections.kit_moves import transition
from allocation.ledger.schema import depot, kit, shipment, site
from allocation.ledger.shipment_ends import ShipmentEnds, ends_of_row
from allocation.plain_values import Day
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place, rows_of
from allocation.study.parameters import depot_lead_time_days, lead_time_days
from allocation.study.satellites import days_from_pharmacy, pharmacy_of

Disposition = Literal["available", "damaged", "quarantined", "lost"]


class DispatchRequest(CommandRequest):
    """A shipment that leaves its depot. `expected_on`: left out, the lane's lead time from the depot's date."""

    shipment_id: str = Field(min_length=1, max_length=60)
    carrier: str = Field(default="", max_length=100)
    tracking_number: str = Field(default="", max_length=100)
    expected_on: Day | None = None


class ReceiveRequest(CommandRequest):
    """A shipment that arrives. Kits that are not named in `dispositions` arrived in good order; quarantined ones stay so."""

    shipment_id: str = Field(min_length=1, max_length=60)
    dispositions: dict[str, Disposition] = Field(default_factory=dict)


def entered_shipment(
    transaction: Transaction, shipment_id: str, *, leaves: bool = False
) -> tuple[Row[Any], ShipmentEnds]:
    """Act at the place that a shipment goes to, or `leaves`; gives its row and its ends.

    Whoever may act at a depot at the other end may do it, too. Raises NotFound; strangers learn nothing of which shipments there are.
    """
    found = transaction.connection.execute(_by_id(transaction, shipment_id)).first()
    if found is None:
        transaction.refuse_strangers()
        raise NotFound(
            f"shipment {shipment_id!r} is not known", field="shipment_id", fix="give a shipment of this study"
        )
    ends = ends_of_row(found)
    site_id = ends.from_place if leaves and ends.from_kind == Place.SITE else ends.site_id
    if site_id is None:
        transaction.in_study(depot_id=ends.from_place if leaves else ends.to_place)
    else:
        transaction.at_site(site_id, depot_id=ends.depot_id)
    return found, ends


def _by_id(transaction: Transaction, shipment_id: str) -> Select[Any]:
    return select(shipment).where(
        shipment.c.study_id == transaction.study_id, shipment.c.shipment_id == shipment_id
    )


def _shipment(transaction: Transaction, shipment_id: str, status: str, *, leaves: bool) -> ShipmentEnds:
    _, ends = entered_shipment(transaction, shipment_id, leaves=leaves)
    locked = transaction.connection.execute(_by_id(transaction, shipment_id).with_for_update()).one()
    if locked.status != status:
        raise DomainRefusal(
            f"shipment {shipment_id} is {locked.status}, not {status}",
            code="shipment-state",
            field="shipment_id",
            fix="nothing was changed",
        )
    return ends


def _kits(transaction: Transaction, shipment_id: str, status: KitStatus) -> list[Row[Any]]:
    query = select(kit.c.kit_number, kit.c.last_ship_date, kit.c.place_kind).where(
        kit.c.study_id == transaction.study_id, kit.c.shipment_id == shipment_id, kit.c.status == status.value
    )
    return list(transaction.connection.execute(query.order_by(kit.c.kit_number)))


def dispatch_shipment(service: Service, act: Act, study_id: str, request: DispatchRequest) -> dict[str, Any]:
    """Send a requested shipment off on the date where it leaves; answers its kits and the expected arrival.

    Kits that are past their last ship date by now stay behind, available there. Raises NotFound, NotPermitted; DomainRefusal when the
    shipment is not requested, it leaves a site and nobody says when it will arrive,
    none of its kits may ship, or it would arrive before it left.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        ends = _shipment(transaction, request.shipment_id, "requested", leaves=True)
        country = transaction.site_country
        require_roles(transaction, [transition(KitAct.DISPATCH, ends.from_kind)])
        today = _dispatch_date(transaction, ends)
        rows = _kits(transaction, request.shipment_id, KitStatus.REQUESTED)
        leaving = [row.kit_number for row in rows if row.last_ship_date >= today]
        left_behind = [row.kit_number for row in rows if row.last_ship_date < today]
        if not leaving:
            raise DomainRefusal(
                f"no kit of shipment {request.shipment_id} may still be shipped",
                code="nothing-to-ship",
                field="shipment_id",
                fix="cancel it",
            )
        by_pharmacy = pharmacy_of(transaction.protocol, ends.to_place) == ends.from_place
        if ends.from_kind == Place.SITE and request.expected_on is None and not by_pharmacy:
            raise DomainRefusal(
                f"no lane leads from site {ends.from_place}",
                code="expected-on-missing",
                field="expected_on",
                fix="say when the shipment is expected there",
            )
        if ends.from_kind == Place.SITE:
            lead_time = days_from_pharmacy(transaction.protocol, ends.to_place) if by_pharmacy else 0
        elif ends.to_kind == Place.DEPOT:
            lead_time = depot_lead_time_days(transaction.protocol, ends.from_place, ends.to_place)
        else:
            lead_time = lead_time_days(transaction.protocol, ends.from_place, country, ends.to_place)
        expected = request.expected_on or today + timedelta(days=lead_time)
        if expected < today:
            raise DomainRefusal(
                f"{expected} is before dispatch on {today}",
                code="arrival-before-dispatch",
                field="expected_on",
                fix="correct it",
            )
        after = {
            "shipment_id": request.shipment_id,
            **ends.payload(),
            "dispatched_on": today.isoformat(),
            "expected_on": expected.isoformat(),
            "carrier": request.carrier,
            "tracking_number": request.tracking_number,
            "kits": leaving,
            "left_behind": left_behind,
        }
        answer = {
            "shipment_id": request.shipment_id,
            "status": "in_transit",
            "kits": leaving,
            "expected_on": expected.isoformat(),
        }
        return transaction.append(
            after,
            before={"status": "requested"},
            answer=answer,
            site_id=ends.site_id,
            kit_numbers=tuple(leaving),
        )

    return execute(service, act, study_id, "dispatch_shipment", request, body)


def receive_shipment(service: Service, act: Act, study_id: str, request: ReceiveRequest) -> dict[str, Any]:
    """Receive a shipment at its site or depot, on the date there; answers how many kits got which disposition.

    Raises NotFound, NotPermitted; DomainRefusal when it is not in transit, a kit is named that is not in it, or one would come out of
    quarantine.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        ends = _shipment(transaction, request.shipment_id, "in_transit", leaves=False)
        coming = _kits(transaction, request.shipment_id, KitStatus.IN_TRANSIT)
        held = {
            row.kit_number
            for row in _kits(transaction, request.shipment_id, KitStatus.QUARANTINED)
            if row.place_kind == Place.TRANSIT
        }
        numbers = sorted({row.kit_number for row in coming} | held)
        if strangers := sorted(set(request.dispositions) - set(numbers)):
            raise DomainRefusal(
                f"kits {', '.join(strangers)} are not in shipment {request.shipment_id}",
                code="kit-not-in-shipment",
                field="dispositions",
                fix="name the shipment's own kits; report the others to the depot",
            )
        if released := sorted(one for one in held if request.dispositions.get(one) == "available"):
            raise DomainRefusal(
                f"kits {', '.join(released)} were quarantined on their way",
                code="kit-quarantined",
                field="dispositions",
                fix="receive them into quarantine; they are released from there",
            )
        receipt = KitAct.RECEIVE_AT_DEPOT if ends.to_kind == Place.DEPOT else KitAct.RECEIVE
        require_roles(transaction, rows_of(receipt))
        kits = [
            [number, request.dispositions.get(number, "quarantined" if number in held else "available")]
            for number in numbers
        ]
        after = {
            "shipment_id": request.shipment_id,
            **({"depot_id": ends.from_place} if "depot_id" in ends.payload() else ends.payload()),
            "received_on": _arrival_date(transaction, ends).isoformat(),
            "kits": kits,
            **({"quarantined_before": sorted(held)} if held else {}),
        }
        counts: dict[str, int] = {}
        for _, disposition in kits:
            counts[disposition] = counts.get(disposition, 0) + 1
        answer = {"shipment_id": request.shipment_id, "status": "received", "kits": counts}
        return transaction.append(
            after,
            before={"status": "in_transit"},
            answer=answer,
            site_id=ends.site_id,
            kit_numbers=tuple(numbers),
        )

    return execute(service, act, study_id, "receive_shipment", request, body)


def _dispatch_date(transaction: Transaction, ends: ShipmentEnds) -> date:
    """The date of the act where the shipment leaves; the depot, or the site whose pipeline it is in, stays locked."""
    if ends.from_kind == Place.DEPOT:
        at_depot = select(depot).where(
            depot.c.study_id == transaction.study_id, depot.c.depot_id == ends.from_place
        )
        return transaction.at_zone(transaction.connection.execute(at_depot.with_for_update()).one().timezone)
    receiver = select(site.c.site_id).where(
        site.c.study_id == transaction.study_id, site.c.site_id == ends.to_place
    )
    transaction.connection.execute(receiver.with_for_update()).all()
    return transaction.today


def _arrival_date(transaction: Transaction, ends: ShipmentEnds) -> date:
    """The date of the act where the shipment goes to."""
    if ends.to_kind == Place.SITE:
        return transaction.today
    zone = select(depot.c.timezone).where(
        depot.c.study_id == transaction.study_id, depot.c.depot_id == ends.to_place
    )
    return transaction.at_zone(transaction.connection.execute(zone).scalar_one())

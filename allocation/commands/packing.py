"""Packing a shipment at the depot: kits are scanned into the box, and one that cannot be packed is exchanged by the picking rule."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from sqlalchemy import Row, select

from allocation.commands.kit_authority import require_reason_and_signature
from allocation.commands.kit_candidates import all_kits_at_depot, candidates_from, kits_at_depot
from allocation.commands.lot_expiry import any_country_dates, dates_for_order, lot_expiries
from allocation.commands.lot_quantities import Bulk, LotQuantity, units_for
from allocation.commands.scanned_lots import scanned_box
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipment_dates import locked_origin
from allocation.commands.shipments import (
    kits_of_shipment,
    packed_kits,
    shipment_for,
    some_of,
)
from allocation.commands.site_supply import kit_type_supplies, order_policy
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.gs1_labels import Scan
from allocation.ledger.schema import site
from allocation.ledger.shipment_ends import ShipmentEnds
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.orders import LotChoice
from allocation.rules.packing import Scanned, choose_exchange, judge_scans
from allocation.rules.picking import PickDecision
from allocation.rules.shipment_status import ShipmentStep
from allocation.study.model import Code
from allocation.study.parameters import effective_parameters


class PackRequest(CommandRequest):
    """Kits that were scanned into the box of a shipment, and bulk supply that was counted into it: all of it, or none.

    A scan may be of bulk supply: its GS1 label has a lot (10), a count (30 or 37; else it is one unit) and no serial number.
    """

    shipment_id: str = Field(min_length=1, max_length=60)
    scans: Annotated[tuple[Scan, ...], Field(max_length=500)] = ()
    bulk: Bulk = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _something(self) -> PackRequest:
        if not self.scans and not self.bulk:
            raise ValueError("packs nothing; give scans of kits, or bulk by lot and quantity")
        return self


class ExchangeRequest(CommandRequest):
    """A kit of an order that is not there or not fit to be packed; of bulk supply, a unit of the lot."""

    shipment_id: str = Field(min_length=1, max_length=60)
    kit_number: Code | None = None
    lot: Code | None = None
    found: Literal["damaged", "lost"]

    @model_validator(mode="after")
    def _one_of_two(self) -> ExchangeRequest:
        if (self.kit_number is None) == (self.lot is None):
            raise ValueError("name the kit by kit_number, or a unit of bulk supply by its lot")
        return self


def pack_kits(service: Service, act: Act, study_id: str, request: PackRequest) -> dict[str, Any]:
    """Scan kits into the box of an order; answers which are packed now, and which are still to be.

    Raises NotFound for an unknown kit or shipment, DomainRefusal for a kit that is not in the order, was packed before, or whose label
    contradicts the records, and for an order that waits for its approval or has left.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        found, ends, _ = shipment_for(transaction, request.shipment_id, ShipmentStep.PACK, leaves=True)
        today = locked_origin(transaction, ends)
        rows = kits_of_shipment(transaction, request.shipment_id, KitStatus.REQUESTED)
        ordered = [row.kit_number for row in rows]
        before = packed_kits(transaction, request.shipment_id)
        to_pack = [one for one in ordered if one not in before]
        box = scanned_box(transaction, request.scans, to_pack)
        judged = judge_scans(box.numbers, ordered, before)
        for number, what in judged:
            _require_ordered(request.shipment_id, number, what, to_pack)
        kits = [number for number, _ in judged]
        where = f"still to be packed for shipment {request.shipment_id}"
        asked = (*request.bulk, *box.packed())
        for units in units_for(transaction.connection, study_id, to_pack, asked, where):
            kits += units
        after = {
            "shipment_id": request.shipment_id,
            **ends.payload(),
            "packed_on": today.isoformat(),
            "kits": kits,
        }
        answer = {
            "shipment_id": request.shipment_id,
            "status": found.status,
            "packed": sorted({*kits, *(before & set(ordered))}),
            "to_pack": [one for one in to_pack if one not in kits],
        }
        return transaction.append(after, answer=answer, site_id=ends.site_id, kit_numbers=tuple(sorted(kits)))

    return execute(service, act, study_id, "pack_kits", request, body)


def _require_ordered(shipment_id: str, number: str, what: Scanned, to_pack: list[str]) -> None:
    if what == Scanned.PACKED:
        return
    right = f"still to be packed: {some_of(to_pack)}" if to_pack else "everything is packed"
    if what == Scanned.TWICE:
        raise DomainRefusal(
            f"kit {number} is packed already",
            code="kit-packed",
            field="scans",
            fix=f"scan each kit once; {right}",
        )
    raise DomainRefusal(
        f"kit {number} is not in shipment {shipment_id}",
        code="kit-not-ordered",
        field="scans",
        fix=f"put it back; {right}",
    )


def exchange_kit(service: Service, act: Act, study_id: str, request: ExchangeRequest) -> dict[str, Any]:
    """Take a damaged or missing kit out of an order, with a reason, and set the next one aside for it; answers its number, or None.

    The new kit is chosen by the rule that chose the order's, of the same kit type; there is none where the depot has none left, and the
    order goes on without. Raises NotFound, DomainRefusal for a kit that is not in the order, or without a reason.
    """
    kit_act = KitAct.REPORT_LOST if request.found == "lost" else KitAct.REPORT_DAMAGED

    def body(transaction: Transaction) -> dict[str, Any]:
        found, ends, _ = shipment_for(transaction, request.shipment_id, ShipmentStep.PACK, leaves=True)
        require_reason_and_signature(transaction, kit_act)
        if (ends.from_kind, ends.to_kind) != (Place.DEPOT, Place.SITE):
            raise DomainRefusal(
                f"shipment {request.shipment_id} is none from a depot to a site",
                code="not-to-a-site",
                field="shipment_id",
                fix="report the kit where it is, and send the others",
            )
        today = locked_origin(transaction, ends)
        rows = kits_of_shipment(transaction, request.shipment_id, KitStatus.REQUESTED)
        number = _number_of(transaction, request, [one.kit_number for one in rows])
        gone = next(row for row in rows if row.kit_number == number)
        new, decision = _choose(transaction, ends, gone, rows, today)
        named = [] if new is None else [new]
        dates = dates_for_order(
            transaction.connection, study_id, transaction.protocol, named, transaction.site_country
        )
        after = {
            "shipment_id": request.shipment_id,
            **ends.payload(),
            "was": found.status,
            "kit_number": number,
            "found": request.found,
            "replacement": new,
            **({"dates": dates} if dates else {}),
            "kit_count": len(rows) - (new is None),
            "exchanged_on": today.isoformat(),
            "record": {
                "rule_version": decision.rule_version,
                "kit_type": decision.kit_type,
                "days_before_expiry": decision.days_before_expiry,
                "shortfall": decision.shortfall,
            },
        }
        answer = {"shipment_id": request.shipment_id, "status": found.status, "replacement": new}
        kits = (number,) if new is None else (number, new)
        return transaction.append(after, answer=answer, site_id=ends.site_id, kit_numbers=kits)

    return execute(service, act, study_id, "exchange_kit", request, body)


def _number_of(transaction: Transaction, request: ExchangeRequest, ordered: list[str]) -> str:
    """The kit that is exchanged, one of the order's. Raises DomainRefusal."""
    if request.lot is not None:
        asked = [LotQuantity(lot=request.lot, quantity=1)]
        where = f"in shipment {request.shipment_id}"
        ((number,),) = units_for(
            transaction.connection, transaction.study_id, ordered, asked, where, field="lot"
        )
        return number
    assert request.kit_number is not None  # noqa: S101  (the request names one of the two)
    if request.kit_number not in ordered:
        _require_ordered(request.shipment_id, request.kit_number, Scanned.NOT_ORDERED, ordered)
    return request.kit_number


def _choose(
    transaction: Transaction, ends: ShipmentEnds, gone: Row[Any], rows: list[Row[Any]], today: date
) -> tuple[str | None, PickDecision]:
    """The kit that is set aside instead, and the decision."""
    protocol = transaction.protocol
    policy, kit_type = order_policy(protocol), str(gone.kit_type)
    window = None
    if policy.lot_choice == LotChoice.MIN_SHIPMENTS and ends.to_kind == Place.SITE:
        parameters = effective_parameters(
            protocol,
            kit_type,
            transaction.today,
            country=transaction.site_country,
            site=ends.to_place,
            profile=_profile(transaction, ends.to_place),
        )
        window = parameters.long_window
    connection, study_id = transaction.connection, transaction.study_id
    expiries = None
    if any_country_dates(connection, study_id):
        stock = all_kits_at_depot(connection, study_id, ends.from_place, kit_type)
        expiries = lot_expiries(connection, study_id, {row.lot_id for row in stock})
    else:
        stock = kits_at_depot(connection, study_id, ends.from_place, kit_type, today)
    lots = {row.lot_id for row in rows if row.kit_type == kit_type and row.kit_number != gone.kit_number}
    decision = choose_exchange(
        candidates_from(stock, transaction.site_country, lots=expiries, shipping=True),
        kit_type,
        lots,
        today,
        kit_type_supplies(protocol)[kit_type].windows,
        window,
        policy.same_lot,
    )
    return (stock[decision.chosen[0]].kit_number if decision.chosen else None), decision


def _profile(transaction: Transaction, site_id: str) -> str | None:
    query = select(site.c.profile).where(site.c.study_id == transaction.study_id, site.c.site_id == site_id)
    profile: str | None = transaction.connection.execute(query).scalar_one()
    return profile

"""What becomes of a shipment on its way besides its receipt: it is lost, or what was said at dispatch is corrected."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from allocation.commands.order_approval import ShipmentRequest
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipment_dates import arrival_date, check_arrival
from allocation.commands.shipments import Serials, append_step, kits_of_shipment, shipment_for
from allocation.commands.transaction import Transaction, execute
from allocation.plain_values import Day
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.shipment_status import ShipmentStep


class CorrectDispatchRequest(CommandRequest):
    """What is to be corrected of a dispatch; what is left out stays."""

    shipment_id: str = Field(min_length=1, max_length=60)
    carrier: str | None = Field(default=None, max_length=100)
    tracking_number: str | None = Field(default=None, max_length=100)
    expected_on: Day | None = None
    loggers: Serials | None = None

    @model_validator(mode="after")
    def _something(self) -> CorrectDispatchRequest:
        if not self.corrections():
            raise ValueError("give carrier, tracking_number, expected_on or loggers")
        return self

    def corrections(self) -> dict[str, Any]:
        """The fields that are given, as they stand in the ledger."""
        given = self.model_dump(mode="json", exclude_none=True)
        return {name: value for name, value in given.items() if name != "shipment_id"}


def lose_shipment(service: Service, act: Act, study_id: str, request: ShipmentRequest) -> dict[str, Any]:
    """Give a shipment up as lost on its way, with a reason: what is still in it is lost, and the next run orders it again.

    Answers its kits. Raises NotFound, DomainRefusal without a reason, or where it is not in transit.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        found, ends, status = shipment_for(transaction, request.shipment_id, ShipmentStep.LOSE, leaves=False)
        act.require_reason("a lost shipment needs a reason")
        rows = [
            (row.kit_number, kit_status.value)
            for kit_status in (KitStatus.IN_TRANSIT, KitStatus.QUARANTINED)
            for row in kits_of_shipment(transaction, request.shipment_id, kit_status)
            if row.place_kind == Place.TRANSIT
        ]
        kits = sorted(number for number, _ in rows)
        at = [Place.TRANSIT.value, request.shipment_id]
        facts = {
            "lost_on": arrival_date(transaction, ends).isoformat(),
            "kits": [[number, was, *at] for number, was in sorted(rows)],
        }
        return append_step(transaction, found, ends, status, facts, kits)

    return execute(service, act, study_id, "lose_shipment", request, body)


def correct_dispatch(
    service: Service, act: Act, study_id: str, request: CorrectDispatchRequest
) -> dict[str, Any]:
    """Correct carrier, tracking number, expected arrival or loggers of a shipment that has left, with a reason; answers what it is now.

    Raises NotFound, DomainRefusal without a reason, before dispatch, or for an arrival before it.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        found, ends, _ = shipment_for(
            transaction, request.shipment_id, ShipmentStep.CORRECT_DISPATCH, leaves=True
        )
        act.require_reason("a correction needs a reason")
        if request.expected_on is not None:
            check_arrival(request.expected_on, found.dispatched_on)
        corrections = request.corrections()
        columns = {"loggers": "loggers_json"}
        before = {name: getattr(found, columns.get(name, name)) for name in corrections}
        after = {
            "shipment_id": request.shipment_id,
            **ends.payload(),
            **corrections,
            "corrected_on": transaction.today.isoformat(),
        }
        answer = {
            "shipment_id": request.shipment_id,
            "status": found.status,
            "corrected": sorted(corrections),
        }
        before = {name: str(value) if value is not None else None for name, value in before.items()}
        return transaction.append(after, before=before, answer=answer, site_id=ends.site_id)

    return execute(service, act, study_id, "correct_dispatch", request, body)

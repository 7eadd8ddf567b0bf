"""Approving and refusing proposed orders, and taking orders back before they leave. Their kits were set aside when they were proposed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from allocation.commands.kit_authority import require_roles
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipment_dates import locked_origin
from allocation.commands.shipments import (
    append_step,
    dates_of_those_who_stay,
    kits_of_shipment,
    shipment_for,
)
from allocation.commands.transaction import Transaction, execute
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, rows_of
from allocation.rules.shipment_status import ShipmentStep, check_approver


class ShipmentRequest(CommandRequest):
    """A shipment that something is done to."""

    shipment_id: str = Field(min_length=1, max_length=60)


def approve_order(service: Service, act: Act, study_id: str, request: ShipmentRequest) -> dict[str, Any]:
    """Approve a proposed order, so that it may leave; answers its status. Raises NotFound, DomainRefusal for one's own order."""

    def body(transaction: Transaction) -> dict[str, Any]:
        found, ends, status = shipment_for(
            transaction, request.shipment_id, ShipmentStep.APPROVE, leaves=True
        )
        check_approver(found.ordered_by or "", act.actor.username)
        facts = {"decided_on": transaction.today.isoformat(), "kits": []}
        return append_step(transaction, found, ends, status, facts)

    return execute(service, act, study_id, "approve_order", request, body)


def refuse_order(service: Service, act: Act, study_id: str, request: ShipmentRequest) -> dict[str, Any]:
    """Refuse a proposed order, with a reason: its kits are stock again. Raises as `approve_order`."""
    return _give_back(service, act, study_id, request, "refuse_order", ShipmentStep.REFUSE)


def cancel_shipment(service: Service, act: Act, study_id: str, request: ShipmentRequest) -> dict[str, Any]:
    """Cancel an order that has not left, with a reason: its kits are stock again. Raises NotFound, DomainRefusal."""
    return _give_back(service, act, study_id, request, "cancel_shipment", ShipmentStep.CANCEL)


def _give_back(
    service: Service, act: Act, study_id: str, request: ShipmentRequest, command: str, step: ShipmentStep
) -> dict[str, Any]:
    def body(transaction: Transaction) -> dict[str, Any]:
        found, ends, status = shipment_for(transaction, request.shipment_id, step, leaves=True)
        act.require_reason(f"to {step} an order needs a reason")
        if step == ShipmentStep.REFUSE:
            check_approver(found.ordered_by or "", act.actor.username)
        require_roles(
            transaction,
            [row for row in rows_of(KitAct.CANCEL_REQUEST) if row.from_place == ends.from_kind],
        )
        today = locked_origin(transaction, ends)
        kits = [
            row.kit_number for row in kits_of_shipment(transaction, request.shipment_id, KitStatus.REQUESTED)
        ]
        dates = dates_of_those_who_stay(transaction, ends, kits)
        facts = {"decided_on": today.isoformat(), "kits": kits, **dates}
        return append_step(transaction, found, ends, status, facts, kits)

    return execute(service, act, study_id, command, request, body)

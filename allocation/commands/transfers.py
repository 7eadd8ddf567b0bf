"""Moving kits from one site to another: set aside at the one, dispatched there, in transit, and received at the other."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from allocation.access.permissions import authorize
from allocation.commands.kit_candidates import all_kits_at_site, candidates_from
from allocation.commands.lot_expiry import any_country_dates, dates_for_order, lot_expiries
from allocation.commands.service import FOR_THE_TRAIL, Act, CommandRequest, Service
from allocation.commands.shipment_numbers import next_shipment_id
from allocation.commands.site_supply import kit_type_supplies, order_policy
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.ledger.shipment_ends import ShipmentEnds
from allocation.plain_values import Whole
from allocation.rules.kit_status import Place
from allocation.rules.orders import OrderProposal, fill_order
from allocation.rules.shipment_status import Approval, opening_status
from allocation.rules.site_transfer import RULE_VERSION, plan_transfer
from allocation.study.model import LARGEST, Code

Quantity = Annotated[Whole, Field(ge=1, le=LARGEST)]
"""Kits, from 1."""


class TransferKitsRequest(CommandRequest):
    """Kits to move between two sites: of every type of a blinding group so many (`groups`), or of a kit type (unblinded)."""

    from_site: Code
    to_site: Code
    groups: dict[Code, Quantity] = Field(default_factory=dict)
    kit_types: dict[Code, Quantity] = Field(default_factory=dict)


def transfer_kits(service: Service, act: Act, study_id: str, request: TransferKitsRequest) -> dict[str, Any]:
    """Set kits of one site aside for another, with a reason; answers the shipment, which that site dispatches.

    They are the oldest that may still be shipped and are released for the country that they go to; their numbers stand in the shipment. The
    protections of orders hold, so that more may travel than was asked for. Raises DomainRefusal without a reason, for one site twice, or
    where the site does not have all of it; NotFound; NotPermitted (kit types are named by unblinded supply managers only).
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        country = _enter(transaction, request)
        connection, protocol = transaction.connection, transaction.protocol
        supplies, policy = kit_type_supplies(protocol), order_policy(protocol)
        lines = plan_transfer(request.groups, request.kit_types, supplies, policy)
        rows = [
            row
            for line in lines
            for row in all_kits_at_site(connection, study_id, request.from_site, line.kit_type)
        ]
        lots = None
        if any_country_dates(connection, study_id):
            lots = lot_expiries(connection, study_id, {row.lot_id for row in rows})
        candidates = candidates_from(rows, country, lots=lots, shipping=True)
        proposal = fill_order(lines, candidates, supplies, transaction.today, policy)
        if proposal.shortfall or not proposal.shipped:
            raise DomainRefusal(
                f"site {request.from_site} does not have all of this to send: kits that may still be shipped and are released there",
                code="transfer-short",
                field="groups",
                fix="ask for less, or order from the depot; nothing was moved",
            )
        numbers = [rows[index].kit_number for index in proposal.shipped]
        ends = ShipmentEnds(Place.SITE, request.from_site, Place.SITE, request.to_site)
        shipment_id = next_shipment_id(connection, study_id, ends)
        dates = dates_for_order(connection, study_id, protocol, numbers, country)
        status = opening_status(Approval(protocol.supply.order_approval), by_hand=True).value
        after = {
            "shipment_id": shipment_id,
            "run_id": None,
            **ends.payload(),
            "status": status,
            "ordered_by": act.actor.username,
            "requested_on": transaction.today.isoformat(),
            "kits": numbers,
            **({"dates": dates} if dates else {}),
            "quantities": {line.line.kit_type: len(line.shipped) for line in proposal.lines if line.shipped},
            "record": _record(request, proposal),
        }
        answer = {"shipment_id": shipment_id, "status": status, "kits": len(numbers)}
        return transaction.append(after, answer=answer, site_id=request.to_site, kit_numbers=tuple(numbers))

    return execute(service, act, study_id, "transfer_kits", request, body)


def _enter(transaction: Transaction, request: TransferKitsRequest) -> str:
    """Act at both sites, whose stock stays locked, on the sender's date and under its version; gives the country of the other."""
    if request.from_site == request.to_site:
        raise DomainRefusal(
            f"site {request.to_site} cannot send kits to itself",
            code="same-site",
            field="to_site",
            fix="name another",
        )
    if request.kit_types:
        authorize(transaction.act.actor, "shipment.transfer_by_type", transaction.study_id)
    rows = {code: transaction.at_site(code) for code in sorted((request.from_site, request.to_site))}
    if rows[request.to_site].site_status != "open":
        raise DomainRefusal(
            f"site {request.to_site} is not open",
            code="site-not-open",
            field="to_site",
            fix="name an open site",
        )
    transaction.at_site(request.from_site)
    transaction.act.require_reason("kits are moved between sites with a reason only", FOR_THE_TRAIL)
    return str(rows[request.to_site].site_country)


def _record(request: TransferKitsRequest, proposal: OrderProposal) -> dict[str, Any]:
    return {
        "rule_version": RULE_VERSION,
        "groups": dict(request.groups),
        "kit_types": dict(request.kit_types),
        "lines": [
            [line.line.kit_type, line.line.needed, line.line.ordered, [why.value for why in line.line.raised]]
            for line in proposal.lines
        ],
    }

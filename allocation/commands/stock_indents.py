"""An order that a person places for a site, by what kits look like or by kit type, or as the site's first shipment (seeding).

It is filled as a run's orders are, from the same depot by the same rule. Whoever is blinded names a blinding group, and gets the same
quantity of every kit type of it; a kit type is named by unblinded supply managers only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from allocation.access.permissions import authorize
from allocation.commands.lot_expiry import dates_for_order
from allocation.commands.order_filling import filled_order, order_ends, origin_zone
from allocation.commands.order_record import lines_record
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipment_numbers import next_shipment_id
from allocation.commands.site_supply import (
    SiteAt,
    SiteNeed,
    kit_type_supplies,
    order_policy,
    seeding_lines,
    site_parameters,
    site_situations,
)
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.plain_values import Whole
from allocation.rules.manual_orders import RULE_VERSION, IndentPlan, plan_indent
from allocation.rules.orders import OrderLine, OrderProposal
from allocation.rules.shipment_status import Approval, opening_status
from allocation.study.model import Code
from allocation.study.parameters import EffectiveParameters
from allocation.study.protocol import Protocol

BY_TYPE = "kit_types.order"
"""The permission of whoever orders by kit type."""

MOST = 10_000


class IndentRequest(CommandRequest):
    """An order for a site: by `groups`, by `kit_types` (unblinded), or its first shipment (`seed`).

    `groups`: a blinding group, by its label or code, and how many kits of each of its kit types.
    """

    site_id: Code
    groups: dict[str, Whole] = Field(default_factory=dict, max_length=50)
    kit_types: dict[Code, Whole] = Field(default_factory=dict, max_length=50)
    seed: bool = False

    @model_validator(mode="after")
    def _asks_for_something(self) -> IndentRequest:
        if sum((bool(self.groups or self.kit_types), self.seed)) != 1:
            raise ValueError("give groups or kit_types with quantities, or seed")
        if any(not 1 <= asked <= MOST for asked in (*self.groups.values(), *self.kit_types.values())):
            raise ValueError(f"quantities are whole numbers from 1 to {MOST}")
        return self


def indent_stock(service: Service, act: Act, study_id: str, request: IndentRequest) -> dict[str, Any]:
    """Place an order for a site; answers the shipment, its status and how many kits were set aside at the depot for it.

    It waits for an approval where the protocol says so. Raises NotPermitted (also for kit types that are named by the blinded), NotFound,
    DomainRefusal for an unknown group or kit type, a site that was seeded, or a depot that has nothing to ship.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_site(request.site_id)
        if request.kit_types:
            authorize(act.actor, BY_TYPE, study_id, site_id=request.site_id, country=row.site_country)
        protocol = transaction.protocol
        at = SiteAt(
            request.site_id,
            row.site_country,
            row.depot_id,
            row.profile,
            transaction.today,
            transaction.version,
        )
        plan = _plan(transaction, service, request, at)
        need = SiteNeed((), plan.lines, "ordered by hand", {})
        ends = order_ends(protocol, at)
        from_zone = origin_zone(transaction.connection, study_id, protocol, at, lock=True)
        numbers, proposal = filled_order(
            transaction.connection, study_id, protocol, need, at, transaction.at_zone(from_zone), {}
        )
        if not numbers:
            raise DomainRefusal(
                f"{ends.from_kind} {ends.from_place} has nothing to ship of what was asked for",
                code="nothing-to-ship",
                field="site_id",
                fix="ask the supply manager; nothing was ordered",
            )
        status = opening_status(Approval(protocol.supply.order_approval), by_hand=True).value
        shipment_id = next_shipment_id(transaction.connection, study_id, ends)
        dates = dates_for_order(transaction.connection, study_id, protocol, numbers, row.site_country)
        after = {
            "shipment_id": shipment_id,
            **ends.payload(),
            "status": status,
            "ordered_by": act.actor.username,
            "requested_on": transaction.today.isoformat(),
            "kits": numbers,
            **({"dates": dates} if dates else {}),
            "quantities": {line.line.kit_type: len(line.shipped) for line in proposal.lines if line.shipped},
            "record": indent_record(plan, proposal, seed=request.seed),
        }
        answer = {
            "shipment_id": shipment_id,
            "site_id": request.site_id,
            "status": status,
            "kits": len(numbers),
        }
        return transaction.append(after, answer=answer, site_id=request.site_id)

    return execute(service, act, study_id, "indent_stock", request, body)


def _plan(transaction: Transaction, service: Service, request: IndentRequest, at: SiteAt) -> IndentPlan:
    protocol = transaction.protocol
    parameters = site_parameters(protocol, at)
    if request.seed:
        (situation,) = site_situations(
            transaction.connection, transaction.study_id, [at], transaction.now, service.protocols
        )
        if situation.last_ordered_on is not None:
            raise DomainRefusal(
                f"site {at.site_id} had its first order on {situation.last_ordered_on}",
                code="already-seeded",
                field="seed",
                fix="order by blinding group",
            )
        lines = seeding_lines(protocol, parameters)
        _require_some(lines)
        return IndentPlan(RULE_VERSION, {}, {}, lines)
    if unknown := sorted(code for code in request.kit_types if protocol.kit_type(code) is None):
        raise DomainRefusal(
            f"kit types {', '.join(unknown)} are not in the protocol",
            code="unknown-kit-type",
            field="kit_types",
            fix="name kit types of the protocol in force at the site",
        )
    return planned_indent(protocol, parameters, request.groups, request.kit_types)


def planned_indent(
    protocol: Protocol,
    parameters: Mapping[str, EffectiveParameters],
    groups: Mapping[str, int],
    kit_types: Mapping[str, int],
) -> IndentPlan:
    """The plan of an order by hand under the protocol; groups by label or code. Raises DomainRefusal for an unknown group."""
    code_of = {group.label: group.code for group in protocol.blinding_groups}
    by_group: dict[str, int] = {}
    for name, asked in groups.items():
        code = code_of.get(name, name)
        by_group[code] = by_group.get(code, 0) + asked
    windows = {code: found.long_window for code, found in parameters.items()}
    return plan_indent(by_group, kit_types, windows, kit_type_supplies(protocol), order_policy(protocol))


def _require_some(lines: tuple[OrderLine, ...]) -> None:
    if not lines:
        raise DomainRefusal(
            "no seed quantity is set for this site",
            code="nothing-to-ship",
            field="seed",
            fix="order by blinding group",
        )


def indent_record(plan: IndentPlan, proposal: OrderProposal, *, seed: bool) -> dict[str, Any]:
    """The facts behind an order by hand, from which the same order is derived again."""
    return {
        "rule_version": plan.rule_version,
        "seed": seed,
        "asked_by_group": dict(plan.asked_by_group),
        "asked_by_type": dict(plan.asked_by_type),
        "lines": lines_record(proposal),
        "exposed_groups": list(proposal.exposed_groups),
    }

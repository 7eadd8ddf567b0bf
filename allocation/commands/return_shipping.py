"""A return on its way: sent by the site, received by the depot with a finding for every kit. Its shipment bears the return's id."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from allocation.commands.lot_quantities import LotQuantity, rows_for
from allocation.commands.return_steps import ReturnRequest, entered_return, named_kits, state_of
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, InvalidParameter
from allocation.ledger.shipment_ends import ShipmentEnds
from allocation.plain_values import Day
from allocation.rules.kit_status import Place
from allocation.rules.return_process import ReturnStep
from allocation.study.model import Code
from allocation.study.parameters import lead_time_days


class DispatchReturnRequest(ReturnRequest):
    """A return that leaves its site. `expected_on`: left out, the lead time of the lane between the two."""

    carrier: str = Field(min_length=1, max_length=100)
    tracking_number: str = Field(min_length=1, max_length=100)
    expected_on: Day | None = None


class ArrivedKit(CommandRequest):
    """A kit that did not arrive in good order, or not at all, and what is known of it."""

    kit_number: Code
    found: Literal["damaged", "missing"]
    reason: str = Field(min_length=1, max_length=500)


class ArrivedUnits(LotQuantity):
    """Units of bulk supply that did not arrive in good order, or not at all; as `ArrivedKit`."""

    found: Literal["damaged", "missing"]
    reason: str = Field(min_length=1, max_length=500)


class ReceiveReturnRequest(ReturnRequest):
    """A return that arrives at its depot. Kits that are not named arrived in good order."""

    findings: tuple[ArrivedKit, ...] = Field(default=(), max_length=20_000)
    bulk: tuple[ArrivedUnits, ...] = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _once(self) -> ReceiveReturnRequest:
        if len({one.kit_number for one in self.findings}) != len(self.findings):
            raise ValueError("name each kit once")
        return self


def dispatch_return(
    service: Service, act: Act, study_id: str, request: DispatchReturnRequest
) -> dict[str, Any]:
    """Send the kits of a return to the depot on the site's date; answers the kits and when they are expected.

    Raises NotFound, NotPermitted, DomainRefusal: a gate that comes first (`return-gate`), or an arrival before today.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        entered = entered_return(transaction, request, ReturnStep.SHIP)
        found, today = entered.found, transaction.today
        expected = request.expected_on or _expected(transaction, found.depot_id, found.site_id)
        if expected < today:
            raise DomainRefusal(
                f"{expected} is before the dispatch on {today}",
                code="arrival-before-dispatch",
                field="expected_on",
                fix="correct it",
            )
        ends = ShipmentEnds(Place.SITE, found.site_id, Place.DEPOT, found.depot_id)
        numbers = tuple(one.kit_number for one in entered.unsettled)
        after = entered.moved(
            len(numbers),
            on=today.isoformat(),
            by=act.actor.username,
            shipment_id=found.return_id,
            depot_id=found.depot_id,
            **ends.payload(),
            expected_on=expected.isoformat(),
            carrier=request.carrier,
            tracking_number=request.tracking_number,
            kits=[state_of(one) for one in entered.unsettled],
        )
        answer = {
            "return_id": found.return_id,
            "state": after["state"],
            "kits": list(numbers),
            "expected_on": after["expected_on"],
        }
        return transaction.append(
            after,
            before={"state": found.state},
            answer=answer,
            site_id=found.site_id,
            kit_numbers=numbers,
        )

    return execute(service, act, study_id, "dispatch_return", request, body)


def _expected(transaction: Transaction, depot_id: str, site_id: str) -> date:
    """The arrival by the lead time of the lane that supplies the site, which a return goes back."""
    with suppress(InvalidParameter):
        lane = lead_time_days(transaction.protocol, depot_id, transaction.site_country, site_id)
        return transaction.today + timedelta(days=lane)
    raise DomainRefusal(
        f"the protocol has no lane between site {site_id} and depot {depot_id}",
        code="arrival-unknown",
        field="expected_on",
        fix="say when it is expected",
    )


def receive_return(
    service: Service, act: Act, study_id: str, request: ReceiveReturnRequest
) -> dict[str, Any]:
    """Receive a return at its depot on the depot's date; answers how many kits were found how. What is missing stays a discrepancy.

    Raises NotFound also for a kit that was not sent, NotPermitted, DomainRefusal when the return is not under way.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        entered = entered_return(transaction, request, ReturnStep.RECEIVE)
        units = rows_for(
            transaction.connection,
            study_id,
            [one.kit_number for one in entered.unsettled],
            request.bulk,
            ArrivedKit,
            f"left of return {request.return_id}",
        )
        findings = {one.kit_number: one for one in (*request.findings, *units)}
        named_kits(entered, findings, "findings")
        received, missing, said, counts = [], [], {}, {"good": 0, "damaged": 0, "missing": 0}
        for one in entered.unsettled:
            finding = findings.get(one.kit_number)
            how = "good" if finding is None else finding.found
            counts[how] += 1
            if how == "missing":
                missing.append(state_of(one))
            else:
                received.append([*state_of(one), how])
            if finding is not None:
                said[one.kit_number] = finding.reason
        after = entered.moved(
            len(received),
            on=transaction.today.isoformat(),
            by=act.actor.username,
            shipment_id=request.return_id,
            depot_id=entered.found.depot_id,
            received=received,
            missing=missing,
            said=said,
        )
        return transaction.append(
            after,
            before={"state": entered.found.state},
            answer={"return_id": request.return_id, "state": after["state"], "kits": counts},
            site_id=entered.found.site_id,
            kit_numbers=tuple(one.kit_number for one in entered.unsettled),
        )

    return execute(service, act, study_id, "receive_return", request, body)

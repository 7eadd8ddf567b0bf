"""How returned kits end: used again where the rule and the study allow it, or destroyed under a certificate; both signed."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator
from sqlalchemy import Row

from allocation.commands.certificates import Certificate, certificate_facts
from allocation.commands.lot_quantities import Bulk, units_for
from allocation.commands.return_steps import (
    EnteredReturn,
    ReturnRequest,
    entered_return,
    named_kits,
    state_of,
)
from allocation.commands.service import Act, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.rules.kit_status import KitStatus
from allocation.rules.lot_status import NEVER_AGAIN, LotStatus
from allocation.rules.return_process import (
    RULE_VERSION,
    ReturnedKit,
    ReturnState,
    ReturnStep,
    reuse_obstacle,
)
from allocation.study.model import Code


class ReuseRequest(ReturnRequest):
    """Kits of a received return that go back into the depot's stock."""

    kit_numbers: tuple[Code, ...] = Field(default=(), max_length=20_000)
    bulk: Bulk = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _something(self) -> ReuseRequest:
        if not self.kit_numbers and not self.bulk:
            raise ValueError("names nothing; give kit_numbers, or bulk by lot and quantity")
        return self


class DestroyReturnedRequest(ReturnRequest):
    """Kits of a return that were destroyed. No numbers: all that is left of it."""

    kit_numbers: tuple[Code, ...] = Field(default=(), max_length=20_000)
    bulk: Bulk = Field(default=(), max_length=500)
    certificate: Certificate


def reuse_returned_kits(service: Service, act: Act, study_id: str, request: ReuseRequest) -> dict[str, Any]:
    """Put unused kits of a received return back into the depot's stock, with a reason and signed; answers the kits.

    All or none of them. Raises DomainRefusal where the study uses nothing again (`no-reuse`) or a kit may not be (`kit-not-reusable`: it
    was with a subject, not in good order, recalled, or is too near its expiry), NotFound, NotPermitted, SignatureRefused.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        entered = entered_return(transaction, request, ReturnStep.REUSE)
        units = _units(transaction, entered, request.bulk, unused=True)
        named = named_kits(entered, (*request.kit_numbers, *units), "kit_numbers")
        for one in named.values():
            obstacle = reuse_obstacle(_facts(one), transaction.today)
            if obstacle is not None:
                raise DomainRefusal(
                    f"kit {one.kit_number} is not used again: {obstacle}",
                    code="kit-not-reusable",
                    field="kit_numbers",
                    fix="destroy it under a certificate",
                )
        return _settle(
            transaction, entered, named, {"depot_id": entered.found.depot_id, "rule_version": RULE_VERSION}
        )

    return execute(service, act, study_id, "reuse_returned_kits", request, body)


def destroy_returned_kits(
    service: Service, act: Act, study_id: str, request: DestroyReturnedRequest
) -> dict[str, Any]:
    """Record, with a reason and signed, that kits of a return were destroyed under a certificate; answers the kits.

    At the depot that received them, or, where the study allows it, at the site after the gates. A certificate may cover several
    returns. Raises DomainRefusal (`return-gate`, `no-destruction-at-site`, `certificate-differs`), NotFound, NotPermitted,
    SignatureRefused.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        entered = entered_return(transaction, request, ReturnStep.DESTROY)
        asked = (*request.kit_numbers, *_units(transaction, entered, request.bulk))
        numbers = asked or tuple(one.kit_number for one in entered.unsettled)
        named = named_kits(entered, numbers, "kit_numbers")
        certificate = request.certificate
        if certificate.destroyed_on < entered.found.declared_on:
            raise DomainRefusal(
                f"{certificate.destroyed_on} is before the return was declared, {entered.found.declared_on}",
                code="contradicting-date",
                field="certificate.destroyed_on",
                fix="correct the date",
            )
        return _settle(transaction, entered, named, certificate_facts(transaction, certificate))

    return execute(service, act, study_id, "destroy_returned_kits", request, body)


def _units(
    transaction: Transaction, entered: EnteredReturn, bulk: Bulk, *, unused: bool = False
) -> list[str]:
    """The units of bulk supply that are named, of those that are left of the return. Raises DomainRefusal."""
    left = [
        one.kit_number
        for one in entered.unsettled
        if not unused or one.status == KitStatus.RETURNED_UNUSED.value
    ]
    where = f"left of return {entered.found.return_id}" + (" unused and in good order" if unused else "")
    found = units_for(transaction.connection, transaction.study_id, left, bulk, where)
    return [number for numbers in found for number in numbers]


def _settle(
    transaction: Transaction, entered: EnteredReturn, named: dict[str, Row[Any]], also: dict[str, Any]
) -> dict[str, Any]:
    left = len(entered.unsettled) - len(named)
    after = entered.moved(
        left,
        on=transaction.today.isoformat(),
        by=transaction.act.actor.username,
        kits=[state_of(one) for one in named.values()],
        **also,
    )
    if entered.step.from_state == ReturnState.APPROVED and left:
        after["state"] = entered.found.state  # at the site: the gates that were passed stay as they are
    return transaction.append(
        after,
        before={"state": entered.found.state},
        answer={
            "return_id": entered.found.return_id,
            "state": after["state"],
            "kits": list(named),
            "left": left,
        },
        site_id=entered.found.site_id,
        kit_numbers=tuple(named),
    )


def _facts(one: Any) -> ReturnedKit:
    return ReturnedKit(
        one.kit_number,
        one.status,
        one.dispensed_on is not None,
        one.received_as,
        one.last_ship_date,
        LotStatus(one.lot_status) in NEVER_AGAIN,
    )

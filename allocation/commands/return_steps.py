"""What every step of a return shares: the return under its site's lock, the row of the table that allows the step, its kits, its hash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, Row, select

from allocation.access.signing import require_signature
from allocation.commands.service import CommandRequest
from allocation.commands.signed_requests import asked_content
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal, NotFound, NotPermitted
from allocation.ledger.schema import depot, kit, lot, return_kit, site_return
from allocation.rules.return_process import (
    ReturnState,
    ReturnStep,
    StepRow,
    check_four_eyes,
    check_step,
    state_after,
)


class ReturnRequest(CommandRequest):
    """A return by its id."""

    return_id: str = Field(min_length=1, max_length=60)


@dataclass(frozen=True, slots=True)
class EnteredReturn:
    """A return that a step is done with: its row, the row of the table, and its kits (columns of `return_kit` and `kit`) by number."""

    found: Row[Any]
    step: StepRow
    kits: Sequence[Row[Any]]

    @property
    def unsettled(self) -> tuple[Row[Any], ...]:
        """The kits that are neither used again, destroyed nor missing."""
        return tuple(one for one in self.kits if one.settled_as is None)

    def moved(self, left: int, **also: Any) -> dict[str, Any]:
        """The payload of the step, after which `left` kits are unsettled."""
        return {
            "return_id": self.found.return_id,
            "from_state": self.found.state,
            "state": state_after(self.step, left).value,
            **also,
        }


def entered_return(transaction: Transaction, request: ReturnRequest, step: ReturnStep) -> EnteredReturn:
    """Act on a return at its site, or at the depot that it goes to, if the table, the policy and the four eyes allow the step.

    The site's row and the depot's are locked. Raises NotFound, NotPermitted, DomainRefusal (`return-gate`, `own-return`,
    `reason-missing`), SignatureRefused.
    """
    columns = site_return.c
    query = select(site_return).where(
        columns.study_id == transaction.study_id, columns.return_id == request.return_id
    )
    known = transaction.connection.execute(query).first()
    if known is None:
        transaction.refuse_strangers()
        raise NotFound(
            f"return {request.return_id!r} is not known", field="return_id", fix="list the returns first"
        )
    transaction.at_site(known.site_id, depot_id=known.depot_id)
    at_depot = transaction.connection.execute(
        select(depot)
        .where(depot.c.study_id == transaction.study_id, depot.c.depot_id == known.depot_id)
        .with_for_update()
    ).one()
    if step in (ReturnStep.RECEIVE, ReturnStep.REUSE) or (
        step == ReturnStep.DESTROY and known.state == ReturnState.RECEIVED
    ):
        transaction.today = transaction.at_zone(at_depot.timezone)
    found = transaction.connection.execute(query.with_for_update()).one()
    policy = transaction.protocol.supply.returns.policy
    row = check_step(found.return_id, ReturnState(found.state), step, policy)
    _require(transaction, row, request)
    done_by = {ReturnStep.DECLARE: found.declared_by, ReturnStep.RECONCILE: found.reconciled_by}
    check_four_eyes(step, transaction.act.actor.username, done_by)
    return EnteredReturn(
        found, row, return_lines(transaction.connection, transaction.study_id, found.return_id)
    )


def _require(transaction: Transaction, row: StepRow, request: ReturnRequest) -> None:
    act = transaction.act
    if transaction.role not in row.by.roles | {"system"}:
        raise NotPermitted(
            f"{act.actor.username} may not {row.step} a return that is {row.from_state}",
            field="actor",
            fix="ask somebody whose part it is",
        )
    if row.by.reason:
        act.require_reason(f"to {row.step} takes a reason")
    if row.by.signature is not None:
        content = asked_content(transaction.study_id, transaction.command, request, act.reason)
        require_signature(act.signature, row.by.signature, content, username=act.actor.username)


def return_lines(connection: Connection, study_id: str, return_id: str) -> Sequence[Row[Any]]:
    """The kits of a return with where they are now and the status of their lots, by kit number."""
    same_kit = (kit.c.study_id == return_kit.c.study_id) & (kit.c.kit_number == return_kit.c.kit_number)
    query = (
        select(
            return_kit,
            kit.c.status,
            kit.c.place_kind,
            kit.c.place,
            kit.c.dispensed_on,
            kit.c.last_ship_date,
            lot.c.status.label("lot_status"),
        )
        .join_from(return_kit, kit, same_kit)
        .join(lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(return_kit.c.study_id == study_id, return_kit.c.return_id == return_id)
        .order_by(return_kit.c.kit_number)
    )
    return connection.execute(query).all()


def named_kits(entered: EnteredReturn, numbers: Iterable[str], field: str) -> dict[str, Row[Any]]:
    """The unsettled kits of the return with these numbers. Raises NotFound for another, once settled too."""
    known = {one.kit_number: one for one in entered.unsettled}
    for number in numbers:
        if number not in known:
            raise NotFound(
                f"kit {number} is not among what is left of return {entered.found.return_id}",
                field=field,
                fix="name kits of this return that are not settled yet",
            )
    return {number: known[number] for number in sorted(set(numbers))}


def state_of(row: Row[Any]) -> list[str]:
    """A kit and where it is, for a payload."""
    return [row.kit_number, row.status, row.place_kind, row.place]


def refuse_shipment_of_return(transaction: Transaction, shipment_id: str) -> None:
    """Refuse what is done with shipments of stock to one that is a return: its steps have gates. Raises DomainRefusal."""
    columns = site_return.c
    query = select(columns.return_id).where(
        columns.study_id == transaction.study_id, columns.return_id == shipment_id
    )
    if transaction.connection.execute(query).first() is not None:
        raise DomainRefusal(
            f"shipment {shipment_id} is a return",
            code="shipment-of-return",
            field="shipment_id",
            fix="receive it as a return (rtsm returns receive)",
        )

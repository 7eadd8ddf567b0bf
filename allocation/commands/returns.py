"""Returns until they leave the site: declared by the site, counted by a monitor, approved under signature, or taken back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Literal

from pydantic import Field, model_validator
from sqlalchemy import Row, func, select

from allocation.commands.kit_counts import Units
from allocation.commands.lot_quantities import Bulk, LotQuantity, rows_for, units_for
from allocation.commands.return_steps import (
    EnteredReturn,
    ReturnRequest,
    entered_return,
    named_kits,
    state_of,
)
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.projections.returns import DECLARED_BY
from allocation.ledger.schema import kit, kit_count, return_kit, site_return
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.return_process import OPEN, ReturnState, ReturnStep
from allocation.study.canonical import decimal_text
from allocation.study.model import Code
from allocation.views.blinded.returns import hash_of_lines

UnusedAs = Literal["excess", "site_closing"]

_WHY: Final[dict[KitStatus, str]] = {
    KitStatus.EXPIRED: "expired",
    KitStatus.DAMAGED: "damaged",
    KitStatus.QUARANTINED: "quarantined",
}


class DeclareReturnRequest(CommandRequest):
    """Kits that a site returns. No numbers: all that subjects brought back and all that is expired, damaged or in quarantine there.

    `unused_as` says why usable kits are returned; without numbers it takes all of them along. `bulk`: so many units of a lot of bulk
    supply: usable ones with `unused_as`, else of those that are not.
    """

    site_id: Code
    kit_numbers: tuple[Code, ...] = Field(default=(), max_length=20_000)
    unused_as: UnusedAs | None = None
    bulk: Bulk = Field(default=(), max_length=500)


class KitFinding(CommandRequest):
    """What the monitor finds of a kit that differs from what was declared: it is not there, or holds another number of units."""

    kit_number: Code
    found: bool = True
    units: Units | None = Field(default=None, ge=0)
    reason: str = Field(min_length=1, max_length=500)

    @model_validator(mode="after")
    def _differs(self) -> KitFinding:
        if self.found and self.units is None:
            raise ValueError("says nothing; give the units that were counted, or found false")
        if not self.found and self.units is not None:
            raise ValueError("has units of a kit that was not found; leave them out")
        return self


class UnitsFinding(LotQuantity):
    """What the monitor finds of units of bulk supply: they are not there, or each holds another number of `units`. As `KitFinding`."""

    found: bool = True
    units: Units | None = Field(default=None, ge=0)
    reason: str = Field(min_length=1, max_length=500)

    @model_validator(mode="after")
    def _differs(self) -> UnitsFinding:
        if self.found == (self.units is None):
            raise ValueError("give the units that each holds, or found false: one of the two")
        return self


class ReconcileReturnRequest(ReturnRequest):
    """A monitor's count. Kits that are not named are there as declared."""

    findings: tuple[KitFinding, ...] = Field(default=(), max_length=20_000)
    bulk: tuple[UnitsFinding, ...] = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _once(self) -> ReconcileReturnRequest:
        if len({one.kit_number for one in self.findings}) != len(self.findings):
            raise ValueError("name each kit once")
        return self


class ApproveReturnRequest(ReturnRequest):
    """An approval of what was declared and counted. `content_hash`: of the return as the approver read it."""

    content_hash: str = Field(pattern="^[0-9a-f]{64}$")


def declare_return(
    service: Service, act: Act, study_id: str, request: DeclareReturnRequest
) -> dict[str, Any]:
    """Set kits of a site aside for return; answers the return. From then on none of them can be used there.

    Raises NotFound for a kit that is not at the site, DomainRefusal for one that is in another return or assigned to a subject, and
    for usable ones without `unused_as`.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        at = transaction.at_site(request.site_id)
        chosen = _chosen(transaction, request)
        if not chosen:
            raise DomainRefusal(
                f"site {request.site_id} has nothing to return",
                code="nothing-to-return",
                field="kit_numbers",
                fix="usable kits are returned with unused_as",
            )
        units = _counted(transaction, request.site_id)
        numbered = select(func.count()).where(
            site_return.c.study_id == study_id, site_return.c.site_id == request.site_id
        )
        number = int(transaction.connection.execute(numbered).scalar_one()) + 1
        return_id = f"{request.site_id}-R{number:03d}"
        kits = [
            [
                one.kit_number,
                one.status,
                _why(one, request.unused_as),
                units.get((one.kit_number, one.uses + 1)),
            ]
            for one in chosen
        ]
        after = {
            "return_id": return_id,
            "depot_id": transaction.protocol.supply.returns.depot or at.depot_id,
            "state": ReturnState.DECLARED.value,
            "on": transaction.today.isoformat(),
            "by": act.actor.username,
            "kits": kits,
        }
        numbers = tuple(one.kit_number for one in chosen)
        answer = {"return_id": return_id, "state": after["state"], "kits": list(numbers)}
        return transaction.append(after, answer=answer, site_id=request.site_id, kit_numbers=numbers)

    return execute(service, act, study_id, "declare_return", request, body)


def reconcile_return(
    service: Service, act: Act, study_id: str, request: ReconcileReturnRequest
) -> dict[str, Any]:
    """Record a monitor's count of a declared return; what is not there is missing from then on. Answers the state and the differences.

    Raises NotFound, NotPermitted, DomainRefusal: another state, one's own return, units of an unopened kit.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        entered = entered_return(transaction, request, ReturnStep.RECONCILE)
        units = _found_units(transaction, request, entered)
        findings = {one.kit_number: one for one in (*request.findings, *units)}
        named = named_kits(entered, findings, "findings")
        for number, one in findings.items():
            if one.units is not None and named[number].declared_units is None:
                raise DomainRefusal(
                    f"kit {number} was not with a subject, so its units were not counted",
                    code="kit-unopened",
                    field="findings",
                    fix="say that it is missing, or leave it out",
                )
        kits = [_line(one.kit_number, findings.get(one.kit_number)) for one in entered.unsettled]
        missing = [state_of(named[number]) for number, one in findings.items() if not one.found]
        after = entered.moved(
            len(kits) - len(missing),
            on=transaction.today.isoformat(),
            by=act.actor.username,
            kits=kits,
            missing=sorted(missing),
        )
        answer = {"return_id": request.return_id, "state": after["state"], "differences": len(findings)}
        return transaction.append(
            after,
            before={"state": entered.found.state},
            answer=answer,
            site_id=entered.found.site_id,
            kit_numbers=tuple(one.kit_number for one in entered.unsettled),
        )

    return execute(service, act, study_id, "reconcile_return", request, body)


def _found_units(
    transaction: Transaction, request: ReconcileReturnRequest, entered: EnteredReturn
) -> tuple[KitFinding, ...]:
    """The findings of bulk supply, unit by unit; other contents are of units that were with a subject. Raises DomainRefusal."""
    connection, where = transaction.connection, f"left of return {request.return_id}"
    recounted = [one for one in request.bulk if one.found]
    opened = [one.kit_number for one in entered.unsettled if one.declared_units is not None]
    first = rows_for(
        connection,
        transaction.study_id,
        opened,
        recounted,
        KitFinding,
        f"{where}, counted when they came back from a subject",
    )
    taken = {one.kit_number for one in first}
    left = [one.kit_number for one in entered.unsettled if one.kit_number not in taken]
    missing = [one for one in request.bulk if not one.found]
    return (*first, *rows_for(connection, transaction.study_id, left, missing, KitFinding, where))


def approve_return(
    service: Service, act: Act, study_id: str, request: ApproveReturnRequest
) -> dict[str, Any]:
    """Approve, signed, that the kits of a return leave the site or are destroyed there; answers the state.

    Raises NotFound, NotPermitted, SignatureRefused, DomainRefusal: another state, one's own return or count, or it is not as it was read.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        entered = entered_return(transaction, request, ReturnStep.APPROVE)
        if (
            hash_of_lines(transaction.connection, study_id, request.return_id, entered.kits)
            != request.content_hash
        ):
            raise DomainRefusal(
                f"return {request.return_id} is not as it was read",
                code="return-changed",
                field="content_hash",
                fix="read it again, and sign what it says now",
            )
        after = entered.moved(
            len(entered.unsettled),
            on=transaction.today.isoformat(),
            by=act.actor.username,
            content_hash=request.content_hash,
        )
        return transaction.append(
            after,
            before={"state": entered.found.state},
            answer={"return_id": request.return_id, "state": after["state"]},
            site_id=entered.found.site_id,
            kit_numbers=tuple(one.kit_number for one in entered.unsettled),
        )

    return execute(service, act, study_id, "approve_return", request, body)


def withdraw_return(service: Service, act: Act, study_id: str, request: ReturnRequest) -> dict[str, Any]:
    """Take a return back before it leaves the site, with a reason; answers the state. Its usable kits go into quarantine.

    A project manager refuses a return by this. Raises NotFound, NotPermitted, DomainRefusal: without a reason, or when it has left.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        entered = entered_return(transaction, request, ReturnStep.WITHDRAW)
        back = [one.kit_number for one in entered.unsettled if one.status == KitStatus.RETURNED_UNUSED.value]
        after = entered.moved(
            len(entered.unsettled), on=transaction.today.isoformat(), by=act.actor.username, taken_back=back
        )
        return transaction.append(
            after,
            before={"state": entered.found.state},
            answer={"return_id": request.return_id, "state": after["state"], "quarantined": back},
            site_id=entered.found.site_id,
            kit_numbers=tuple(one.kit_number for one in entered.unsettled),
        )

    return execute(service, act, study_id, "withdraw_return", request, body)


def _chosen(transaction: Transaction, request: DeclareReturnRequest) -> list[Row[Any]]:
    """The kits of the site that are named, or that it returns when none is named; locked."""
    here = select(kit).where(
        kit.c.study_id == transaction.study_id,
        kit.c.place_kind == Place.SITE.value,
        kit.c.place == request.site_id,
    )
    rows = transaction.connection.execute(here.order_by(kit.c.kit_number).with_for_update()).all()
    taken = in_open_returns(transaction, request.site_id)
    usable = KitStatus.SITE_AVAILABLE
    if request.bulk:
        some = {usable} if request.unused_as else {KitStatus.RETURNED, *DECLARED_BY} - {usable}
        free = [one.kit_number for one in rows if one.status in some and one.kit_number not in taken]
        where = f"at site {request.site_id}, " + (
            "usable" if request.unused_as else "unusable (say unused_as for usable ones)"
        )
        units = units_for(transaction.connection, transaction.study_id, free, request.bulk, where)
        request = request.model_copy(
            update={"kit_numbers": (*request.kit_numbers, *(one for numbers in units for one in numbers))}
        )
    if not request.kit_numbers:
        wanted = {KitStatus.RETURNED, *DECLARED_BY} - (set() if request.unused_as else {usable})
        return [one for one in rows if one.status in wanted and one.kit_number not in taken]
    by_number = {one.kit_number: one for one in rows}
    for number in request.kit_numbers:
        one = by_number.get(number)
        if one is None:
            raise NotFound(
                f"kit {number} is not at site {request.site_id}",
                field="kit_numbers",
                fix="correct the kit number",
            )
        if number in taken or KitStatus(one.status) not in {KitStatus.RETURNED, *DECLARED_BY}:
            raise DomainRefusal(
                f"kit {number} is "
                + (f"in return {taken[number]} already" if number in taken else f"{one.status}"),
                code="kit-not-returnable",
                field="kit_numbers",
                fix="leave it out",
            )
        if one.status == usable and request.unused_as is None:
            raise DomainRefusal(
                f"kit {number} could still be used",
                code="reason-missing",
                field="unused_as",
                fix="say why it is returned: excess or site_closing",
            )
    return [by_number[number] for number in sorted(set(request.kit_numbers))]


def in_open_returns(transaction: Transaction, site_id: str) -> dict[str, str]:
    """Kit number -> the open return of the site that it is in."""
    same = (site_return.c.study_id == return_kit.c.study_id) & (
        site_return.c.return_id == return_kit.c.return_id
    )
    query = (
        select(return_kit.c.kit_number, return_kit.c.return_id)
        .join_from(return_kit, site_return, same)
        .where(
            return_kit.c.study_id == transaction.study_id,
            site_return.c.site_id == site_id,
            site_return.c.state.in_([state.value for state in OPEN]),
            return_kit.c.settled_as.is_(None),
        )
    )
    return {row.kit_number: row.return_id for row in transaction.connection.execute(query)}


def _counted(transaction: Transaction, site_id: str) -> dict[tuple[str, int], str]:
    """Kit number and use -> the units that came back of it from a subject, by the latest count."""
    query = select(kit_count.c.kit_number, kit_count.c.use, kit_count.c.returned_units).where(
        kit_count.c.study_id == transaction.study_id, kit_count.c.site_id == site_id
    )
    return {
        (row.kit_number, row.use): row.returned_units
        for row in transaction.connection.execute(query.order_by(kit_count.c.revision))
    }


def _why(one: Any, unused_as: str | None) -> str:
    if one.status == KitStatus.RETURNED.value:
        return "from_subject" if one.dispensed_on is not None else "unfit"
    return _WHY.get(KitStatus(one.status)) or str(unused_as)


def _line(number: str, finding: KitFinding | None) -> list[Any]:
    """A kit as the monitor found it: number, found, units where they differ, what is said of it."""
    if finding is None:
        return [number, True, None, None]
    units: Decimal | None = finding.units
    return [number, finding.found, None if units is None else decimal_text(units), finding.reason]

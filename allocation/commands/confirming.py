"""Confirming a dispensing: which of the assigned kits were handed out, and what became of the others."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field, model_validator
from sqlalchemy import select

from allocation.commands.home_parcels import kits_under_way, open_parcels, parcel_contents
from allocation.commands.kit_choice import kit_facts
from allocation.commands.lot_quantities import Bulk, LotQuantity, rows_for, units_for
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.commands.visit_facts import refuse_future
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.schema import kit
from allocation.ledger.subject_paths import visits_of
from allocation.plain_values import Day
from allocation.rules.home_parcels import undelivered_to
from allocation.rules.kit_status import KitStatus, Place
from allocation.study.model import Code, Text


class KitNotDispensed(CommandRequest):
    """An assigned kit that the subject did not get, and why. `lost`: of one that was sent home and cannot be found."""

    kit_number: Code
    reason: Text = Field(max_length=200)
    lost: bool = False


class UnitsNotDispensed(LotQuantity):
    """Assigned units of bulk supply that the subject did not get, and why; as `KitNotDispensed`."""

    reason: Text = Field(max_length=200)
    lost: bool = False


class ConfirmDispensingRequest(CommandRequest):
    """What became of every kit that is assigned to a subject. `handed_on`: the date at the site; None is today.

    `bulk_handed_out`, `bulk_not_dispensed`: of bulk supply, by lot and quantity.
    """

    subject_id: Code
    handed_out: tuple[Code, ...] = ()
    not_dispensed: tuple[KitNotDispensed, ...] = ()
    bulk_handed_out: Bulk = ()
    bulk_not_dispensed: tuple[UnitsNotDispensed, ...] = ()
    handed_on: Day | None = None

    @model_validator(mode="after")
    def _each_once(self) -> ConfirmDispensingRequest:
        named = [*self.handed_out, *(one.kit_number for one in self.not_dispensed)]
        if len(set(named)) != len(named):
            raise ValueError("name each kit once: as handed out, or as not dispensed")
        return self


def confirm_dispensing(
    service: Service, act: Act, study_id: str, request: ConfirmDispensingRequest
) -> dict[str, Any]:
    """Record which assigned kits were handed out; the others go back to stock or to quarantine, as the protocol says.

    What was sent home goes to quarantine when it came back, and is lost when it cannot be found; the subject's parcels end.

    What was handed out is recorded even when the subject has left the study since. Raises DomainRefusal when nothing waits for
    confirmation, a kit is left out, was past its last dispense date on `handed_on`, or dosing was on hold then; NotFound for a kit that is
    not assigned to the subject.
    """

    asked = request

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_visit(asked.subject_id)
        visits = visits_of(transaction.connection, study_id, row.subject_id)
        visit = next((one for one in visits if one.confirmation == "awaited"), None)
        if visit is None:
            raise DomainRefusal(
                f"no kits of subject {row.subject_id} wait for confirmation",
                code="nothing-to-confirm",
                field="subject_id",
                fix="nothing need be done",
            )
        handed_on = asked.handed_on or transaction.today
        refuse_future(handed_on, transaction.today, "handed_on")
        if handed_on < visit.visit_date:
            raise DomainRefusal(
                f"{handed_on} is before the visit on {visit.visit_date}",
                code="before-the-visit",
                field="handed_on",
                fix="correct the date",
            )
        assigned = {
            one.kit_number: one
            for one in transaction.connection.execute(
                select(kit).where(
                    kit.c.study_id == study_id,
                    kit.c.place_kind == Place.SITE.value,
                    kit.c.place == row.site_id,
                    kit.c.status == KitStatus.ASSIGNED.value,
                    kit.c.subject_id == row.subject_id,
                )
            )
        }
        request = _with_units(transaction, asked, list(assigned))
        _refuse_other_kits(request, assigned)
        _refuse_hand_out(request, row, assigned, handed_on)
        under_way = kits_under_way(transaction.connection, study_id, row.subject_id)
        parcels = open_parcels(transaction.connection, study_id, row.subject_id)
        _refuse_lost_at_site(request, under_way)
        not_dispensed = [
            [one.kit_number, one.reason, _to(transaction, one, under_way)] for one in request.not_dispensed
        ]
        numbers = tuple(assigned)
        outcome = "confirmed" if request.handed_out else "not_dispensed"
        after = {
            "visit_code": visit.visit_code,
            "visit_number": visit.visit_number,
            "occurrence": sum(one.visit_number == visit.visit_number for one in visits),
            "dose_level": row.dose_level,
            "handed_on": handed_on.isoformat(),
            "recorded_on": transaction.today.isoformat(),
            "kits": [_facts(transaction, assigned[number]) for number in request.handed_out],
            "not_dispensed": not_dispensed,
            "confirmation": outcome,
            **_parcel_facts(transaction, parcels, request.handed_out),
        }
        answer = {
            "subject_id": row.subject_id,
            "visit_number": visit.visit_number,
            "confirmation": outcome,
            "handed_on": after["handed_on"],
            "handed_out": sorted(request.handed_out),
            "not_dispensed": sorted(one.kit_number for one in request.not_dispensed),
        }
        return transaction.append(
            after, answer=answer, subject_id=row.subject_id, site_id=row.site_id, kit_numbers=numbers
        )

    return execute(service, act, study_id, "confirm_dispensing", request, body)


def _with_units(
    transaction: Transaction, request: ConfirmDispensingRequest, assigned: list[str]
) -> ConfirmDispensingRequest:
    """The request with the units of bulk supply among its kits. Raises DomainRefusal for more of a lot than is assigned."""
    connection, study_id = transaction.connection, transaction.study_id
    where = f"assigned to subject {request.subject_id}"
    handed = units_for(connection, study_id, assigned, request.bulk_handed_out, where, "bulk_handed_out")
    given = {number for numbers in handed for number in numbers}
    left = [number for number in assigned if number not in given]
    kept = rows_for(
        connection,
        study_id,
        left,
        request.bulk_not_dispensed,
        KitNotDispensed,
        f"left to be {where}" if given else where,
        "bulk_not_dispensed",
    )
    update = {
        "handed_out": (*request.handed_out, *sorted(given)),
        "not_dispensed": (*request.not_dispensed, *kept),
    }
    return request.model_copy(update=update)


def _parcel_facts(
    transaction: Transaction, parcels: list[str], handed_out: tuple[str, ...]
) -> dict[str, Any]:
    """The parcels that end, and those of them of which the subject got something; nothing where none was under way."""
    if not parcels:
        return {}
    kits = {one: parcel_contents(transaction.connection, transaction.study_id, one)[1] for one in parcels}
    return {
        "parcels": parcels,
        "parcels_delivered": [one for one in parcels if not kits[one].isdisjoint(handed_out)],
    }


def _refuse_other_kits(request: ConfirmDispensingRequest, assigned: dict[str, Any]) -> None:
    """Every assigned kit must be named, and no other."""
    named = [*request.handed_out, *(one.kit_number for one in request.not_dispensed)]
    for number in named:
        if number not in assigned:
            raise NotFound(
                f"kit {number} is not assigned to subject {request.subject_id}",
                field="handed_out" if number in request.handed_out else "not_dispensed",
                fix="correct the kit number",
            )
    left_out = sorted(set(assigned) - set(named))
    if left_out:
        raise DomainRefusal(
            f"nothing is said about kit {', '.join(left_out)}",
            code="kit-left-out",
            field="handed_out",
            fix="name every assigned kit: as handed out, or as not dispensed with the reason",
        )


def _refuse_lost_at_site(request: ConfirmDispensingRequest, under_way: frozenset[str]) -> None:
    """Only what was sent home is lost by this act: a loss at the site is reported as one."""
    for one in request.not_dispensed:
        if one.lost and one.kit_number not in under_way:
            raise DomainRefusal(
                f"kit {one.kit_number} was not sent to the subject",
                code="kit-not-sent",
                field="not_dispensed",
                fix="replace it as lost, or confirm it and report the loss afterwards",
            )


def _to(transaction: Transaction, one: KitNotDispensed, under_way: frozenset[str]) -> str:
    at_site = transaction.protocol.dosing.not_dispensed_to
    return undelivered_to(in_parcel=one.kit_number in under_way, lost=one.lost, at_site=at_site)


def _refuse_hand_out(
    request: ConfirmDispensingRequest, row: Any, assigned: dict[str, Any], handed_on: date
) -> None:
    """A kit is not handed out past its last dispense date, nor while dosing is on hold."""
    if not request.handed_out:
        return
    if row.dose_held_on is not None and handed_on >= row.dose_held_on:
        raise DomainRefusal(
            f"dosing of subject {row.subject_id} is on hold since {row.dose_held_on}",
            code="dose-on-hold",
            field="handed_out",
            fix="nothing may be handed out: record the kits as not dispensed, or resume dosing first",
        )
    for number in request.handed_out:
        if handed_on > assigned[number].last_dispense_date:
            raise DomainRefusal(
                f"kit {number} is past its last dispense date",
                code="kit-past-last-dispense-date",
                field="handed_out",
                fix="it must not be given to the subject: record it as not dispensed",
            )


def _facts(transaction: Transaction, row: Any) -> dict[str, Any]:
    defined = transaction.protocol.kit_type(row.kit_type)
    if defined is None:
        raise DomainRefusal(
            "the protocol lacks a kit that was assigned",
            code="unknown-kit-type",
            fix="call the supply manager",
        )
    return kit_facts(row, defined)

"""Visits without kits: recording one, planned or unscheduled, and marking a planned one missed."""

from __future__ import annotations

from typing import Any

from allocation.commands.edc_following import follow_edc_of
from allocation.commands.measuring import given_measurements, measurement_facts
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.commands.visit_facts import (
    planned_visit,
    planned_visit_facts,
    refuse_before_screening,
    refuse_future,
    refuse_repeat,
    unscheduled_visit_facts,
)
from allocation.commands.visit_request import VisitDetails
from allocation.errors import DomainRefusal
from allocation.ledger.subject_paths import path_of, visits_of
from allocation.study.canonical import decimal_text
from allocation.study.model import Code


class VisitRequest(VisitDetails):
    """A visit that took place, without kits.

    `override_reason`: needed outside a hard window, and for an unscheduled visit dated before screening.
    """


class MissVisitRequest(CommandRequest):
    """A planned visit that did not take place."""

    subject_id: Code
    visit_code: Code


def record_visit(service: Service, act: Act, study_id: str, request: VisitRequest) -> dict[str, Any]:
    """Record a visit without dispensing; answers its number, date and how it lies to its window.

    Raises NotFound, VisitOutsideWindow (hard window, no reason), DomainRefusal for a repeated visit, a future date, or a
    planned visit before screening; also for what was measured (measuring.given_measurements).
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_visit(request.subject_id, request.visit_code)
        visit_date = request.visit_date or transaction.today
        refuse_future(visit_date, transaction.today)
        refuse_future(request.end_date or visit_date, transaction.today, "end_date")
        protocol = transaction.protocol
        visits = visits_of(transaction.connection, study_id, row.subject_id)
        if request.visit_number is None or not request.override_reason:
            refuse_before_screening(visit_date, row.screened_on)
        if request.visit_code is not None:
            path = path_of(row, visits)
            visit = planned_visit(protocol, request.visit_code, path)
            refuse_repeat(visit, visits, row.subject_id)
            facts = planned_visit_facts(
                protocol,
                visit,
                path,
                visits,
                visit_date,
                request.end_date,
                request.override_reason,
                transaction.today,
            )
        else:
            facts = unscheduled_visit_facts(protocol, visits, request, visit_date, transaction.today)
        taken = given_measurements(protocol, request, visit_date, transaction.today)
        answer = {
            "subject_id": row.subject_id,
            "visit_code": facts["visit_code"],
            "visit_number": facts["visit_number"],
            "visit_date": facts["visit_date"],
            "window": facts["window"],
        }
        transaction.append(
            {"visit": facts, **measurement_facts(taken)},
            answer=answer,
            subject_id=row.subject_id,
            site_id=row.site_id,
        )
        follow_edc_of(transaction, row.subject_id)
        return answer

    return execute(service, act, study_id, "record_visit", request, body)


def miss_visit(service: Service, act: Act, study_id: str, request: MissVisitRequest) -> dict[str, Any]:
    """Mark a planned visit missed: its kits are not planned any more.

    Raises NotFound, DomainRefusal when it is on record (a repeating one, too: it did take place), or optional.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_visit(request.subject_id, request.visit_code)
        visits = visits_of(transaction.connection, study_id, row.subject_id)
        visit = planned_visit(transaction.protocol, request.visit_code, path_of(row, visits))
        if visit.optional:
            raise DomainRefusal(
                f"visit {visit.code} is optional, so nobody misses it",
                code="optional-visit",
                field="visit_code",
                fix="nothing need be recorded",
            )
        refuse_repeat(visit, visits, row.subject_id, missed=True)
        number = decimal_text(visit.number)
        facts = {
            "status": "missed",
            "visit_code": visit.code,
            "visit_number": number,
            "occurrence": 1,
            "name": visit.name,
            "epoch": visit.epoch,
            "planned": True,
            "contact": visit.contact,
            "visit_date": None,
            "end_date": None,
            "recorded_on": transaction.today.isoformat(),
            "override_reason": "",
        }
        answer = {
            "subject_id": row.subject_id,
            "visit_code": visit.code,
            "visit_number": number,
            "status": "missed",
        }
        transaction.append({"visit": facts}, answer=answer, subject_id=row.subject_id, site_id=row.site_id)
        follow_edc_of(transaction, row.subject_id)
        return answer

    return execute(service, act, study_id, "miss_visit", request, body)

"""Dispensing at a visit: the visit is judged, the dose moves, the rule chooses the kits, and they go to the subject."""

from __future__ import annotations

from typing import Any

from allocation.commands.edc_gate import check_edc
from allocation.commands.kit_candidates import all_kits_at_site, candidates_from, first_kits_at_site
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.subject_paths import path_of, visits_of
from allocation.commands.transaction import Transaction, execute
from allocation.commands.visit_facts import (
    planned_visit,
    planned_visit_facts,
    protocol_hole,
    refuse_before_screening,
    refuse_future,
    refuse_repeat,
)
from allocation.errors import DomainRefusal, RuleError
from allocation.plain_values import Day
from allocation.rules.dosing import DispensingDecision, DoseMove, kits_due
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.picking import RULE_VERSION, choose_kits_at_site
from allocation.study.canonical import decimal_text
from allocation.study.model import Code
from allocation.study.subject_schedule import dose_level_at, dose_level_before


class DispenseRequest(CommandRequest):
    """A dispensing visit. `titration`: the dose move that the investigator asks for, where the protocol has one at this visit."""

    subject_id: Code
    visit_code: Code
    visit_date: Day | None = None
    end_date: Day | None = None
    titration: DoseMove | None = None
    override_reason: str = ""


def dispense(service: Service, act: Act, study_id: str, request: DispenseRequest) -> dict[str, Any]:
    """Record a dispensing visit and hand out its kits; answers the kit numbers (and nothing that tells the arm).

    Kits are chosen at the site's stock by allocation/rules/picking.py and must be usable on the date of the act at the site.
    Raises NoUsableKit, VisitOutsideWindow, TitrationRefused, DomainRefusal for a subject who is not on treatment.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        protocol = transaction.protocol
        if row.status != "randomized":
            raise DomainRefusal(
                f"subject {row.subject_id} is {row.status}, not on treatment",
                code="not-on-treatment",
                field="subject_id",
                fix="nothing was dispensed",
            )
        visits = visits_of(transaction.connection, study_id, row.subject_id)
        path = path_of(row, visits)
        visit = planned_visit(protocol, request.visit_code, path)
        if not visit.dispensing:
            raise DomainRefusal(
                f"nothing is dispensed at visit {visit.code}",
                code="no-dispensing-visit",
                field="visit_code",
                fix="record it as a visit",
            )
        refuse_repeat(visit, visits, row.subject_id)
        check_edc(transaction, row, "dispensing", visit=visit.code)
        visit_date = request.visit_date or transaction.today
        refuse_future(visit_date, transaction.today)
        refuse_future(request.end_date or visit_date, transaction.today, "end_date")
        refuse_before_screening(visit_date, row.screened_on)
        facts = planned_visit_facts(
            protocol, visit, path, visits, visit_date, request.end_date, request.override_reason
        )
        before = dose_level_before(protocol, path, visit.code)
        level, move, due = _due(transaction, visit.code, row.arm, before, request.titration)
        handed, counts = _choose(transaction, row, due.kits)
        after = {
            "visit": facts,
            "dose_level": level,
            "dispensed_on": transaction.today.isoformat(),
            "kits": handed,
            "titration": None if move is None else move.value,
            "record": {
                "picking": RULE_VERSION,
                "dosing": due.rule_version,
                "dispensing_row": due.row,
                "not_chosen": counts,
            },
        }
        numbers = tuple(one["kit_number"] for one in handed)
        answer = {
            "subject_id": row.subject_id,
            "visit_code": visit.code,
            "visit_date": facts["visit_date"],
            "window": facts["window"],
            "kit_numbers": sorted(numbers),
        }
        return transaction.append(
            after,
            before={"dose_level": row.dose_level},
            answer=answer,
            subject_id=row.subject_id,
            site_id=row.site_id,
            kit_numbers=numbers,
        )

    return execute(service, act, study_id, "dispense", request, body)


def _due(
    transaction: Transaction, visit_code: str, arm: str, before: str | None, asked: DoseMove | None
) -> tuple[str | None, DoseMove | None, DispensingDecision]:
    """The dose level from this visit on, the investigator's move, and the kits due. Raises TitrationRefused, DomainRefusal.

    A rule that finds a hole in the protocol names the arm and the level, which whoever dispenses may not read: not even as the
    cause of the refusal, which is therefore raised outside of the handler.
    """
    try:
        level, move = dose_level_at(transaction.protocol, arm, before, visit_code, asked)
        return level, move, kits_due(transaction.dispensing_table, visit_code, arm, level)
    except (RuleError, ValueError):
        pass
    raise protocol_hole()


def _choose(
    transaction: Transaction, row: Any, due: tuple[tuple[str, int], ...]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The kits to hand out, and how many other candidates were passed over for which reason. Raises NoUsableKit."""
    handed: list[dict[str, Any]] = []
    passed: dict[str, int] = {}
    for kit_type, quantity in due:
        defined = transaction.protocol.kit_type(kit_type)
        if defined is None:
            raise DomainRefusal(
                "the protocol lacks a kit that is due", code="unknown-kit-type", fix="call the supply manager"
            )
        place = (transaction.connection, transaction.study_id, row.site_id, kit_type)
        windows = ExpiryWindows(
            dns_days=defined.expiry.dns_days,
            dnc_days=defined.expiry.dnc_days,
            dnd_days=defined.expiry.dnd_days,
        )
        rows = first_kits_at_site(*place, transaction.today, quantity)
        candidates = candidates_from(rows, row.site_country)
        decision = choose_kits_at_site(candidates, kit_type, quantity, transaction.today, windows)
        if decision.shortfall:
            rows = all_kits_at_site(*place)
            candidates = candidates_from(rows, row.site_country)
            decision = choose_kits_at_site(candidates, kit_type, quantity, transaction.today, windows)
        decision.require_complete()
        for _, reason in decision.not_chosen:
            passed[reason.value] = passed.get(reason.value, 0) + 1
        for index in decision.chosen:
            chosen = rows[index]
            handed.append(
                {
                    "kit_number": chosen.kit_number,
                    "kit_type": kit_type,
                    "lot_id": chosen.lot_id,
                    "expiry_date": chosen.expiry_date.isoformat(),
                    "last_dispense_date": chosen.last_dispense_date.isoformat(),
                    "quantity_units": decimal_text(defined.units_per_kit),
                    "unit": defined.unit,
                }
            )
    return handed, passed

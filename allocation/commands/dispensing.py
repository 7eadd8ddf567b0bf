"""Dispensing at a visit: the visit is judged, the dose moves, the rule chooses the kits, and they go to the subject."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any, Self

from pydantic import Field, StrictBool, model_validator

from allocation.commands.edc_following import follow_edc_of
from allocation.commands.edc_gate import check_edc
from allocation.commands.kit_choice import ChosenKits, choose_kits
from allocation.commands.measuring import given_measurements, measurement_facts, measures_at
from allocation.commands.service import Act, Service
from allocation.commands.transaction import Transaction, execute
from allocation.commands.visit_facts import (
    planned_visit,
    planned_visit_facts,
    protocol_hole,
    refuse_before_screening,
    refuse_future,
    refuse_repeat,
    unscheduled_visit_facts,
)
from allocation.commands.visit_request import VisitDetails
from allocation.errors import DomainRefusal, NotFound, RuleError, TitrationRefused
from allocation.ledger.subject_paths import path_of, visits_of
from allocation.plain_values import Whole
from allocation.rules.dosing import DispensingDecision, DoseMove, kits_due, move_to
from allocation.rules.measures import Measures
from allocation.rules.picking import RULE_VERSION
from allocation.study.dose_paths import dose_label, dose_labels_are_blind
from allocation.study.model import Text
from allocation.study.protocol import Protocol
from allocation.study.schedule import Visit
from allocation.study.subject_schedule import (
    SubjectPath,
    dose_level_at,
    dose_level_before,
    is_first_titration,
    needed_until,
    scheduled_dose_level,
)


class DispenseRequest(VisitDetails):
    """A dispensing visit. An unscheduled one repeats the kits of the last dispensing visit, where the protocol lets it.

    `titration`: the dose move that the investigator asks for, by `steps` levels, where the protocol has one at this visit; or the blinded
    `dose_label` to move to. `accept_partial`: hand out what there is where kits are short and the protocol has partial dispensing.
    """

    titration: DoseMove | None = None
    steps: Whole = Field(default=1, ge=1, le=100)
    dose_label: Text | None = None
    accept_partial: StrictBool = False

    @model_validator(mode="after")
    def _one_way_to_ask(self) -> Self:
        if self.dose_label is not None and self.titration is not None:
            raise ValueError("give titration, or the dose_label to move to, not both")
        return self


def dispense(service: Service, act: Act, study_id: str, request: DispenseRequest) -> dict[str, Any]:
    """Record a dispensing visit and hand out its kits; answers the kit numbers (and nothing that tells the arm).

    Kits are chosen at the site's stock by allocation/rules/picking.py and must be usable on the date of the act at the site, and (dynamic
    DND) until the subject's next dispensing visit. Where the protocol has confirmation they are assigned only.
    Raises NoUsableKit, VisitOutsideWindow, TitrationRefused, DomainRefusal for a subject who is not on treatment or on dose hold, and
    for measurements that dosing needs.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_visit(request.subject_id, request.visit_code)
        protocol = transaction.protocol
        refuse_not_dosed(row)
        visits = visits_of(transaction.connection, study_id, row.subject_id)
        refuse_unconfirmed(visits)
        path = path_of(row, visits)
        visit_date = request.visit_date or transaction.today
        refuse_future(visit_date, transaction.today)
        refuse_future(request.end_date or visit_date, transaction.today, "end_date")
        refuse_before_screening(visit_date, row.screened_on)
        _refuse_before_randomization(visit_date, path)
        visit, facts = _visit(transaction, request, path, visits, visit_date)
        given = given_measurements(protocol, request, visit_date, transaction.today)
        like = visit.code if visit is not None else _last_dispensed(path)
        check_edc(transaction, row, "dispensing", visit=like)
        measures, measured = measures_at(transaction, row.subject_id, like, given)
        level, move, due = _due(transaction, path, visit, like, measures, request)
        until = needed_until(protocol, path, visit, visit_date)
        chosen = choose_kits(transaction, row, due.kits, until, accept_partial=request.accept_partial)
        numbers = tuple(one["kit_number"] for one in chosen.kits)
        after = {
            "visit": facts,
            "dose_level": level,
            "dispensed_on": transaction.today.isoformat(),
            "kits": chosen.kits,
            "titration": None if move is None else move.value,
            "record": {
                "picking": RULE_VERSION,
                "dosing": due.rule_version,
                "dispensing_row": due.row,
                "not_chosen": chosen.passed,
                "needed_until": None if until is None else until.isoformat(),
            },
            **_only_where_used(protocol, request, visit, like, due, chosen),
            **measurement_facts(given),
        }
        after["record"] |= measured
        answer = {
            "subject_id": row.subject_id,
            "visit_code": facts["visit_code"],
            "visit_number": facts["visit_number"],
            "visit_date": facts["visit_date"],
            "window": facts["window"],
            "kit_numbers": sorted(numbers),
            "dose_label": dose_label(protocol, level),
            "kits_short": sum(chosen.short.values()),
            "awaits_confirmation": protocol.dosing.confirmation,
        }
        answer = transaction.append(
            after,
            before={"dose_level": row.dose_level},
            answer=answer,
            subject_id=row.subject_id,
            site_id=row.site_id,
            kit_numbers=numbers,
        )
        follow_edc_of(transaction, row.subject_id)
        return answer

    return execute(service, act, study_id, "dispense", request, body)


def refuse_not_dosed(row: Any) -> None:
    """Raise DomainRefusal for a subject who is not on treatment, or whose dosing is on hold."""
    if row.status != "randomized":
        raise DomainRefusal(
            f"subject {row.subject_id} is {row.status}, not on treatment",
            code="not-on-treatment",
            field="subject_id",
            fix="nothing was dispensed",
        )
    if row.dose_held_on is not None:
        raise DomainRefusal(
            f"dosing of subject {row.subject_id} is on hold since {row.dose_held_on}",
            code="dose-on-hold",
            field="subject_id",
            fix="nothing was dispensed: record the visit without kits, or resume dosing first",
        )


def refuse_unconfirmed(visits: list[Any]) -> None:
    """Raise DomainRefusal while the kits of an earlier visit are assigned and nobody has said what became of them."""
    for visit in visits:
        if visit.confirmation == "awaited":
            raise DomainRefusal(
                f"the kits of visit {visit.visit_code or visit.visit_number} are not confirmed yet",
                code="confirmation-awaited",
                field="subject_id",
                fix="confirm first what was handed out at that visit",
            )


def _refuse_before_randomization(visit_date: date, path: SubjectPath) -> None:
    """Raise DomainRefusal for a visit dated before the randomization whose kits would be handed out at it."""
    randomized_on = max(path.randomizations.values(), default=path.randomized_on)
    if randomized_on is not None and visit_date < randomized_on:
        raise DomainRefusal(
            f"{visit_date} is before the subject's randomization on {randomized_on}",
            code="before-randomization",
            field="visit_date",
            fix="correct the date; record what took place before as a visit without kits",
        )


def _visit(
    transaction: Transaction,
    request: DispenseRequest,
    path: SubjectPath,
    visits: list[Any],
    visit_date: date,
) -> tuple[Visit | None, dict[str, Any]]:
    """The planned visit (None for an unscheduled one) and its facts. Raises as `dispense`."""
    protocol = transaction.protocol
    if request.visit_code is None:
        return None, _unscheduled(transaction, request, path, visits, visit_date)
    visit = planned_visit(protocol, request.visit_code, path)
    if not visit.dispensing:
        raise DomainRefusal(
            f"nothing is dispensed at visit {visit.code}",
            code="no-dispensing-visit",
            field="visit_code",
            fix="record it as a visit",
        )
    refuse_repeat(visit, visits, path.subject_id)
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
    return visit, facts


def _unscheduled(
    transaction: Transaction,
    request: DispenseRequest,
    path: SubjectPath,
    visits: list[Any],
    visit_date: date,
) -> dict[str, Any]:
    if not transaction.protocol.dosing.unscheduled:
        raise DomainRefusal(
            "nothing is dispensed at unscheduled visits of this study",
            code="no-unscheduled-dispensing",
            field="visit_number",
            fix="record it as a visit",
        )
    if not path.dispensed:
        raise DomainRefusal(
            f"subject {path.subject_id} was given no kits at a planned visit yet, which could be given again",
            code="nothing-dispensed-before",
            field="visit_number",
            fix="dispense at the planned visit",
        )
    if request.titration is not None or request.dose_label is not None:
        raise TitrationRefused(
            "the dose is not titrated at unscheduled visits",
            code="no-titration-here",
            field="titration",
            fix="leave it out",
        )
    return unscheduled_visit_facts(transaction.protocol, visits, request, visit_date, transaction.today)


def _last_dispensed(path: SubjectPath) -> str:
    """The planned visit at which the subject was given kits last: whose kits an unscheduled visit repeats, never a missed one's."""
    return max(path.dispensed, key=lambda code: (path.done[code], code))


def _due(
    transaction: Transaction,
    path: SubjectPath,
    visit: Visit | None,
    like: str,
    measures: Measures | None,
    request: DispenseRequest,
) -> tuple[str | None, DoseMove | None, DispensingDecision]:
    """The dose level from this visit on, the investigator's move, and the kits due. Raises TitrationRefused, DomainRefusal.

    A rule that finds a hole in the protocol names the arm and the level, which whoever dispenses may not read: not even as the
    cause of the refusal, which is therefore raised outside of the handler.
    """
    protocol, arm = transaction.protocol, path.arm or ""
    with suppress(RuleError, ValueError):
        level, move = path.dose_level, None
        if visit is not None:
            before = dose_level_before(protocol, path, visit.code)
            asked, steps = _asked(protocol, path, before, visit.code, request)
            level, move = dose_level_at(
                protocol,
                arm,
                before,
                visit.code,
                asked,
                steps=steps,
                first=is_first_titration(protocol, path),
            )
        return level, move, kits_due(transaction.dispensing_table, like, arm, level, measures)
    raise protocol_hole()


def _asked(
    protocol: Protocol, path: SubjectPath, before: str | None, visit_code: str, request: DispenseRequest
) -> tuple[DoseMove | None, int]:
    """The move and its steps; those that lead to the blinded label, where the site named one. Raises TitrationRefused, NotFound."""
    if request.dose_label is None:
        return request.titration, request.steps
    if not dose_labels_are_blind(protocol):
        raise TitrationRefused(
            "doses have no blinded labels in this study", field="dose_label", fix="ask for a move instead"
        )
    known = sorted(protocol.dose_levels, key=lambda one: one.order)
    labels = [one.label for one in known]
    if request.dose_label not in labels:
        raise NotFound(
            f"{request.dose_label!r} is no dose label of this study",
            field="dose_label",
            fix=f"one of {', '.join(labels)}",
        )
    codes = [one.code for one in known]
    level = scheduled_dose_level(protocol, path.arm or "", before, visit_code)
    return move_to(codes.index(level or codes[0]), labels.index(request.dose_label))


def _only_where_used(
    protocol: Protocol,
    request: DispenseRequest,
    visit: Visit | None,
    like: str,
    due: DispensingDecision,
    chosen: ChosenKits,
) -> dict[str, Any]:
    """What an entry says besides, of dispensings that are not plain."""
    facts: dict[str, Any] = {}
    if protocol.dosing.confirmation:
        facts["awaits_confirmation"] = True
    if visit is None:
        facts["kits_of"] = like
    if request.steps != 1 or request.dose_label is not None:
        facts["asked"] = {"steps": request.steps, "dose_label": request.dose_label}
    if chosen.short:
        facts["short"] = chosen.short
    if due.dose is not None:
        facts["dose"] = {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in asdict(due.dose).items()
        }
    return facts

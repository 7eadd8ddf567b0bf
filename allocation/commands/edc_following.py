"""What follows from the EDC's word on a subject: levels, eligibility, visits and measures that nobody need enter, and contradictions.

Before randomization the EDC's word is the subject's level of a factor whose source is the EDC. After it nothing is changed: a level that
differs is a mis-stratification, which stands beside the allocation as it was made. Whatever the site has entered itself is never
overwritten, only compared. That a criterion is not met closes the gate; a screen failure, which is final, is for the site to record.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from allocation.commands.measuring import measurement_facts
from allocation.commands.transaction import Transaction
from allocation.commands.visit_facts import planned_visit, planned_visit_facts, refuse_future, refuse_repeat
from allocation.edc.field_map import matches
from allocation.edc.known import (
    criteria_answers,
    factor_levels,
    height_cm,
    keys_of,
    known_facts,
    visit_dates,
    weight_kg,
)
from allocation.errors import DomainRefusal
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import edc_contradiction, site, subject, subject_measurement
from allocation.ledger.subject_paths import path_of, visits_of
from allocation.rules.measures import Measure, Measurement
from allocation.study.canonical import decimal_text
from allocation.study.measure_points import plausible_range

FROM_EDC = "as the EDC dates it"
"""The reason that is recorded with a visit outside its window which nobody here has dated."""


def follow_edc_of(transaction: Transaction, subject_id: str) -> None:
    """Do what follows from what the EDC has said of this subject already; its row must be locked, or new."""
    edc = transaction.protocol.edc
    if not edc.items:
        return
    keys = keys_of(transaction.connection, transaction.study_id, edc, subject_id)
    facts = known_facts(transaction.connection, transaction.study_id, keys)
    if not facts:
        return
    row = _subject(transaction, subject_id)
    factors, contradictions = _compare_factors(transaction, row, facts)
    answers = criteria_answers(transaction.protocol, facts)
    contradictions |= _compare_eligibility(row, answers)
    if edc.mode == "unified":
        _record_eligibility(transaction, row, answers, facts)
    contradictions |= _compare_visits(transaction, row, facts)
    measured, implausible = _new_measurements(transaction, row, facts)
    _apply(transaction, row, factors, measured, contradictions | implausible)


Contradictions = dict[str, tuple[str, str, str]]
"""What it is about -> kind, what stands here, what the EDC says."""


def _subject(transaction: Transaction, subject_id: str) -> Any:
    query = (
        select(subject, site.c.timezone)
        .join_from(
            subject, site, (site.c.study_id == subject.c.study_id) & (site.c.site_id == subject.c.site_id)
        )
        .where(subject.c.study_id == transaction.study_id, subject.c.subject_id == subject_id)
    )
    return transaction.connection.execute(query).one()


def _compare_factors(
    transaction: Transaction, row: Any, facts: list[Any]
) -> tuple[dict[str, str], Contradictions]:
    """The levels to take over, and those that differ from what must stay."""
    protocol = transaction.protocol
    from_edc = {factor.code for factor in protocol.stratification if factor.source == "edc"}
    on_record = json.loads(row.factors_json)
    take_over: dict[str, str] = {}
    differing: Contradictions = {}
    for code, level in factor_levels(protocol, facts).items():
        here = on_record.get(code)
        if level is None or level == here:
            continue
        if row.randomized_on is not None:
            differing[f"factor {code}"] = ("mis-stratification", here or "", level)
        elif row.status == "screen_failed":
            continue
        elif here is None or code in from_edc:
            take_over[code] = level
        else:
            differing[f"factor {code}"] = ("factor", here, level)
    return take_over, differing


def _compare_eligibility(row: Any, answers: dict[str, tuple[bool, ...]]) -> Contradictions:
    not_met = [code for code, said in answers.items() if said and not all(said)]
    if row.eligible and not_met:
        return {"eligibility": ("eligibility", "eligible", f"not met: {', '.join(not_met)}")}
    if row.eligible is False and _all_met(answers):
        return {"eligibility": ("eligibility", "not eligible", "every criterion is met")}
    return {}


def _all_met(answers: dict[str, tuple[bool, ...]]) -> bool:
    return bool(answers) and all(said and all(said) for said in answers.values())


def _record_eligibility(
    transaction: Transaction, row: Any, answers: dict[str, tuple[bool, ...]], facts: list[Any]
) -> None:
    if row.status != "screening" or row.eligible is not None or not _all_met(answers):
        return
    mapped = transaction.protocol.edc.criteria
    moments = [
        fact.source_at
        for fact in facts
        if fact.kind == "item" and any(matches(item, fact) for item in mapped)
    ]
    today = transaction.at_zone(row.timezone)
    assessed_on = min(max(_day_at(max(moments), row.timezone), row.screened_on), today)
    after = {
        "eligible": True,
        "assessed_on": assessed_on.isoformat(),
        "failed_criteria": [],
        "source": "edc",
    }
    _append(transaction, row, "record_eligibility", after, {"status": row.status})


def _compare_visits(transaction: Transaction, row: Any, facts: list[Any]) -> Contradictions:
    """Record the visits that took place by the EDC and are not on record; gives those that are, on another date."""
    differing: Contradictions = {}
    protocol = transaction.protocol
    for code, day in visit_dates(protocol.edc, facts).items():
        visits = visits_of(transaction.connection, transaction.study_id, row.subject_id)
        earlier = [one for one in visits if one.visit_code == code]
        if any(one.status == "done" and one.visit_date == day for one in earlier):
            continue
        if earlier:
            here = ", ".join(str(one.visit_date) if one.status == "done" else "missed" for one in earlier)
            differing[f"visit {code}"] = ("visit date", here, day.isoformat())
            continue
        visit = protocol.visit(code)
        if (
            protocol.edc.mode != "unified"
            or visit is None
            or visit.dispensing
            or row.status == "screen_failed"
        ):
            continue
        try:
            _record_visit(transaction, row, code, day, visits)
        except DomainRefusal as refusal:
            differing[f"visit {code}"] = ("visit not recorded", refusal.code, day.isoformat())
    return differing


def _record_visit(transaction: Transaction, row: Any, code: str, day: date, visits: list[Any]) -> None:
    transaction.at_visit(row.subject_id, code)
    protocol = transaction.protocol
    refuse_future(day, transaction.at_zone(row.timezone))
    if day < row.screened_on:
        raise DomainRefusal(f"{day} is before screening", code="before-screening", field="visit_date")
    path = path_of(row, visits)
    visit = planned_visit(protocol, code, path)
    refuse_repeat(visit, visits, row.subject_id)
    today = transaction.at_zone(row.timezone)
    facts = planned_visit_facts(protocol, visit, path, visits, day, None, FROM_EDC, today)
    _append(transaction, row, "record_visit", {"visit": facts, "source": "edc"}, {})


def _new_measurements(
    transaction: Transaction, row: Any, facts: list[Any]
) -> tuple[list[Measurement], Contradictions]:
    """The weight and height that the EDC states and nobody has given for that day, and those that are not plausible.

    The day is that on which the EDC was told, at the site. What the site gave for a day is never overwritten.
    """
    protocol = transaction.protocol
    taken: list[Measurement] = []
    implausible: Contradictions = {}
    columns = subject_measurement.c
    for measure, stated in (
        (Measure.WEIGHT, weight_kg(protocol.edc, facts)),
        (Measure.HEIGHT, height_cm(protocol.edc, facts)),
    ):
        if stated is None:
            continue
        measured_on = min(_day_at(stated.at, row.timezone), transaction.at_zone(row.timezone))
        low, high = plausible_range(protocol, measure)
        if not low <= stated.value <= high:
            shown = f"{decimal_text(low)} to {decimal_text(high)} expected"
            implausible[measure.value] = ("implausible measurement", shown, decimal_text(stated.value))
            continue
        query = select(columns.value).where(
            columns.study_id == transaction.study_id,
            columns.subject_id == row.subject_id,
            columns.measure == measure.value,
            columns.measured_on == measured_on,
        )
        if transaction.connection.execute(query).first() is None:
            taken.append(Measurement(measure, stated.value, measured_on))
    return taken, implausible


def _apply(
    transaction: Transaction,
    row: Any,
    factors: dict[str, str],
    measured: list[Measurement],
    contradictions: Contradictions,
) -> None:
    """Write down levels and measurements that are taken over, and the contradictions that stand now, if anything is new."""
    columns = edc_contradiction.c
    standing = {
        one.about: one
        for one in transaction.connection.execute(
            select(edc_contradiction).where(
                columns.study_id == transaction.study_id, columns.subject_id == row.subject_id
            )
        )
    }
    before = {about: (one.kind, one.here, one.in_edc) for about, one in standing.items()}
    if not factors and not measured and before == contradictions:
        return
    on_record = json.loads(row.factors_json)
    after = {
        "factors": factors,
        "contradictions": [
            {
                "about": about,
                "kind": kind,
                "here": here,
                "in_edc": in_edc,
                "found_at": moment_text(
                    standing[about].found_at if before.get(about) == (kind, here, in_edc) else transaction.now
                ),
            }
            for about, (kind, here, in_edc) in sorted(contradictions.items())
        ],
        **measurement_facts(measured),
    }
    replaced = {"factors": {code: on_record[code] for code in factors if code in on_record}}
    _append(transaction, row, "apply_edc_facts", after, replaced)


def _append(
    transaction: Transaction, row: Any, command: str, after: dict[str, Any], before: dict[str, Any]
) -> None:
    transaction.append(
        after,
        before=before,
        answer={"subject_id": row.subject_id},
        subject_id=row.subject_id,
        site_id=row.site_id,
        follows=command,
    )


def _day_at(moment: datetime, timezone: str) -> date:
    return moment.astimezone(ZoneInfo(timezone)).date()

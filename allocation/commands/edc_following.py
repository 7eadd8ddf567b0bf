"""What follows from the EDC's word on a subject: levels, eligibility, visits and measures that nobody need enter, and contradictions.

Before randomization the EDC's word is the subject's level of a factor whose source is the EDC. After it nothing is changed: a level that
differs is a mis-stratification, which stands beside the allocation as it was made. Whatever the site has entered itself is never
overwritten, only compared: when the EDC's word comes, and again with each act that the EDC may have spoken of already.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from sqlalchemy import select

from allocation.commands.edc_effects import Contradictions, append_following, subject_now
from allocation.commands.edc_eligibility import compare_screening, follow_screening
from allocation.commands.edc_measuring import new_measurements
from allocation.commands.measuring import measurement_facts
from allocation.commands.transaction import Transaction
from allocation.commands.visit_facts import planned_visit, planned_visit_facts, refuse_future, refuse_repeat
from allocation.edc.known import factor_levels, keys_of, known_facts, visit_dates
from allocation.errors import DomainRefusal
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import edc_contradiction
from allocation.ledger.subject_paths import path_of, visits_of
from allocation.rules.measures import Measurement

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
    row = subject_now(transaction, subject_id)
    if follow_screening(transaction, row, facts):
        row = subject_now(transaction, subject_id)
    factors, contradictions = _compare_factors(transaction, row, facts)
    contradictions |= compare_screening(transaction, row, facts)
    contradictions |= _compare_visits(transaction, row, facts)
    measured, implausible = new_measurements(transaction, row, facts)
    _apply(transaction, row, factors, measured, contradictions | implausible)


def _compare_factors(
    transaction: Transaction, row: Any, facts: list[Any]
) -> tuple[dict[str, str], Contradictions]:
    """The levels to take over, and those that differ from what must stay."""
    protocol = transaction.protocol
    from_edc = {factor.code for factor in protocol.stratification if factor.source == "edc"}
    # Of a randomized subject the truth, where somebody has recorded it, stands beside the levels that it was drawn by.
    on_record = {**json.loads(row.factors_json), **json.loads(row.true_factors_json or "{}")}
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


def _compare_visits(transaction: Transaction, row: Any, facts: list[Any]) -> Contradictions:
    """Record the visits that took place by the EDC and are not on record; gives those that are, on another date."""
    differing: Contradictions = {}
    protocol = transaction.protocol
    dates = visit_dates(protocol.edc, facts)
    visits = visits_of(transaction.connection, transaction.study_id, row.subject_id) if dates else []
    for code, day in dates.items():
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
        else:
            visits = visits_of(transaction.connection, transaction.study_id, row.subject_id)
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
    append_following(transaction, row, "record_visit", {"visit": facts, "source": "edc"}, {})


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
    append_following(transaction, row, "apply_edc_facts", after, replaced)

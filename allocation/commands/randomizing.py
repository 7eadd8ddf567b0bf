"""Randomizing a subject: who is admitted, what is drawn, and one entry that holds the whole of it.

An arm comes from the next entry of the active list, from a draw by the event's method, or (at a later event) from the protocol alone;
the entry's `record` says how, and deriving it again gives the same arm (allocation/views/unblinded/draws.py).
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from pydantic import Field
from sqlalchemy import Row

from allocation.commands.allocating import Allocated, allocate
from allocation.commands.caps import caps_facts, check_caps, cohorts_filled, is_cohort_open, levels_of_place
from allocation.commands.edc_following import follow_edc_of
from allocation.commands.edc_gate import check_edc
from allocation.commands.randomization_admission import Passage, passage_of
from allocation.commands.replacing import allocate_replacement, replaced_by
from allocation.commands.screening import check_factors
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.commands.visit_facts import refuse_future
from allocation.errors import DomainRefusal
from allocation.plain_values import Day
from allocation.study.model import Code
from allocation.study.randomization_design import RandomizationEvent
from allocation.study.strata import stratum_key


class RandomizeRequest(CommandRequest):
    """A subject to randomize, at the first event or a later one. `factors` completes or replaces the levels given before.

    `override_reason` is needed when screening took longer than the protocol allows.
    """

    subject_id: Code
    event: Code | None = None
    randomized_on: Day | None = None
    factors: dict[str, str] = Field(default_factory=dict)
    override_reason: str = ""


def randomize(service: Service, act: Act, study_id: str, request: RandomizeRequest) -> dict[str, Any]:
    """Randomize a subject; answers its randomization number, never the arm.

    Raises DomainRefusal for a subject whom the event does not admit, who lacks a factor, when a cap is reached, no list or method is
    active, or the site cannot supply; ListExhausted when the list has no entry left for the stratum.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        check_edc(transaction, row, "randomization", given=request.factors)
        randomized_on = request.randomized_on or transaction.today
        refuse_future(randomized_on, transaction.today, "randomized_on")
        passage = passage_of(transaction, row, request.event, randomized_on, request.override_reason)
        event = passage.event
        factors = _factors(transaction, row, event, request.factors)
        stratum = stratum_key(factors, event.factors)
        replaces = replaced_by(transaction, row.subject_id) if passage.is_first else None
        reached = []
        if passage.is_first:
            place = (row.site_id, row.site_country, row.cohort, stratum)
            reached = check_caps(transaction, "randomization", *place, replaces=replaces)
        allocated = allocate_replacement(transaction, row, passage, factors)
        if allocated is None:
            allocated = allocate(transaction, row, passage, factors)
        after = _after(transaction, row, passage, allocated, factors, stratum, randomized_on)
        after["closes_cohorts"] = (
            _closes_cohorts(transaction, row.cohort, replaces) if passage.is_first else []
        )
        after["override_reason"] = request.override_reason
        after |= caps_facts(reached)
        answer = {
            "subject_id": row.subject_id,
            "event": event.code,
            "randomization_number": allocated.number,
            "randomized_on": randomized_on.isoformat(),
            "status": "randomized",
        }
        before = {"status": row.status, "arm": row.arm, "dose_level": row.dose_level}
        transaction.append(
            after, before=before, answer=answer, subject_id=row.subject_id, site_id=row.site_id
        )
        follow_edc_of(transaction, row.subject_id)
        return answer

    return execute(service, act, study_id, "randomize", request, body)


def _after(
    transaction: Transaction,
    row: Row[Any],
    passage: Passage,
    allocated: Allocated,
    factors: dict[str, str],
    stratum: str,
    on: date,
) -> dict[str, Any]:
    """The entry's payload. A subject who keeps its arm keeps its dose; another arm begins at its own start level."""
    arm = transaction.protocol.arm(allocated.arm)
    keeps = allocated.arm == passage.from_arm
    start = None if arm is None else arm.start_dose_level
    return {
        "event": passage.event.code,
        "occurrence": passage.occurrence,
        "is_first": passage.is_first,
        "randomized_on": on.isoformat(),
        "country": row.site_country,
        "cohort": row.cohort,
        "stratum": stratum,
        "factors": factors,
        "from_arm": passage.from_arm,
        "arm": allocated.arm,
        "scheduled_arm": allocated.scheduled_arm,
        "forced": allocated.forced,
        "dose_level": row.dose_level if keeps else start,
        "method": allocated.method,
        "holder": allocated.holder,
        "run": allocated.run,
        "randomization_number": allocated.number,
        "list": allocated.list_use,
        "scheme": allocated.scheme,
        "draw_index": allocated.draw_index,
        "unit": allocated.unit,
        "activation": allocated.activation,
        "protocol_version": transaction.version,
        "randomizations": passage.dates_after(on),
        "record": allocated.record,
    }


def _closes_cohorts(transaction: Transaction, cohort: str | None, replaces: str | None) -> list[str]:
    """The open cohorts that this randomization fills: they close by themselves."""
    filled = cohorts_filled(transaction, cohort, more=1, replaces=replaces)
    return [code for code in filled if is_cohort_open(transaction, code)]


def _factors(
    transaction: Transaction, row: Row[Any], event: RandomizationEvent, given: dict[str, str]
) -> dict[str, str]:
    check_factors(transaction.protocol, given)
    factors: dict[str, str] = {
        **json.loads(row.factors_json),
        **given,
        **levels_of_place(transaction.protocol, row.site_id, row.site_country),
    }
    if missing := [code for code in event.factors if code not in factors]:
        raise DomainRefusal(
            f"stratification factors {', '.join(missing)} are not known",
            code="factor-missing",
            field="factors",
            fix="give their levels",
        )
    return factors

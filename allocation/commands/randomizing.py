"""Randomizing a subject: the next entry of the active list, used up in the same transaction."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from pydantic import Field
from sqlalchemy import Row, bindparam, select

from allocation.commands.caps import check_caps
from allocation.commands.edc_gate import check_edc
from allocation.commands.screening import check_factors
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.commands.visit_facts import refuse_future
from allocation.errors import DomainRefusal
from allocation.ledger.schema import list_entry, randomization_list
from allocation.rules.blocks import ListEntry
from allocation.rules.randomization import RandomizationDecision, next_list_entry
from allocation.study.design import RandomizationEvent
from allocation.study.model import Code
from allocation.study.strata import stratum_key

_ACTIVE = (
    select(randomization_list.c.list_id)
    .where(
        randomization_list.c.study_id == bindparam("study"),
        randomization_list.c.event == bindparam("event"),
        randomization_list.c.state == "active",
    )
    .with_for_update()
)
"""The active list, locked: two desks draw one after the other, so the second sees what the first has used."""

_NEXT = (
    select(list_entry)
    .where(
        list_entry.c.study_id == bindparam("study"),
        list_entry.c.list_id == bindparam("list"),
        list_entry.c.holder == bindparam("holder"),
        list_entry.c.stratum == bindparam("stratum"),
        list_entry.c.subject_id.is_(None),
    )
    .order_by(list_entry.c.sequence)
    .limit(1)
)


class RandomizeRequest(CommandRequest):
    """A subject to randomize. `factors` completes or replaces the factor levels given at screening.

    `override_reason` is needed when screening took longer than the protocol allows.
    """

    subject_id: Code
    event: Code | None = None
    randomized_on: date | None = None
    factors: dict[str, str] = Field(default_factory=dict)
    override_reason: str = ""


def randomize(service: Service, act: Act, study_id: str, request: RandomizeRequest) -> dict[str, Any]:
    """Randomize a subject; answers its randomization number, never the arm.

    Raises DomainRefusal for a subject who is randomized already, is not eligible, or lacks a factor; ListExhausted when the list
    has no entry left for the stratum; and when a cap is reached or no list is active.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        event = _event(transaction, request.event)
        check_edc(transaction, row, "randomization", given=request.factors)
        _check_state(transaction, row)
        randomized_on = request.randomized_on or transaction.today
        refuse_future(randomized_on, transaction.today, "randomized_on")
        _check_screening_time(transaction, row, randomized_on, request.override_reason)
        factors = _factors(transaction, row, event, request.factors)
        stratum = stratum_key(factors, event.factors)
        check_caps(transaction, "randomization", row.site_id, row.site_country, row.cohort, stratum)
        holder = {"site": row.site_id, "country": row.site_country}.get(event.held_by, "")
        drawn = _draw(transaction, event, holder, stratum)
        arm = transaction.protocol.arm(drawn.arm)
        after = {
            "event": event.code,
            "randomized_on": randomized_on.isoformat(),
            "stratum": stratum,
            "factors": factors,
            "holder": holder,
            "list_id": drawn.list_id,
            "sequence": drawn.sequence,
            "block": drawn.block,
            "randomization_number": drawn.number,
            "arm": drawn.arm,
            "dose_level": None if arm is None else arm.start_dose_level,
            "method": drawn.method,
            "record": {
                "rule_version": drawn.rule_version,
                "index": drawn.index,
                "entries_before": drawn.sequence - 1,
            },
            "override_reason": request.override_reason,
        }
        answer = {
            "subject_id": row.subject_id,
            "randomization_number": drawn.number,
            "randomized_on": randomized_on.isoformat(),
            "status": "randomized",
        }
        before = {"status": row.status}
        return transaction.append(
            after, before=before, answer=answer, subject_id=row.subject_id, site_id=row.site_id
        )

    return execute(service, act, study_id, "randomize", request, body)


def _event(transaction: Transaction, code: str | None) -> RandomizationEvent:
    events = transaction.protocol.randomization
    event = next((one for one in events if code is None or one.code == code), None)
    if event is None:
        known = ", ".join(one.code for one in events)
        raise DomainRefusal(
            f"there is no randomization event {code!r}",
            code="unknown-event",
            field="event",
            fix=f"one of {known}",
        )
    return event


def _check_state(transaction: Transaction, row: Row[Any]) -> None:
    if row.randomized_on is not None:
        raise DomainRefusal(
            f"subject {row.subject_id} was randomized on {row.randomized_on}",
            code="already-randomized",
            field="subject_id",
            fix="a randomization is never repeated or removed",
        )
    if row.status not in ("screening", "eligible"):
        raise DomainRefusal(
            f"subject {row.subject_id} is {row.status}",
            code="not-in-screening",
            field="subject_id",
            fix="nothing was changed",
        )
    if transaction.protocol.screening.require_eligibility and not row.eligible:
        raise DomainRefusal(
            f"subject {row.subject_id} has not been found eligible",
            code="not-eligible",
            field="subject_id",
            fix="record eligibility first",
        )


def _check_screening_time(transaction: Transaction, row: Row[Any], randomized_on: date, reason: str) -> None:
    days = (randomized_on - row.screened_on).days
    longest = transaction.protocol.screening.max_days_to_randomization
    if days < 0:
        raise DomainRefusal(
            f"{randomized_on} is before screening on {row.screened_on}",
            code="before-screening",
            field="randomized_on",
            fix="correct the date",
        )
    if longest is not None and days > longest and not reason:
        raise DomainRefusal(
            f"screening took {days} days, the protocol allows {longest}",
            code="screening-too-long",
            field="override_reason",
            fix="screen again, or give a reason to override",
        )


def _factors(
    transaction: Transaction, row: Row[Any], event: RandomizationEvent, given: dict[str, str]
) -> dict[str, str]:
    check_factors(transaction.protocol, given)
    factors: dict[str, str] = {**json.loads(row.factors_json), **given}
    region = next(
        (one.region for one in transaction.protocol.countries if one.code == row.site_country), None
    )
    of_place = {"site": row.site_id, "country": row.site_country, "region": region}
    for factor in transaction.protocol.stratification:
        level = of_place.get(factor.source)
        if level is not None:
            factors[factor.code] = level
    if missing := [code for code in event.factors if code not in factors]:
        raise DomainRefusal(
            f"stratification factors {', '.join(missing)} are not known",
            code="factor-missing",
            field="factors",
            fix="give their levels",
        )
    return factors


def _draw(
    transaction: Transaction, event: RandomizationEvent, holder: str, stratum: str
) -> RandomizationDecision:
    keys = {"study": transaction.study_id, "event": event.code}
    list_id = transaction.connection.execute(_ACTIVE, keys).scalar()
    if list_id is None:
        raise DomainRefusal(
            "no randomization list is active",
            code="no-active-list",
            field="event",
            fix="the statistician activates a list first",
        )
    found = transaction.connection.execute(
        _NEXT, {"study": transaction.study_id, "list": list_id, "holder": holder, "stratum": stratum}
    ).all()
    entries = [
        ListEntry(one.randomization_number, one.stratum, one.sequence, one.block, one.arm) for one in found
    ]
    return next_list_entry(
        list_id, f"stratum {stratum}" + (f" at {holder}" if holder else ""), entries, [False] * len(entries)
    )

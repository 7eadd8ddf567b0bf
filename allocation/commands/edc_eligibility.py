"""The EDC's word on eligibility: found eligible, or failed in screening, as the study's map says that the EDC says so.

In a unified study both are recorded. A screen failure is final, so it is taken only from what the map names for it: an unmet criterion
alone closes the gate and no more, since a slip of the pen there is mended by the next message.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from allocation.commands.edc_effects import Contradictions, append_following, day_at
from allocation.commands.screen_failure import screen_failure_facts
from allocation.commands.transaction import Transaction
from allocation.edc.field_map import matches
from allocation.edc.known import ScreeningWord, criteria_answers, screening_word
from allocation.ledger.schema import IN_SCREENING

Answers = dict[str, tuple[bool, ...]]


def follow_screening(transaction: Transaction, row: Any, facts: list[Any]) -> bool:
    """Record what the EDC says of a subject in screening, in a unified study; gives whether anything was recorded."""
    protocol = transaction.protocol
    if protocol.edc.mode != "unified" or row.status not in IN_SCREENING:
        return False
    answers = criteria_answers(protocol, facts)
    word = screening_word(protocol, facts)
    if word.failed:
        _fail(transaction, row, answers, word)
        return True
    if row.status == "screening" and row.eligible is None and _all_met(answers):
        _find_eligible(transaction, row, facts)
        return True
    return False


def compare_screening(transaction: Transaction, row: Any, facts: list[Any]) -> Contradictions:
    """Where the EDC says otherwise of eligibility or screen failure than what is on record here."""
    answers = criteria_answers(transaction.protocol, facts)
    word = screening_word(transaction.protocol, facts)
    found: Contradictions = {}
    not_met = _not_met(answers)
    if row.eligible and not_met:
        found["eligibility"] = ("eligibility", "eligible", f"not met: {', '.join(not_met)}")
    elif row.eligible is False and _all_met(answers):
        found["eligibility"] = ("eligibility", "not eligible", "every criterion is met")
    if word.failed and row.status not in ("screening", "screen_failed"):
        here = "eligible" if row.randomized_on is None else "randomized"
        found["screening"] = ("screen failure", here, "screen failure")
    elif word.told and not word.failed and row.status == "screen_failed":
        found["screening"] = ("screen failure", "screen failure", "no screen failure")
    return found


def _fail(transaction: Transaction, row: Any, answers: Answers, word: ScreeningWord) -> None:
    # A subject that failed must not stay open for a date that is none here: it is taken into the days that are possible.
    assert word.at is not None  # noqa: S101  (the word is that it failed)
    on = _possible(transaction, row, word.on or day_at(word.at, row.timezone))
    named = {code for mapped in transaction.protocol.edc.criteria for code in mapped.criteria}
    after = {
        "eligible": False,
        "assessed_on": on.isoformat(),
        "failed_criteria": [code for code in _not_met(answers) if code in named],
        "event": None,
        "source": "edc",
        **screen_failure_facts(on, on),
    }
    append_following(transaction, row, "record_eligibility", after, {"status": row.status})


def _find_eligible(transaction: Transaction, row: Any, facts: list[Any]) -> None:
    mapped = transaction.protocol.edc.criteria
    moments = [
        fact.source_at
        for fact in facts
        if fact.kind == "item" and any(matches(item, fact) for item in mapped)
    ]
    after = {
        "eligible": True,
        "assessed_on": _possible(transaction, row, day_at(max(moments), row.timezone)).isoformat(),
        "failed_criteria": [],
        "source": "edc",
    }
    append_following(transaction, row, "record_eligibility", after, {"status": row.status})


def _possible(transaction: Transaction, row: Any, day: date) -> date:
    """The day, or the nearest one from screening to today (the site's date)."""
    screened_on: date = row.screened_on
    return min(max(day, screened_on), transaction.at_zone(row.timezone))


def _not_met(answers: Answers) -> list[str]:
    return [code for code, said in answers.items() if said and not all(said)]


def _all_met(answers: Answers) -> bool:
    return bool(answers) and all(said and all(said) for said in answers.values())

"""The EDC's word before a subject is randomized or given kits, in a unified study."""

from __future__ import annotations

import json
from typing import Any, Literal

from allocation.commands.transaction import Transaction
from allocation.edc.known import factor_levels, gate, keys_of, known_facts
from allocation.errors import DomainRefusal
from allocation.ledger.schema import IN_SCREENING


def check_edc(
    transaction: Transaction,
    row: Any,
    purpose: Literal["randomization", "dispensing"],
    *,
    visit: str | None = None,
    given: dict[str, str] | None = None,
) -> None:
    """Refuse unless the EDC has cleared the subject in `row` for this; in a standalone study nothing is asked.

    `visit`: where kits are to be dispensed. `given`: factor levels that come with the request to randomize. Raises DomainRefusal:
    "edc-not-ready" with all that is missing by name, "factor-from-edc" for a level other than the EDC's own.
    """
    protocol = transaction.protocol
    if protocol.edc.mode != "unified":
        return
    if purpose == "randomization" and row.status not in IN_SCREENING:
        return  # the command's own refusal says why, whatever the EDC has said
    keys = keys_of(transaction.connection, transaction.study_id, protocol.edc, row.subject_id)
    facts = known_facts(transaction.connection, transaction.study_id, keys)
    gate(protocol, facts, visit).require_open(row.subject_id)
    if purpose == "randomization":
        _check_levels(row, factor_levels(protocol, facts, from_edc_only=True), given or {})


def _check_levels(row: Any, levels: dict[str, str | None], given: dict[str, str]) -> None:
    on_record = {**json.loads(row.factors_json), **given}
    for code, level in levels.items():
        if on_record.get(code) != level:
            raise DomainRefusal(
                f"factor {code} is {level} by the EDC, and {on_record.get(code, 'unknown')} here",
                code="factor-from-edc",
                field=f"factors.{code}",
                fix="leave it out: it comes from the EDC; if it was not given here, have the EDC send the subject's data again",
            )

"""From an admitted subject to an arm: by the protocol alone, from the active list, or by a draw of the event's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from allocation.commands.list_draws import CENTRAL, open_run
from allocation.commands.list_runs import require_fitting_list
from allocation.commands.randomization_admission import Passage
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.rules.randomization import next_list_entry
from allocation.study.allocation_scheme import event_ratio, run_key
from allocation.study.randomization_design import RandomizationEvent


@dataclass(frozen=True, slots=True)
class Allocated:
    """What was allocated and how. `list_use` names the entry, the entries passed over and the block handed out."""

    method: str
    arm: str
    scheduled_arm: str
    forced: bool
    number: str
    holder: str
    record: dict[str, Any]
    list_use: dict[str, Any] | None = None
    scheme: str | None = None
    draw_index: int | None = None


def allocate(transaction: Transaction, row: Row[Any], passage: Passage, factors: dict[str, str]) -> Allocated:
    """Allocate the subject. Raises DomainRefusal (nothing active, no arm open, no supply), ListExhausted."""
    event = passage.event
    ratio = event_ratio(transaction.protocol, event, row.cohort, passage.from_arm)
    if not ratio:
        raise DomainRefusal(
            "the protocol has no arm open for this subject",
            code="no-open-arm",
            field="subject_id",
            fix="call the sponsor: the protocol must be amended",
        )
    holder = holder_of(transaction, row, event)
    key = run_key(transaction.protocol, event, factors, row.cohort, passage.from_arm)
    run = open_run(transaction, event, holder, key, whole=False)
    require_fitting_list(transaction, event, run.list_id, key, ratio)
    decision = next_list_entry(run.list_id, f"{key} {holder}".strip(), run.entries, run.skipped)
    entry = run.entries[decision.index]
    record: dict[str, Any] = {
        "rule_version": decision.rule_version,
        "run": [holder, key],
        "entries_before": entry.sequence - 1,
    }
    list_use = {
        "list_id": run.list_id,
        "holder": CENTRAL if event.block_assignment == "dynamic" else holder,
        "stratum": entry.stratum,
        "sequence": entry.sequence,
        "block": entry.block,
        "skipped": [],
        "new_block": run.new_block,
    }
    return Allocated(decision.method, entry.arm, entry.arm, False, entry.number, holder, record, list_use)


def holder_of(transaction: Transaction, row: Row[Any], event: RandomizationEvent) -> str:
    """Who holds the run that the subject draws from: its site, country or region, or nobody (empty) beside the stratum."""
    if event.held_by == "region":
        country = transaction.protocol.country(row.site_country)
        return "" if country is None or country.region is None else country.region
    return {"site": str(row.site_id), "country": str(row.site_country)}.get(event.held_by, "")

"""Choosing kits at a site for a subject, by the picking rule: all of them, or (where the protocol lets it) what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from allocation.commands.kit_candidates import all_kits_at_site, candidates_from, first_kits_at_site
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal, NoUsableKit
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.picking import PickDecision, SameLot, choose_kits_at_site
from allocation.study.canonical import decimal_text
from allocation.study.supply import KitType, stays_valid


@dataclass(slots=True)
class ChosenKits:
    """The kits to hand out, how many other candidates were passed over for which reason, and how many kits of a type are short."""

    kits: list[dict[str, Any]] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)


def choose_kits(
    transaction: Transaction,
    row: Any,
    due: Sequence[tuple[str, int]],
    until: date | None,
    *,
    accept_partial: bool = False,
) -> ChosenKits:
    """Choose what is `due` (kit type, quantity) from the stock of the subject's site.

    `until`: the last day on which the kits may still be in use (dynamic DND). Raises NoUsableKit where not all are there, unless the
    protocol has partial dispensing, the site accepts it, and there is at least one.
    """
    found = ChosenKits()
    partial = transaction.protocol.dosing.partial
    for kit_type, quantity in due:
        defined = transaction.protocol.kit_type(kit_type)
        if defined is None:
            raise DomainRefusal(
                "the protocol lacks a kit that is due", code="unknown-kit-type", fix="call the supply manager"
            )
        decision, rows = _choose_of_type(transaction, row, defined, quantity, until)
        if decision.shortfall and not (partial and accept_partial):
            _refuse_short(decision, partial)
        if decision.shortfall:
            found.short[kit_type] = decision.shortfall
        for _, reason in decision.not_chosen:
            found.passed[reason.value] = found.passed.get(reason.value, 0) + 1
        found.kits += [kit_facts(rows[index], defined) for index in decision.chosen]
    if found.short and not found.kits:
        raise NoUsableKit(
            "there is no usable kit at this place for what is to be dispensed",
            fix="ask the supply manager for a resupply; nothing was dispensed",
        )
    return found


def _refuse_short(decision: PickDecision, partial: bool) -> None:
    if partial:
        raise NoUsableKit(
            "there are not enough usable kits at this place for what is to be dispensed",
            field="accept_partial",
            fix="accept a partial dispensing, or ask the supply manager for a resupply; nothing was dispensed",
        )
    decision.require_complete()


def _choose_of_type(
    transaction: Transaction, row: Any, defined: KitType, quantity: int, until: date | None
) -> tuple[PickDecision, Sequence[Any]]:
    """The decision on one kit type, and the rows of stock that it indexes."""
    today = transaction.today
    needed = until if stays_valid(transaction.protocol, defined) else None
    same_lot = SameLot(transaction.protocol.dosing.same_lot) if quantity > 1 else SameLot.OFF
    place = (transaction.connection, transaction.study_id, row.site_id, defined.code)
    windows = ExpiryWindows(
        dns_days=defined.expiry.dns_days,
        dnc_days=defined.expiry.dnc_days,
        dnd_days=defined.expiry.dnd_days,
    )
    if same_lot == SameLot.OFF:
        rows = first_kits_at_site(*place, today, quantity, needed)
        candidates = candidates_from(rows, row.site_country)
        decision = choose_kits_at_site(candidates, defined.code, quantity, today, windows, needed)
        if not decision.shortfall:
            return decision, rows
    rows = all_kits_at_site(*place)
    candidates = candidates_from(rows, row.site_country)
    return choose_kits_at_site(candidates, defined.code, quantity, today, windows, needed, same_lot), rows


def kit_facts(row: Any, defined: KitType) -> dict[str, Any]:
    """What an entry says of a kit that is given to a subject."""
    return {
        "kit_number": row.kit_number,
        "kit_type": defined.code,
        "lot_id": row.lot_id,
        "expiry_date": row.expiry_date.isoformat(),
        "last_dispense_date": row.last_dispense_date.isoformat(),
        "quantity_units": decimal_text(defined.units_per_kit),
        "unit": defined.unit,
    }

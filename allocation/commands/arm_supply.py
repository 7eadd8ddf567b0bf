"""Which arms the site could supply at a randomization, from its own stock: what gates and forced randomization look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from allocation.commands.kit_candidates import all_kits_at_site, candidates_from
from allocation.commands.transaction import Transaction
from allocation.errors import RuleError
from allocation.rules.dosing import kits_due
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.picking import choose_kits_at_site
from allocation.study.measure_points import planning_measures
from allocation.study.randomization_design import RandomizationEvent
from allocation.study.subject_schedule import scheduled_dose_level


@dataclass(frozen=True, slots=True)
class ArmSupply:
    """What the first dispensing of each arm takes, and whether the site has it. `usable` is capped at what is asked for."""

    visit: str | None
    needed: Mapping[str, tuple[tuple[str, int], ...]]
    usable: Mapping[str, int]

    def suppliable(self, arm: str) -> bool:
        """Whether the site has every kit of the arm's first dispensing."""
        return all(self.usable.get(kit_type, 0) >= count for kit_type, count in self.needed.get(arm, ()))

    def record(self) -> dict[str, Any]:
        """The facts for the ledger: unblinded."""
        return {
            "visit": self.visit,
            "needed": {arm: list(map(list, kits)) for arm, kits in self.needed.items()},
            "usable": dict(self.usable),
        }


def arm_supply(
    transaction: Transaction,
    row: Row[Any],
    event: RandomizationEvent,
    arms: Sequence[str],
    start_levels: Mapping[str, str | None],
) -> ArmSupply:
    """Look at the site's stock for the first dispensing visit at or after the event's visit, for each of the arms.

    The rule that dispensing itself uses says which kits are usable today (allocation/rules/picking.py).
    """
    protocol = transaction.protocol
    at = protocol.visit(event.visit)
    later = sorted(
        (one for one in protocol.visits if one.dispensing and at is not None and one.number >= at.number),
        key=lambda one: one.number,
    )
    if not later:
        return ArmSupply(None, {}, {})
    visit = later[0].code
    needed: dict[str, tuple[tuple[str, int], ...]] = {}
    for arm in arms:
        level = scheduled_dose_level(protocol, arm, start_levels[arm], visit)
        try:
            # Not measured yet: what goes by weight or area is looked for as supply plans it.
            measures = planning_measures(protocol)
            needed[arm] = kits_due(transaction.dispensing_table, visit, arm, level, measures).kits
        except RuleError:
            needed[arm] = ()
    most: dict[str, int] = dict.fromkeys(event.gate_kit_types, 1)
    for kits in needed.values():
        for kit_type, count in kits:
            most[kit_type] = max(most.get(kit_type, 0), count)
    return ArmSupply(
        visit,
        needed,
        {kit_type: _usable(transaction, row, kit_type, count) for kit_type, count in most.items()},
    )


def _usable(transaction: Transaction, row: Row[Any], kit_type: str, wanted: int) -> int:
    defined = transaction.protocol.kit_type(kit_type)
    if defined is None:
        return 0
    rows = all_kits_at_site(transaction.connection, transaction.study_id, row.site_id, kit_type)
    windows = ExpiryWindows(
        dns_days=defined.expiry.dns_days, dnc_days=defined.expiry.dnc_days, dnd_days=defined.expiry.dnd_days
    )
    decision = choose_kits_at_site(
        candidates_from(rows, row.site_country), kit_type, wanted, transaction.today, windows
    )
    return len(decision.chosen)

"""Which arms the site could supply at a randomization, from its own stock: what gates and forced randomization look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from allocation.commands.kit_candidates import all_kits_at_site, candidates_from
from allocation.commands.transaction import Transaction
from allocation.errors import RuleError
from allocation.rules.dosing import kits_due
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.picking import choose_kits_at_site
from allocation.study.allocation_scheme import arms_reached, may_keep
from allocation.study.measure_points import planning_measures
from allocation.study.randomization_design import RandomizationEvent
from allocation.study.subject_schedule import scheduled_dose_level


@dataclass(frozen=True, slots=True)
class ArmSupply:
    """What the first dispensing of each arm takes, and whether the site has it.

    `needed` is for this subject. `asked` is the most that any subject of the event may take of a kit type (1 for one that only the
    gate names), so that a gate is open or closed for all alike and tells nobody's arm; `usable` is counted up to that.
    """

    visit: str | None
    needed: Mapping[str, tuple[tuple[str, int], ...]]
    asked: Mapping[str, int]
    usable: Mapping[str, int]

    def suppliable(self, arm: str) -> bool:
        """Whether the site has every kit of the arm's first dispensing."""
        return all(self.usable.get(kit_type, 0) >= count for kit_type, count in self.needed.get(arm, ()))

    def on_site(self) -> dict[str, bool]:
        """For each kit type that the randomization may lead to, whether the site has enough for a subject."""
        return {kit_type: self.usable[kit_type] >= count for kit_type, count in self.asked.items()}

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
    from_arm: str | None,
) -> ArmSupply:
    """Look at the site's stock for the first dispensing visit at or after the event's visit, for each arm of the event.

    A subject who keeps `from_arm`, its present one, keeps its dose level; another arm begins at its own. The rule that dispensing
    itself uses says which kits are usable today (allocation/rules/picking.py).
    """
    protocol = transaction.protocol
    at = protocol.visit(event.visit)
    later = sorted(
        (one for one in protocol.visits if one.dispensing and at is not None and one.number >= at.number),
        key=lambda one: one.number,
    )
    if not later:
        return ArmSupply(None, {}, {}, {})
    visit = later[0].code
    starts = {arm.code: arm.start_dose_level for arm in protocol.arms}
    needed: dict[str, tuple[tuple[str, int], ...]] = {}
    most: dict[str, int] = dict.fromkeys(event.gate_kit_types, 1)
    for arm in arms_reached(protocol, event, row.cohort):
        first = _first_kits(transaction, visit, arm, starts[arm])
        kept = first
        if from_arm is not None and may_keep(event, arm):
            kept = _first_kits(transaction, visit, arm, row.dose_level)
        needed[arm] = kept if arm == from_arm else first
        for kit_type, count in (*first, *kept):
            most[kit_type] = max(most.get(kit_type, 0), count)
    return ArmSupply(
        visit,
        needed,
        most,
        {kit_type: _usable(transaction, row, kit_type, count) for kit_type, count in most.items()},
    )


def _first_kits(
    transaction: Transaction, visit: str, arm: str, level: str | None
) -> tuple[tuple[str, int], ...]:
    """What the visit hands out in the arm to whoever comes with the level; nothing where the protocol says nothing."""
    level = scheduled_dose_level(transaction.protocol, arm, level, visit)
    try:
        # Not measured yet: what goes by weight or area is looked for as supply plans it.
        measures = planning_measures(transaction.protocol)
        return kits_due(transaction.dispensing_table, visit, arm, level, measures).kits
    except RuleError:
        return ()


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

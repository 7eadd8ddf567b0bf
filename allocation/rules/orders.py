"""From quantities to an order: consolidation, rounding, blinding protection, and the kits that leave the depot.

    resupply decisions of one site --plan_order--> lines --limit_to_shares--> lines --fill_order--> proposal

`plan_order` says how many kits of each type the site should get (order_timing.py: and whether it waits), `limit_to_shares` lowers that
to the site's fair share where the depot is short (fair_share.py), and `fill_order` takes kits from the depot's stock. What the depot
lacks is each line's `shortfall`; the site's inventory stays low, so the next run asks again.

Blinding (field note resupply.md): within a blinding group of several kit types, a shipment of one kit or of one kit type would tie
the site's next dispensings to one arm, so such an order is raised. A group of one type has nothing to hide. Where a shortage
at the depot undoes the protection, the proposal names the group in `exposed_groups`; by `withhold_exposed` its kits stay at the
depot, otherwise they ship (a missed dose is a harm to the subject) and an unblinded supply manager can stop the order.
The rules themselves are in order_assembly.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.compilable import IntArray
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.order_assembly import (
    ALL_TYPES,
    NOT_SHORT,
    RAISED_SINGLE_KIT,
    RAISED_SINGLE_TYPE,
    RAISED_TO_BLOCK,
    TRIGGERED_TYPES_ONLY,
    exposes_group,
    limited_to_share,
    needed_kits,
    ordered_kits,
    shipped_kits,
)
from allocation.rules.picking import KitCandidate, PickDecision, SameLot, choose_kits_for_shipping
from allocation.rules.resupply import ResupplyDecision

RULE_VERSION: Final = "order-assembly/1"

SMALLEST_BLINDING_GAP: Final = 2


class Consolidation(StrEnum):
    """Whether one trigger tops up every kit type of the site, or only those that triggered."""

    TRIGGERED_TYPES_ONLY = "triggered_types_only"
    ALL_TYPES = "all_types"


class LotChoice(StrEnum):
    """The oldest stock that may ship, or newer stock from one long window before the do-not-ship date."""

    MIN_WASTAGE = "min_wastage"
    MIN_SHIPMENTS = "min_shipments"


class Raised(StrEnum):
    """Why a line orders more than the thresholds ask for."""

    BLOCK_SIZE = "block_size"
    SINGLE_TYPE = "single_type"
    SINGLE_KIT = "single_kit"


CONSOLIDATION_CODES: Final = {
    Consolidation.TRIGGERED_TYPES_ONLY: TRIGGERED_TYPES_ONLY,
    Consolidation.ALL_TYPES: ALL_TYPES,
}
"""The integer that the compilable rule takes for each choice."""

_RAISED: Final = (
    (RAISED_SINGLE_TYPE, Raised.SINGLE_TYPE),
    (RAISED_SINGLE_KIT, Raised.SINGLE_KIT),
    (RAISED_TO_BLOCK, Raised.BLOCK_SIZE),
)


@dataclass(frozen=True, slots=True)
class KitTypeSupply:
    """What ordering must know of a kit type: quantities are rounded up to a multiple of `block_size`."""

    kit_type: str
    blinding_group: str
    windows: ExpiryWindows
    block_size: int = 1

    def __post_init__(self) -> None:
        """Check the block size; raises InvalidParameter."""
        if self.block_size < 1:
            raise InvalidParameter(f"must be 1 or more, not {self.block_size}", field="block_size")


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """How orders of the study are put together."""

    consolidation: Consolidation = Consolidation.ALL_TYPES
    lot_choice: LotChoice = LotChoice.MIN_WASTAGE
    single_kit_protection: bool = True
    single_type_protection: bool = True
    withhold_exposed: bool = False
    same_lot: SameLot = SameLot.OFF


@dataclass(frozen=True, slots=True)
class OrderLine:
    """What the site should get of one kit type: `needed` by the thresholds, `ordered` after rounding, protection and fair share.

    `cut` kits were taken off `ordered`, since the depot is short and other sites need its kits as well.
    """

    kit_type: str
    blinding_group: str
    needed: int
    ordered: int
    raised: tuple[Raised, ...]
    long_window: int
    cut: int = 0


@dataclass(frozen=True, slots=True)
class FilledLine:
    """A line with the depot's answer. `shipped` are indexes into the depot's kits; `shortfall` is what the depot lacks.

    `withheld` counts kits that were found but stay at the depot, since shipping them would expose the blinding group.
    """

    line: OrderLine
    pick: PickDecision
    shipped: tuple[int, ...]
    withheld: int

    @property
    def shortfall(self) -> int:
        """Kits that the site should get and the depot does not have for it: missing in its usable stock, or shared out to others."""
        return self.pick.shortfall + self.line.cut


@dataclass(frozen=True, slots=True)
class OrderProposal:
    """The record of one order for one site. No order is made when `shipped` is empty."""

    rule_version: str
    policy: OrderPolicy
    lines: tuple[FilledLine, ...]
    exposed_groups: tuple[str, ...]

    @property
    def shipped(self) -> tuple[int, ...]:
        """Indexes into the depot's kits of all that ships, line by line."""
        return tuple(index for line in self.lines for index in line.shipped)

    @property
    def shortfall(self) -> int:
        """Kits that were ordered and that the depot does not have, over all lines."""
        return sum(line.shortfall for line in self.lines)


def check_blinding_gap(min_buffer: int, max_buffer: int) -> None:
    """Refuse buffers whose difference is below 2: each order would follow one dispensing and repeat its kit type.

    Raises InvalidParameter; for a blinded study's configuration.
    """
    if max_buffer - min_buffer < SMALLEST_BLINDING_GAP:
        raise InvalidParameter(
            f"{max_buffer} - min_buffer {min_buffer} is less than {SMALLEST_BLINDING_GAP}: orders of one kit would show the arm",
            field="max_buffer",
            fix=f"make it at least {min_buffer + SMALLEST_BLINDING_GAP}",
        )


def plan_order(
    decisions: Sequence[ResupplyDecision], kit_types: Mapping[str, KitTypeSupply], policy: OrderPolicy
) -> tuple[OrderLine, ...]:
    """Return the lines of one site's order (quantities of 1 or more), in the order of the decisions; empty for no order.

    `decisions` hold one per kit type that may be ordered for the site; a paused type has none and is never raised.
    Raises RuleError for a kit type that is decided twice or is not in `kit_types`.
    """
    any_triggered = any(decision.triggered for decision in decisions)
    consolidation = CONSOLIDATION_CODES[policy.consolidation]
    needed: dict[str, int] = {}
    for decision in decisions:
        if decision.kit_type in needed or decision.kit_type not in kit_types:
            raise RuleError(f"kit type {decision.kit_type} is decided twice or not known", field="kit_type")
        needed[decision.kit_type] = needed_kits(
            any_triggered, decision.quantity, decision.top_up, consolidation
        )
    windows = {decision.kit_type: decision.parameters.long_window for decision in decisions}
    return _lines(needed, windows, kit_types, policy)


def _lines(
    needed: Mapping[str, int],
    long_windows: Mapping[str, int],
    kit_types: Mapping[str, KitTypeSupply],
    policy: OrderPolicy,
) -> tuple[OrderLine, ...]:
    """Return a line for each kit type with what is ordered of it, without those that order nothing."""
    supplies = [kit_types[kit_type] for kit_type in needed]
    groups = [supply.blinding_group for supply in supplies]
    ordered, raised = np.zeros(len(needed), dtype=np.int64), np.zeros(len(needed), dtype=np.int64)
    ordered_kits(
        np.array(list(needed.values()), dtype=np.int64),
        np.array([supply.block_size for supply in supplies], dtype=np.int64),
        _group_numbers(groups),
        np.array([_several_types(group, kit_types) for group in groups], dtype=np.bool_),
        policy.single_type_protection,
        policy.single_kit_protection,
        ordered,
        raised,
    )
    return tuple(
        OrderLine(
            kit_type,
            kit_types[kit_type].blinding_group,
            kits,
            int(ordered[index]),
            tuple(why for flag, why in _RAISED if int(raised[index]) & flag),
            long_windows[kit_type],
        )
        for index, (kit_type, kits) in enumerate(needed.items())
        if ordered[index] > 0
    )


def _group_numbers(groups: Sequence[str]) -> IntArray:
    """A number for the blinding group of each line."""
    return np.array([groups.index(group) for group in groups], dtype=np.int64)


def _several_types(group: str, kit_types: Mapping[str, KitTypeSupply]) -> bool:
    return sum(supply.blinding_group == group for supply in kit_types.values()) > 1


def limit_to_shares(lines: Sequence[OrderLine], shares: Mapping[str, int]) -> tuple[OrderLine, ...]:
    """Lower the lines to the site's `shares` (kits by kit type; a type that is not there is not short). Nothing is raised.

    Protection is not asked again, since there is nothing to raise with: `fill_order` names the groups that a shortage exposes.
    """
    limited = []
    for line in lines:
        share = limited_to_share(line.ordered, shares.get(line.kit_type, NOT_SHORT))
        limited.append(replace(line, ordered=share, cut=line.ordered - share))
    return tuple(limited)


def fill_order(
    lines: Sequence[OrderLine],
    depot_kits: Sequence[KitCandidate],
    kit_types: Mapping[str, KitTypeSupply],
    today: date,
    policy: OrderPolicy,
) -> OrderProposal:
    """Choose the kits of an order from the depot's stock on `today` (the depot's date); ships what there is.

    `depot_kits` may hold several kit types; `released` and `expiry` are for the site's country. Only kits within their
    do-not-ship window are taken, by expiry and pick sequence (picking.py). A kit is in one line only.
    """
    picks: list[tuple[OrderLine, PickDecision]] = []
    for line in lines:
        window = line.long_window if policy.lot_choice == LotChoice.MIN_SHIPMENTS else None
        windows = kit_types[line.kit_type].windows
        picks.append(
            (
                line,
                choose_kits_for_shipping(
                    depot_kits, line.kit_type, line.ordered, today, windows, window, policy.same_lot
                ),
            )
        )
    exposed = _exposed_groups(picks, kit_types, policy)
    filled: list[FilledLine] = []
    for line, pick in picks:
        found = len(pick.chosen)
        kits = shipped_kits(found, line.blinding_group in exposed, policy.withhold_exposed)
        filled.append(FilledLine(line, pick, pick.chosen[:kits], found - kits))
    return OrderProposal(RULE_VERSION, policy, tuple(filled), exposed)


def _exposed_groups(
    picks: Sequence[tuple[OrderLine, PickDecision]],
    kit_types: Mapping[str, KitTypeSupply],
    policy: OrderPolicy,
) -> tuple[str, ...]:
    """Return the groups of several kit types of which a single kit or a single kit type would ship."""
    groups = [line.blinding_group for line, _ in picks]
    numbers = _group_numbers(groups)
    found = np.array([len(pick.chosen) for _, pick in picks], dtype=np.int64)
    return tuple(
        group
        for group in dict.fromkeys(groups)
        if exposes_group(
            found,
            numbers,
            _several_types(group, kit_types),
            groups.index(group),
            policy.single_type_protection,
            policy.single_kit_protection,
        )
    )


def plan_seeding(
    quantities: Mapping[str, int],
    long_windows: Mapping[str, int],
    kit_types: Mapping[str, KitTypeSupply],
    policy: OrderPolicy,
) -> tuple[OrderLine, ...]:
    """Return the lines of a site's first shipment: `quantities` in kits by kit type, with the same rounding and protection.

    `long_windows` in days by kit type, for `min_shipments`. Raises RuleError for a kit type that is not in `kit_types`.
    """
    for kit_type in quantities:
        if kit_type not in kit_types:
            raise RuleError(f"kit type {kit_type} is not known", field="kit_type")
    return _lines(quantities, long_windows, kit_types, policy)

"""Which kits one study lends another of a pool: stock of the same thing, at the same depot or site, in the books of two studies.

The lender keeps `keep` kits that it could still ship itself; what it has beyond them may be lent. Of those the kits go that the other
study would ship first (picking.py): earliest expiry by the dates that bind there, then pick sequence, never kit number. A kit is lent only
if it may be used where it is going under the windows and lots of the study that takes it. Lending that was asked for is whole or refused,
as a transfer is; a resupply run takes what there is, at a site only so much that the protections of orders hold.
Source: field note features.md, item 24; risk pooling, resupply.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from allocation.errors import DomainRefusal, RuleError
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.orders import KitTypeSupply, OrderPolicy
from allocation.rules.picking import KitCandidate, choose_kits_for_shipping
from allocation.rules.site_transfer import plan_transfer

RULE_VERSION: Final = "pooling/1"


@dataclass(frozen=True, slots=True)
class LendingDecision:
    """The record of what is lent of one kit type. `usable`: kits that the lender could still ship itself; `spare`: beyond `keep`.

    `chosen` are indexes into the kits, in the order of lending; `not_chosen` counts the others by reason.
    """

    rule_version: str
    quantity: int
    keep: int
    usable: int
    spare: int
    chosen: tuple[int, ...]
    not_chosen: dict[str, int]

    def require_complete(self) -> LendingDecision:
        """Return itself, or raise DomainRefusal (`pool-short`); it names no kit type."""
        if len(self.chosen) < self.quantity:
            raise DomainRefusal(
                f"the other study can lend {len(self.chosen)} of {self.quantity} kits here: it has {self.usable} and keeps {self.keep}",
                code="pool-short",
                field="kit_types",
                fix="ask for less, or order from a depot; nothing was moved",
            )
        return self


def choose_kits_to_lend(
    own: Sequence[KitCandidate],
    there: Sequence[KitCandidate],
    quantity: int,
    keep: int,
    today: date,
    own_windows: ExpiryWindows,
    windows_there: ExpiryWindows,
) -> LendingDecision:
    """Choose up to `quantity` kits to lend on `today` (the date at the place), all of one type.

    `own` and `there` are the same kits in the same order, as the lender and as the other study see them (kit type, release, expiry).
    Raises RuleError where they are not, or for a negative number of kits.
    """
    if [kit.key for kit in own] != [kit.key for kit in there]:
        raise RuleError("the two views of the pool's kits are not of the same kits", field="there")
    if quantity < 0 or keep < 0:
        raise RuleError(f"cannot lend {quantity} kits and keep {keep}", field="quantity")
    if not own:
        return LendingDecision(RULE_VERSION, quantity, keep, 0, 0, (), {})
    usable = len(choose_kits_for_shipping(own, own[0].kit_type, len(own), today, own_windows).chosen)
    spare = max(0, usable - keep)
    picked = choose_kits_for_shipping(there, there[0].kit_type, min(quantity, spare), today, windows_there)
    why = Counter(str(reason) for _, reason in picked.not_chosen)
    return LendingDecision(
        RULE_VERSION, quantity, keep, usable, spare, picked.chosen, dict(sorted(why.items()))
    )


def quantities_at_site(
    short: Mapping[str, int],
    lendable: Mapping[str, int],
    kit_types: Mapping[str, KitTypeSupply],
    policy: OrderPolicy,
) -> dict[str, int]:
    """What a resupply run takes at a site (kits by kit type): of what the site is `short`, as many as can be lent.

    Protected as any order is, so that neither a single kit nor a single kit type comes. Where the kits that make it up cannot be lent,
    the blinding group takes nothing.
    """
    taken: dict[str, int] = {}
    for group in dict.fromkeys(kit_types[code].blinding_group for code in short if code in kit_types):
        of_group = {
            code: min(quantity, lendable.get(code, 0))
            // kit_types[code].block_size
            * kit_types[code].block_size
            for code, quantity in short.items()
            if code in kit_types and kit_types[code].blinding_group == group
        }
        wanted = {code: quantity for code, quantity in of_group.items() if quantity}
        if not wanted:
            continue
        lines = plan_transfer({}, wanted, kit_types, policy)
        if all(line.ordered <= lendable.get(line.kit_type, 0) for line in lines):
            taken |= {line.kit_type: line.ordered for line in lines}
    return taken

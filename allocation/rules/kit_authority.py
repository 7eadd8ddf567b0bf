"""Who may do what with a kit, whether a reason must be given and what a signature must mean: a column of the table of kit states.

Role names are those of `allocation.access.permissions`, which takes its rows for kits from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SITE_ROLES: Final = frozenset(
    {"site_coordinator", "investigator", "site_pharmacist_blinded", "site_pharmacist_unblinded"}
)
SUPPLY_ROLES: Final = frozenset({"supply_manager_blinded", "supply_manager_unblinded"})
DEPOT_ROLES: Final = frozenset({"depot_operator"}) | SUPPLY_ROLES


@dataclass(frozen=True, slots=True)
class Authority:
    """What an act on a kit takes. `signature`: the meaning that it must be signed with, None where it need not be signed."""

    roles: frozenset[str]
    reason: bool = False
    signature: str | None = None


RELEASED: Final = "kits released from quarantine"
REJECTED: Final = "kits rejected"
DESTROYED: Final = "kits destroyed"
EXPIRY_CHANGED: Final = "expiry date changed"
RELABELLED: Final = "kits relabelled"
REUSED: Final = "returned kits released for use"
DEVICE_INSPECTED: Final = "device inspected"

BY_TYPE: Final = Authority(frozenset({"supply_manager_unblinded"}))
"""Acts that name a kit type or a lot: whoever does them learns which kits are alike inside."""
POOL_WITH_REASON: Final = Authority(BY_TYPE.roles, reason=True)
"""Pooled kits are asked for by kit type; the role is held in both studies."""
BY_SUPPLY: Final = Authority(SUPPLY_ROLES)
BY_ORDER: Final = Authority(SITE_ROLES | SUPPLY_ROLES)
"""A run orders for a site, and so do people: a stock indent."""
BY_DEPOT: Final = Authority(DEPOT_ROLES)
BY_SITE: Final = Authority(SITE_ROLES)
BY_RECEIVER: Final = Authority(SITE_ROLES | DEPOT_ROLES)
BY_SENDING_SITE: Final = Authority(SITE_ROLES | SUPPLY_ROLES)
BY_SITE_WITH_REASON: Final = Authority(SITE_ROLES, reason=True)
AT_DEPOT_WITH_REASON: Final = Authority(DEPOT_ROLES, reason=True)
AT_SITE_WITH_REASON: Final = Authority(SITE_ROLES | SUPPLY_ROLES, reason=True)
ON_THE_WAY_WITH_REASON: Final = Authority(SITE_ROLES | DEPOT_ROLES, reason=True)
RELEASE_SIGNED: Final = Authority(SUPPLY_ROLES, reason=True, signature=RELEASED)
REJECT_SIGNED: Final = Authority(SUPPLY_ROLES, reason=True, signature=REJECTED)
DESTROY_AT_DEPOT: Final = Authority(DEPOT_ROLES, reason=True, signature=DESTROYED)
DESTROY_AT_SITE: Final = Authority(SITE_ROLES | SUPPLY_ROLES, reason=True, signature=DESTROYED)
EXTEND_SIGNED: Final = Authority(BY_TYPE.roles, reason=True, signature=EXPIRY_CHANGED)
RELABEL_SIGNED: Final = Authority(BY_TYPE.roles, reason=True, signature=RELABELLED)
WITHDRAW: Final = Authority(SITE_ROLES | {"project_manager"}, reason=True)
"""What was declared for return and stays after all goes into quarantine: it is used again only when it is released from there."""
MISSING_AT_SITE: Final = Authority(frozenset({"monitor"}), reason=True)
MISSING_AT_DEPOT: Final = Authority(DEPOT_ROLES, reason=True)
INSPECTION_SIGNED: Final = Authority(SITE_ROLES, reason=True, signature=DEVICE_INSPECTED)
REUSE_SIGNED: Final = Authority(SUPPLY_ROLES, reason=True, signature=REUSED)

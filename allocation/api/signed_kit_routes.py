"""The routes of acts on kits that must be signed: release, rejection, destruction."""

from __future__ import annotations

from typing import Final

from allocation.api.answers import KitActAnswer
from allocation.api.command_route import SUPPLY, CommandRoute
from allocation.api.signed_route import signed_router_of
from allocation.api.supply_bodies import DestroyKitsBody, SignedKitScopeBody
from allocation.commands.kit_acts import (
    DestroyKitsRequest,
    destroy_kits,
    kit_act_content,
    reject_kits,
    release_kits,
)
from allocation.commands.kit_scope import KitScopeRequest

SIGNED_KIT_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "release_kits",
        "kit-releases",
        SUPPLY,
        "Release kits from quarantine (signed)",
        release_kits,
        KitScopeRequest,
        SignedKitScopeBody,
        KitActAnswer,
    ),
    CommandRoute(
        "reject_kits",
        "kit-rejections",
        SUPPLY,
        "Reject kits in quarantine (signed)",
        reject_kits,
        KitScopeRequest,
        SignedKitScopeBody,
        KitActAnswer,
    ),
    CommandRoute(
        "destroy_kits",
        "kit-destructions",
        SUPPLY,
        "Record that kits were destroyed (signed)",
        destroy_kits,
        DestroyKitsRequest,
        DestroyKitsBody,
        KitActAnswer,
    ),
)


signed_kit_router = signed_router_of(SIGNED_KIT_ROUTES, kit_act_content)
"""Their routes. The signature covers the act, the kits as they are named (and the certificate), and the reason."""

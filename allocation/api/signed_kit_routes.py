"""The routes of acts on kits that must be signed: release, rejection, destruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter

from allocation.access.permissions import COMMAND_PERMISSIONS, reach
from allocation.api.answers import KitActAnswer
from allocation.api.bodies import request_of
from allocation.api.command_route import SUPPLY, CommandRoute, router_of
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.signed_acts import signed_act
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


def signed_kit_router() -> APIRouter:
    """Their routes. The signature covers the act, the kits as they are named (and the certificate), and the reason."""
    return router_of(SIGNED_KIT_ROUTES, _endpoint)


def _endpoint(row: CommandRoute) -> Callable[..., dict[str, Any]]:
    def endpoint(
        study_id: str, body: Any, service: RunningService, actor: WhoAsks, idempotency_key: IdempotencyKey
    ) -> dict[str, Any]:
        role = reach(actor, COMMAND_PERMISSIONS[row.command], study_id).role
        request: Any = request_of(body, row.request)
        content = kit_act_content(study_id, row.command, request, body.reason)
        act = signed_act(service, actor, role, idempotency_key, body.reason, body.signature, content)
        return row.run(service, act, study_id, request)

    endpoint.__annotations__["body"] = row.body  # FastAPI reads the body's type from here
    endpoint.__name__ = row.command
    return endpoint

"""The routes of acts on kits that must be signed: release, rejection, destruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter

from allocation.access.permissions import COMMAND_PERMISSIONS, reach
from allocation.api.answers import KitActAnswer
from allocation.api.bodies import request_of
from allocation.api.command_route import SUPPLY
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.api.signed_acts import signed_act
from allocation.api.supply_bodies import SignedKitScopeBody
from allocation.commands.kit_acts import destroy_kits, kit_act_content, reject_kits, release_kits
from allocation.commands.kit_scope import KitScopeRequest

SIGNED: Final[tuple[tuple[str, str, str, Callable[..., dict[str, Any]]], ...]] = (
    ("release_kits", "kit-releases", "Release kits from quarantine (signed)", release_kits),
    ("reject_kits", "kit-rejections", "Reject kits in quarantine (signed)", reject_kits),
    ("destroy_kits", "kit-destructions", "Record that kits were destroyed (signed)", destroy_kits),
)
"""The ledger's command, its path, its summary, its function."""


def signed_kit_router() -> APIRouter:
    """The routes of `SIGNED`. The signature covers the act, the kits as they are named, and the reason."""
    router = APIRouter(prefix="/studies/{study_id}")
    for command, path, summary, run in SIGNED:
        router.add_api_route(
            f"/{path}",
            _endpoint(command, run),
            methods=["POST"],
            status_code=200,
            response_model=KitActAnswer,
            tags=[SUPPLY],
            summary=summary,
            description=run.__doc__,
            operation_id=command,
            responses=responses(400, 401, 403, 404, 409, 422),
        )
    return router


def _endpoint(command: str, run: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def endpoint(
        study_id: str,
        body: SignedKitScopeBody,
        service: RunningService,
        actor: WhoAsks,
        idempotency_key: IdempotencyKey,
    ) -> dict[str, Any]:
        role = reach(actor, COMMAND_PERMISSIONS[command], study_id).role
        request = request_of(body, KitScopeRequest)
        content = kit_act_content(study_id, command, request, body.reason)
        act = signed_act(service, actor, role, idempotency_key, body.reason, body.signature, content)
        return run(service, act, study_id, request)

    endpoint.__name__ = command
    return endpoint

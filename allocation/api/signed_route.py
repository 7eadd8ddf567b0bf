"""Routes whose act is signed as it is asked for: rows as those of command_route.py, with another endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from allocation.access.permissions import COMMAND_PERMISSIONS, reach
from allocation.api.bodies import request_of
from allocation.api.command_route import CommandRoute, router_of
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.signed_acts import signed_act
from allocation.commands.signed_requests import asked_content

ContentOf = Callable[[str, str, Any, str], dict[str, Any]]
"""Study, command, request and reason -> what the signature covers."""


def signed_router_of(rows: tuple[CommandRoute, ...], content_of: ContentOf = asked_content) -> APIRouter:
    """The routes of these rows. Their bodies have a `reason` and a `signature`, which covers the act, what is asked for and the reason.

    `content_of`: how what is asked for is written where that is not as it was asked.
    """
    return router_of(rows, lambda row: _signed_endpoint(row, content_of))


def _signed_endpoint(row: CommandRoute, content_of: ContentOf) -> Callable[..., dict[str, Any]]:
    def endpoint(
        study_id: str, body: Any, service: RunningService, actor: WhoAsks, idempotency_key: IdempotencyKey
    ) -> dict[str, Any]:
        role = reach(actor, COMMAND_PERMISSIONS[row.command], study_id).role
        request: Any = request_of(body, row.request)
        content = content_of(study_id, row.command, request, body.reason)
        act = signed_act(service, actor, role, idempotency_key, body.reason, body.signature, content)
        return row.run(service, act, study_id, request)

    endpoint.__annotations__["body"] = row.body  # FastAPI reads the body's type from here
    endpoint.__name__ = row.command
    return endpoint

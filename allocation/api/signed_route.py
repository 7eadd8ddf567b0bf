"""A route whose act is signed as it is asked for: a row of a table, and the one function that turns it into a route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from allocation.access.permissions import COMMAND_PERMISSIONS, reach
from allocation.api.answers import Answer
from allocation.api.bodies import request_of
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.api.signed_acts import signed_act
from allocation.commands.service import CommandRequest
from allocation.commands.signed_requests import asked_content


@dataclass(frozen=True, slots=True)
class SignedRoute:
    """A POST route under /studies/{study_id}. The signature covers the act, all that is asked for, and the reason.

    `body` is the request with a `reason` and a `signature`; `command` is the ledger's name.
    """

    command: str
    path: str
    tag: str
    summary: str
    run: Callable[..., dict[str, Any]]
    request: type[CommandRequest]
    body: type[CommandRequest]
    answer: type[Answer]


def signed_router_of(rows: tuple[SignedRoute, ...]) -> APIRouter:
    """The routes of these rows."""
    router = APIRouter(prefix="/studies/{study_id}")
    for row in rows:
        router.add_api_route(
            f"/{row.path}",
            _endpoint(row),
            methods=["POST"],
            status_code=200,
            response_model=row.answer,
            tags=[row.tag],
            summary=row.summary,
            description=row.run.__doc__,
            operation_id=row.command,
            responses=responses(400, 401, 403, 404, 409, 422),
        )
    return router


def _endpoint(row: SignedRoute) -> Callable[..., dict[str, Any]]:
    def endpoint(
        study_id: str, body: Any, service: RunningService, actor: WhoAsks, idempotency_key: IdempotencyKey
    ) -> dict[str, Any]:
        role = reach(actor, COMMAND_PERMISSIONS[row.command], study_id).role
        request = request_of(body, row.request)
        content = asked_content(study_id, row.command, request, body.reason)
        act = signed_act(service, actor, role, idempotency_key, body.reason, body.signature, content)
        return row.run(service, act, study_id, request)

    endpoint.__annotations__["body"] = row.body  # FastAPI reads the body's type from here
    endpoint.__name__ = row.command
    return endpoint

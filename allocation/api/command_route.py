"""A route that runs a command: a row of a table, and the one function that turns it into a route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter

from allocation.api.answers import Answer
from allocation.api.bodies import request_of
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.service import Act, CommandRequest

SITE_DESK: Final = "Site desk"
SUPPLY: Final = "Supply"
STATISTICIAN: Final = "Statistician"
STUDY: Final = "Study set-up"
CODE_BREAKS: Final = "Code breaks"


@dataclass(frozen=True, slots=True)
class CommandRoute:
    """A POST route under /studies/{study_id}. `command` is the ledger's name; the function's docstring is the description."""

    command: str
    path: str
    tag: str
    summary: str
    run: Callable[..., dict[str, Any]]
    request: type[CommandRequest]
    body: type[CommandRequest]
    answer: type[Answer]


EndpointOf = Callable[[CommandRoute], Callable[..., dict[str, Any]]]


def router_of(rows: tuple[CommandRoute, ...], endpoint_of: EndpointOf | None = None) -> APIRouter:
    """The routes of these rows. `endpoint_of`: what makes a row's endpoint, where it is not the plain one (signed_route.py)."""
    endpoint_of = endpoint_of or _endpoint
    router = APIRouter(prefix="/studies/{study_id}")
    for row in rows:
        router.add_api_route(
            f"/{row.path}",
            endpoint_of(row),
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


def _endpoint(row: CommandRoute) -> Callable[..., dict[str, Any]]:
    def endpoint(
        study_id: str, body: Any, service: RunningService, actor: WhoAsks, idempotency_key: IdempotencyKey
    ) -> dict[str, Any]:
        act = Act(actor, idempotency_key, body.reason)
        return row.run(service, act, study_id, request_of(body, row.request))

    endpoint.__annotations__["body"] = row.body  # FastAPI reads the body's type from here
    endpoint.__name__ = row.command
    return endpoint

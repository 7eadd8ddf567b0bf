"""What routes depend on: the running service, who asks, and how the act is to be recorded."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from allocation.access.actors import Actor
from allocation.access.tokens import actor_for_token
from allocation.api.problems import IDEMPOTENCY_HEADER
from allocation.commands.service import Service
from allocation.errors import LoginRefused

_BEARER = HTTPBearer(auto_error=False, description="A token from POST /login or POST /tokens")


async def service_of(request: Request) -> Service:
    """The service that the app was made with. No thread is needed for it."""
    service: Service = request.app.state.service
    return service


RunningService = Annotated[Service, Depends(service_of)]


async def token_of(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> str:
    """The bearer token of the request. Raises LoginRefused when there is none."""
    if credentials is None:
        raise LoginRefused(
            "no token was sent",
            field="Authorization",
            fix="send 'Authorization: Bearer TOKEN'; POST /login gives one",
        )
    return credentials.credentials


BearerToken = Annotated[str, Depends(token_of)]


def actor_of(service: RunningService, token: BearerToken) -> Actor:
    """The identity behind the request's token, with the grants that it holds now. Raises LoginRefused."""
    return actor_for_token(service.database, token, service.clock)


FARTHEST: Final = 10**9
"""The largest number that a route takes for a place in a table: a database counts no further than it can hold."""

WhoAsks = Annotated[Actor, Depends(actor_of)]

IdempotencyKey = Annotated[
    str,
    Header(
        alias=IDEMPOTENCY_HEADER,
        min_length=1,
        max_length=200,
        description="Any text that is new for each new act; a retry with the same key gets the first answer.",
        examples=["5c2d9a0e-8a63-4a54-9c1b-6d1f0a3f4f57"],
    ),
]

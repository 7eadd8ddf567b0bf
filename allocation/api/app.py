"""The FastAPI app: routes over commands and views, one identity check, one shape of refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from sqlalchemy import text
from starlette.routing import BaseRoute

from allocation.api import (
    access_routes,
    amendment_routes,
    code_break_routes,
    edc_routes,
    excursion_routes,
    file_routes,
    label_routes,
    notify_routes,
    proposal_routes,
    resupply_routes,
    signed_routes,
    unblinded_routes,
    vault_routes,
    view_routes,
)
from allocation.api.all_routes import BODY_EXAMPLES, ROUTES, SIGNED_ROUTES
from allocation.api.command_route import CODE_BREAKS, SITE_DESK, STATISTICIAN, STUDY, SUPPLY, router_of
from allocation.api.command_routes import removal_router
from allocation.api.identity import RunningService
from allocation.api.mailer import Mailer
from allocation.api.plain_address import PLAIN_ADDRESS
from allocation.api.problems import MEDIA_TYPE, install_problem_handlers, responses
from allocation.api.return_view_routes import router as return_views
from allocation.api.signed_kit_routes import signed_kit_router
from allocation.api.signed_route import signed_router_of
from allocation.commands.resupply_scheduler import ResupplyScheduler
from allocation.commands.service import Service, utc_now
from allocation.ledger.database import Database
from allocation.ledger.sealing import Sealer

DESCRIPTION: Final = """
Randomization and trial supply management. Every act needs a token (`POST /login`) and a role that allows it. Every act that changes
a study needs an `Idempotency-Key`; a retry with the same key gets the first answer. Refusals are `application/problem+json`.
"""

ABOUT: Final[dict[str, Any]] = {
    "title": "OpenRTSM",
    "version": version("openrtsm"),
    "description": DESCRIPTION,
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}

TAGS: Final = [
    {"name": SITE_DESK, "description": "Screen, randomize, dispense, receive."},
    {"name": SUPPLY, "description": "Lots, kits, resupply, shipments."},
    {"name": view_routes.SPONSOR, "description": "The study at a glance."},
    {"name": STATISTICIAN, "description": "Randomization lists; unblinded."},
    {
        "name": unblinded_routes.UNBLINDED,
        "description": "Arms, kit types, lists: for those who may learn them.",
    },
    {"name": unblinded_routes.INSPECTOR, "description": "The ledger."},
    {"name": edc_routes.EDC, "description": "Signed messages of the EDC, and the exchange with it."},
    {
        "name": CODE_BREAKS,
        "description": "One subject's treatment, for the one who signs for it; and who did.",
    },
    {"name": STUDY, "description": "Protocol versions and sites."},
    {
        "name": notify_routes.NOTIFICATIONS,
        "description": "Mail to people: who was told, and how one is told.",
    },
    {"name": access_routes.ACCESS, "description": "Identity, tokens, accounts, roles."},
]


class Health(BaseModel):
    """That the service answers, and what it runs on."""

    status: str
    database: str
    version: str


def create_app(
    database: Database, clock: Callable[[], datetime] = utc_now, *, scheduler: bool = False
) -> FastAPI:
    """The app over `database`. `clock` gives the moment of every act (aware, UTC). While it runs it sends mail, and seals on PostgreSQL.

    `scheduler`: whether it makes the resupply runs that are due, too. Several workers may: one of them at a time does.
    """
    service = Service(database, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sealer = Sealer(database)
        runs = ResupplyScheduler(service) if scheduler else None
        mailer = Mailer(service)
        sealer.start()
        mailer.start()
        if runs is not None:
            runs.start()
        yield
        if runs is not None:
            await run_in_threadpool(runs.stop)
        mailer.stop()
        sealer.stop()

    # The pages of FastAPI itself load Swagger UI from another machine, which many of a trial's networks do not reach. The package
    # brings it along, and Redoc too: one description of the routes is enough.
    app = FastAPIOffline(
        docs_url="/docs",
        redoc_url=None,
        **ABOUT,
        openapi_tags=TAGS,
        lifespan=lifespan,
        routes=[*routes()],
    )
    app.state.service = service
    install_problem_handlers(app)
    app.openapi = description  # type: ignore[method-assign]
    return app


@cache
def routes() -> tuple[BaseRoute, ...]:
    """All routes. None knows a database, and to make them takes seconds: once in a process."""
    router = APIRouter(dependencies=[PLAIN_ADDRESS])
    router.include_router(access_routes.router)
    router.include_router(view_routes.router)
    router.include_router(router_of(ROUTES))
    router.include_router(resupply_routes.router)
    router.include_router(removal_router())
    router.include_router(file_routes.router)
    router.include_router(label_routes.router)
    router.include_router(signed_routes.router)
    router.include_router(signed_kit_router)
    router.include_router(signed_router_of(SIGNED_ROUTES))
    router.include_router(return_views)
    router.include_router(excursion_routes.router)
    router.include_router(vault_routes.router)
    router.include_router(edc_routes.router)
    router.include_router(unblinded_routes.router)
    router.include_router(notify_routes.router)
    router.include_router(amendment_routes.router)
    router.include_router(code_break_routes.router)
    router.include_router(proposal_routes.router)
    router.add_api_route("/health", health, summary="Whether the service works", responses=responses(503))
    return tuple(router.routes)


def health(service: RunningService) -> Health:
    """Asks the database something. Raises DatabaseUnavailable (503) when it does not answer."""
    with service.database.read() as connection:
        connection.execute(text("SELECT 1"))
    kind = "postgresql" if service.database.is_postgresql else "sqlite"
    return Health(status="ok", database=kind, version=version("openrtsm"))


@cache
def description() -> dict[str, Any]:
    """The OpenAPI description, the same for every app. It takes seconds to make.

    FastAPI's own has no examples (the bodies are the commands' own models, which know none) and names no media type of refusals.
    """
    schema = get_openapi(**ABOUT, tags=TAGS, routes=routes())
    for body, example in BODY_EXAMPLES.items():
        described = schema["components"]["schemas"].get(body.__name__)
        if described is not None:
            described["examples"] = [example]
    refusal = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operation in (one for path in schema["paths"].values() for one in path.values()):
        for status, answer in operation["responses"].items():
            if status != "200":
                answer["content"] = refusal
    return schema

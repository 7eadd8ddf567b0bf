"""Serving the dashboards: Streamlit under uvicorn, and the route that keeps a login over a reload of the page."""

from __future__ import annotations

import importlib
from pathlib import Path

import streamlit as st
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from allocation.access.tokens import LOGIN_LASTS
from dashboards.ports import require_free
from dashboards.session import COOKIE, HANDOVER_PATH, HANDOVERS

SCRIPT = Path(__file__).with_name("app.py")


async def keep_session(request: Request) -> Response:
    """Give the cookie of a login for its code, which is good once; 403 for any other code."""
    token = HANDOVERS.take(request.headers.get("X-RTSM-Handover", ""))
    if token is None:
        return Response(status_code=403)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LOGIN_LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return response


def application() -> st.App:
    """The ASGI application."""
    return st.App(SCRIPT, routes=[Route(HANDOVER_PATH, keep_session, methods=["POST"])])


def serve(host: str, port: int) -> None:
    """Serve the dashboards until told to stop (SIGINT, SIGTERM). Raises PortTaken."""
    require_free(port, "the dashboards", "--port", host)
    # What the pages need takes seconds to import: the first visitor does not wait for it (the first to open the planner, for its part).
    importlib.import_module("dashboards.entry")
    uvicorn.run(
        application(),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )

"""Running the API as a server process."""

from __future__ import annotations

import socket

import uvicorn

from allocation.api.address import HOST, PORT
from allocation.api.app import create_app
from allocation.errors import RTSMError
from allocation.ledger.database import open_database


def serve(
    database_url: str | None = None, host: str = HOST, port: int = PORT, *, scheduler: bool = True
) -> None:
    """Serve the API until it is told to stop (SIGINT, SIGTERM); then requests and the resupply run in hand are finished.

    `scheduler`: whether it makes the resupply runs that are due.
    `database_url` as for `open_database`, whose tables are brought up to date first. Raises DatabaseUnavailable, and
    RTSMError when it cannot listen there.
    """
    _require_free(host, port)
    database = open_database(database_url)
    try:
        uvicorn.run(
            create_app(database, scheduler=scheduler),
            host=host,
            port=port,
            log_level="info",
            timeout_graceful_shutdown=15,
        )
    finally:
        database.dispose()


def _require_free(host: str, port: int) -> None:
    """Raise RTSMError unless one can listen there: the server would say so to its log only, and end."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise RTSMError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            code="cannot-listen",
            field="--port",
            fix="stop what listens there, or name another --host or --port",
        ) from error

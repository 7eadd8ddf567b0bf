"""Running the API as a server process."""

from __future__ import annotations

import uvicorn

from allocation.api.address import HOST, PORT
from allocation.api.app import create_app
from allocation.ledger.database import open_database


def serve(database_url: str | None = None, host: str = HOST, port: int = PORT) -> None:
    """Serve the API until it is told to stop (SIGINT, SIGTERM); then requests in hand are finished.

    `database_url` as for `open_database`, whose tables are brought up to date first. Raises DatabaseUnavailable.
    """
    database = open_database(database_url)
    try:
        uvicorn.run(
            create_app(database), host=host, port=port, log_level="info", timeout_graceful_shutdown=15
        )
    finally:
        database.dispose()

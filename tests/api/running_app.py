"""A real server on a loopback port, and a client of it that knows how to log in and to send keys."""

import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

# Each client would read all certificates of the machine: thirty milliseconds for what no address here needs.
CERTIFICATES = ssl.create_default_context()


class ApiClient:
    """Calls the API as one identity. Each POST carries a new idempotency key unless it is given one."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=base_url, headers=headers, timeout=60, verify=CERTIFICATES)

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query or None)  # given empty ones, it would drop those of the path

    def post(self, path: str, body: Any, *, key: str | None = None) -> httpx.Response:
        return self.http.post(path, json=body, headers={"Idempotency-Key": key or uuid.uuid4().hex})

    def done(self, path: str, body: Any, *, key: str | None = None) -> dict[str, Any]:
        answer = self.post(path, body, key=key)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve `app` by uvicorn in a thread; yields its address."""
    # A test's clients take turns: a connection that rests for a while must not be closed just as its client speaks again.
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="critical", ws="none", timeout_keep_alive=300
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()

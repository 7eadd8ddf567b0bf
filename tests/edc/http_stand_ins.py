"""Small real HTTP servers for what stands at the other end: REDCap's record export, and an EDC that takes ODM."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

Answer = tuple[int, bytes]


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler, bytes], Answer]) -> Iterator[str]:
    """Serve POSTs by `answer` on a loopback port; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = answer(self, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_parts: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class RedcapProject:
    """Speaks the documented record export: content=record, format=json, type=flat, dateRangeBegin in the server's time.

    `records`: each with the moment of its last change (the server's local time) and its flat fields, the record id first.
    """

    token: str
    records: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, _handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        self.asked.append(form)
        if form.get("token") != self.token:
            return 403, b'{"error":"You do not have permissions to use the API"}'
        if form.get("content") != "record" or form.get("format") != "json" or form.get("type") != "flat":
            return 400, b'{"error":"The value of the parameter is not valid"}'
        since = form.get("dateRangeBegin", "")
        found = [fields for changed, fields in self.records if changed >= since]
        return 200, json.dumps(found).encode()


@dataclass
class EdcInbox:
    """Takes ODM messages; answers by `plan` first (a status each), then 200."""

    plan: list[int] = field(default_factory=list)
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    authorization: set[str | None] = field(default_factory=set)

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        self.authorization.add(handler.headers["Authorization"])
        self.taken.append((handler.headers["Idempotency-Key"], handler.headers["Content-Type"], body))
        return (self.plan.pop(0) if self.plan else 200), b""

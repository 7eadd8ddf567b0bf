"""Clients that are processes: each has its own database connections, and does dispensings by the command or by the bare peer.

Threads of one process would share its interpreter lock and measure that. A client is told what to do through a pipe, makes ready,
and starts when it is told to, so that all start together.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, Literal

from allocation.access.actors import Actor, Grant
from allocation.commands.dispensing import dispense
from allocation.commands.service import Act, Service
from allocation.ledger.database import Database, open_database
from benchmarks.postgres import psycopg_connection
from benchmarks.recording import Script, send_again
from benchmarks.trial import Dispensing

Kind = Literal["command", "bare"]
WARM_UP = 16
"""Dispensings before a client is ready: statements are compiled, prepared and cached by then, as in a service that runs."""


@dataclass(frozen=True)
class Work:
    """What a client has to do on one database: its dispensings of each kind, which no other client has."""

    address: str
    study_id: str
    name: str
    dispensings: dict[Kind, tuple[Dispensing, ...]]
    scripts: dict[tuple[str, str], Script]


@dataclass(frozen=True)
class Slice:
    """What a client did in a stretch of time: `processor` seconds are its own, `latencies` are seconds for each dispensing."""

    done: int
    seconds: float
    processor: float
    latencies: tuple[float, ...]


def desk_of(one: Dispensing, study_id: str) -> Actor:
    """The coordinator of the subject's site, whose grant the command checks."""
    return Actor(
        f"desk.{one.site_id}", "Site desk", (Grant("site_coordinator", study_id, "site", one.site_id),)
    )


@dataclass
class Client:
    """The working state of one client process."""

    work: Work
    database: Database = field(init=False)
    service: Service = field(init=False)
    moment: datetime = field(init=False)
    bare: Any = field(init=False)
    cursor: Any = field(init=False)
    ahead: dict[Kind, Iterator[Dispensing]] = field(init=False)
    keys: int = 0

    def __post_init__(self) -> None:
        """Connect in both ways and do the first dispensings, which compile and prepare the statements."""
        self.database = open_database(self.work.address, create=False)
        self.service = Service(self.database, lambda: self.moment)
        self.bare = (
            psycopg_connection(self.work.address)
            if self.database.is_postgresql
            else _bare_sqlite(self.work.address)
        )
        self.cursor = self.bare.cursor()
        self.ahead = {kind: iter(todo) for kind, todo in self.work.dispensings.items()}
        for kind in self.ahead:
            self.run(kind, 60, WARM_UP)

    def run(self, kind: Kind, seconds: float, at_most: int | None = None) -> Slice:
        """Do dispensings of a kind until the time is over, or there are none left."""
        act = self._by_command if kind == "command" else self._bare
        latencies: list[float] = []
        ahead = self.ahead[kind]
        processor = time.process_time()
        start = before = time.perf_counter()
        while before - start < seconds and (at_most is None or len(latencies) < at_most):
            one = next(ahead, None)
            if one is None:
                break
            self.keys += 1
            act(one, f"{self.work.name}-{self.keys}")
            after = time.perf_counter()
            latencies.append(after - before)
            before = after
        return Slice(len(latencies), before - start, time.process_time() - processor, tuple(latencies))

    def _by_command(self, one: Dispensing, key: str) -> None:
        self.moment = one.moment
        act = Act(desk_of(one, self.work.study_id), idempotency_key=key)
        dispense(self.service, act, self.work.study_id, one.request)

    def _bare(self, one: Dispensing, key: str) -> None:
        send_again(self.bare, self.cursor, self.work.scripts[one.shape], one, key)

    def close(self) -> None:
        """Close the connections."""
        self.bare.close()
        self.database.dispose()


def _bare_sqlite(address: str) -> sqlite3.Connection:
    """A raw connection with the settings of allocation/ledger/database.py, whose BEGIN IMMEDIATE the script holds."""
    connection = sqlite3.connect(address.removeprefix("sqlite:///"), timeout=30, isolation_level=None)
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _serve(pipe: Connection) -> None:
    client: Client | None = None
    while True:
        order, argument = pipe.recv()
        if order == "open":
            client = Client(argument)
            pipe.send(None)
        elif order == "run" and client is not None:
            pipe.send(client.run(*argument))
        elif order == "close" and client is not None:
            client.close()
            client = None
            pipe.send(None)
        else:
            return


@dataclass
class Clients:
    """A number of client processes, and what can be asked of the first `n` of them."""

    pipes: Sequence[Connection]

    def open(self, work: Sequence[Work]) -> None:
        """Give each client its work; returns when all are connected and warm."""
        for pipe, one in zip(self.pipes, work, strict=True):
            pipe.send(("open", one))
        self._answers(len(self.pipes))

    def run(self, kind: Kind, clients: int, seconds: float) -> list[Slice]:
        """Have the first `clients` work at once for some seconds."""
        for pipe in self.pipes[:clients]:
            pipe.send(("run", (kind, seconds)))
        return self._answers(clients)

    def close(self) -> None:
        """Have all clients leave their database."""
        for pipe in self.pipes:
            pipe.send(("close", None))
        self._answers(len(self.pipes))

    def _answers(self, clients: int) -> list[Any]:
        return [pipe.recv() for pipe in self.pipes[:clients]]


@contextmanager
def client_processes(count: int) -> Iterator[Clients]:
    """Start `count` client processes and end them at the end; one that fails ends the run with EOFError after its traceback."""
    context = multiprocessing.get_context("forkserver" if hasattr(multiprocessing, "get_context") else None)
    context.set_forkserver_preload(["benchmarks.clients"])
    pairs = [context.Pipe() for _ in range(count)]
    processes = [context.Process(target=_serve, args=(theirs,), daemon=True) for _, theirs in pairs]
    for process, (_, theirs) in zip(processes, pairs, strict=True):
        process.start()
        theirs.close()
    try:
        yield Clients([ours for ours, _ in pairs])
    finally:
        for ours, _ in pairs:
            try:
                ours.send(("stop", None))
            except OSError:
                continue
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.terminate()

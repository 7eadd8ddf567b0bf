"""The rounds of the dispensing benchmark: a fresh copy of the loaded trial, and short pieces of each peer's work in turn.

A machine is never quite idle and never quite steady. So each round cuts every peer's time into pieces and takes them in turn, one
order this way and the next the other way, and what counts is the median over rounds of each round's ratio.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text

from allocation.ledger.database import open_database
from allocation.ledger.sealing import Sealer
from benchmarks.clients import Clients, Kind, Slice, Work
from benchmarks.recording import Script
from benchmarks.trial import Dispensing, LoadedTrial

PIECES = 4
"""Into so many pieces a peer's time of a round is cut."""
FOR_COMMAND = 0.4
"""The share of the subjects that the command is given; the bare peer is faster and gets the others."""

_DISPENSED = {
    "kits": "SELECT count(*) FROM kit WHERE status = 'dispensed'",
    "kits that subjects hold": "SELECT count(DISTINCT kit_number) FROM kit WHERE subject_id IS NOT NULL",
    "kits named by entries": "SELECT sum(length(kit_numbers) - length(replace(kit_numbers, ',', '')) + 1) "
    "FROM ledger_entry WHERE command = 'dispense'",
    "visits": "SELECT count(*) FROM subject_visit WHERE dispensed",
    "entries": "SELECT count(*) FROM ledger_entry WHERE command = 'dispense'",
}


class NotAccounted(Exception):
    """After a round kits, visits and entries do not match: what was measured was not what it should be."""


@dataclass
class Measured:
    """By (what, clients): each round's rate per second and client processor seconds a dispensing, and all latencies in seconds."""

    rates: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    processor: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    latencies: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))

    def ratio(self, what: str, peer: str, clients: int) -> dict[str, float] | None:
        """Median, smallest and largest of the rounds' ratios; None where one of them was not measured."""
        ours, theirs = self.rates.get((what, clients)), self.rates.get((peer, clients))
        if not ours or not theirs:
            return None
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
        return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}

    def add(self, what: str, clients: int, pieces: Sequence[Sequence[Slice]]) -> None:
        """Add a round: for each piece, what each client did. Clients' rates add up, pieces are one stretch of time."""
        by_client = list(zip(*pieces, strict=True))
        rates = [sum(one.done for one in own) / sum(one.seconds for one in own) for own in by_client]
        self.rates[what, clients].append(sum(rates))
        every = [one for own in by_client for one in own]
        self.processor[what, clients].append(
            sum(one.processor for one in every) / sum(one.done for one in every)
        )
        self.latencies[what, clients] += [latency for one in every for latency in one.latencies]


def share_out(
    trial: LoadedTrial, scripts: dict[tuple[str, str], Script], address: str, clients: int
) -> list[Work]:
    """Give each client sites of its own, so that none waits for another's locks: desks of one site take turns in any system."""
    sites = list(trial.subjects)
    work = []
    for index in range(clients):
        todo: dict[Kind, list[Dispensing]] = {"command": [], "bare": []}
        for site_id in sites[index::clients]:
            subjects = trial.subjects[site_id]
            cut = round(len(subjects) * FOR_COMMAND)
            todo["command"] += [one for ahead in subjects[:cut] for one in ahead]
            todo["bare"] += [one for ahead in subjects[cut:] for one in ahead]
        given = {kind: tuple(some) for kind, some in todo.items()}
        work.append(Work(address, trial.study_id, f"client{index}", given, scripts))
    return work


def in_turn(
    measured: Measured, clients: Clients, count: int, seconds: float, name: Callable[[Kind], str]
) -> None:
    """Let the first `count` clients work by the command and bare, in turn, for `seconds` each."""
    pieces: dict[Kind, list[list[Slice]]] = {"command": [], "bare": []}
    order: list[Kind] = ["command", "bare"]
    for _ in range(PIECES):
        for kind in order:
            pieces[kind].append(clients.run(kind, count, seconds / PIECES))
        order.reverse()
    for kind, done in pieces.items():
        measured.add(name(kind), count, done)


def while_sealing(measured: Measured, clients: Clients, count: int, seconds: float, address: str) -> None:
    """Let clients work by the command while a sealer, as every service has one, chains what they commit."""
    database = open_database(address, create=False)
    sealer = Sealer(database)
    sealer.start()
    measured.add("command, sealing", count, [clients.run("command", count, seconds)])
    sealer.stop()
    database.dispose()


def account(address: str) -> None:
    """Raise NotAccounted unless every kit that was handed out, every visit and every entry is there once."""
    database = open_database(address, create=False)
    with database.read() as connection:
        found = {name: connection.execute(text(query)).scalar_one() for name, query in _DISPENSED.items()}
    database.dispose()
    if len({found[name] for name in found if name.startswith("kits")}) != 1:
        raise NotAccounted(f"kits do not match: {found}")
    if found["visits"] != found["entries"]:
        raise NotAccounted(f"visits do not match: {found}")

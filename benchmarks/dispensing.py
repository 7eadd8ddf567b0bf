"""How fast the real `dispense` command is, durably, against two peers in the same run on the same PostgreSQL server.

* bare: psycopg sending the statements that the command sends, with its parameters, and nothing else (benchmarks/recording.py);
* pgbench: PostgreSQL's own benchmark transaction (tpcb-like).

A round takes a fresh copy of the loaded trial and measures all of them in short slices, in turn, each round in another order, so
that what else the machine does hits all alike. What counts is the median over the rounds of each round's ratio.
`python -m benchmarks.dispensing --help` lists the options; `--check` exits with 1 when the ratio is below what is required.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from allocation.commands.service import Act, Service
from allocation.ledger.database import Database, open_database
from allocation.ledger.sealing import Sealer
from benchmarks.clients import Clients, Kind, Work, client_processes, desk_of
from benchmarks.machine import flushes_per_second, machine_facts
from benchmarks.pgbench import find_pgbench, pgbench_rate, set_up_pgbench
from benchmarks.postgres import DurableServer, durable_server
from benchmarks.recording import Script, record_shapes
from benchmarks.trial import Dispensing, LoadedTrial, load_trial

REQUIRED = 0.6
"""Command to bare, at 8 clients on PostgreSQL: the least that the project accepts."""
FOR_COMMAND = 0.4
"""The share of the subjects that the command is given; the bare peer is faster and gets the others."""

ACCOUNTED = text("""
    SELECT (SELECT count(*) FROM kit WHERE status = 'dispensed'),
           (SELECT coalesce(sum(json_array_length(kit_numbers::json)), 0) FROM ledger_entry WHERE command = 'dispense'),
           (SELECT count(*) FROM subject_visit WHERE dispensed),
           (SELECT count(*) FROM ledger_entry WHERE command = 'dispense')
""")


class NotAccounted(Exception):
    """After a round, kits, visits and entries do not match: what was measured was not what it should be."""


@dataclass
class Measured:
    """Rates per second of every slice, by (what, clients), in the order of the rounds; latencies in seconds."""

    rates: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    latencies: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))

    def ratio(self, what: str, to: str, clients: int) -> dict[str, float]:
        """Median, smallest and largest of the rounds' ratios."""
        pairs = zip(self.rates[what, clients], self.rates[to, clients], strict=True)
        ratios = [one / other for one, other in pairs]
        return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


@contextmanager
def not_durable(database: Database) -> Iterator[None]:
    """Loading need not be durable: nothing of it is measured. Every connection of the measurement is."""

    def connected(connection: Any, _record: Any) -> None:
        connection.execute("SET synchronous_commit = off")
        connection.commit()

    event.listen(database.engine, "connect", connected)
    database.dispose()
    yield
    event.remove(database.engine, "connect", connected)
    database.dispose()


def load(server: DurableServer, blocks: int, say: Any) -> tuple[LoadedTrial, dict[tuple[str, str], Script]]:
    """Load the trial into the database `trial`, and record from a copy of it what each shape of dispensing sends."""
    database = open_database(server.create("trial"))
    with not_durable(database):
        trial = load_trial(database, blocks, say)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    database.dispose()
    say("recording what each shape of dispensing sends")
    recorder = open_database(server.create("recorded", "trial"), create=False)
    moment: list[datetime] = []
    service = Service(recorder, lambda: moment[-1])
    scripts = record_shapes(
        service,
        moment.append,
        trial.study_id,
        lambda one: Act(
            desk_of(one, trial.study_id),
            idempotency_key=f"recorded-{one.subject_id}-{one.request.visit_code}",
        ),
        [ahead for subjects in trial.subjects.values() for ahead in subjects],
    )
    recorder.dispose()
    return trial, scripts


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


def measure(
    server: DurableServer,
    trial: LoadedTrial,
    scripts: dict[tuple[str, str], Script],
    clients: Clients,
    pgbench: Path | None,
    options: argparse.Namespace,
    say: Any,
) -> Measured:
    """All rounds."""
    measured = Measured()
    count = options.clients
    for number in range(options.rounds):
        name = f"round{number}"
        address = server.create(name, "trial")
        clients.open(share_out(trial, scripts, address, count))
        server.checkpoint()
        steps = ["command", "bare", "pgbench", "command, sealed"]
        steps = steps[number % 4 :] + steps[: number % 4]
        for at_once, seconds in ((count, options.seconds), (1, options.seconds)):
            for step in steps:
                _slice(measured, server, clients, pgbench, step, at_once, seconds, address)
        clients.close()
        _account(address)
        server.drop(name)
        ratio = measured.rates["command", count][-1] / measured.rates["bare", count][-1]
        say(f"round {number + 1} of {options.rounds}: command to bare at {count} clients {ratio:.2f}")
    return measured


def _slice(
    measured: Measured,
    server: DurableServer,
    clients: Clients,
    pgbench: Path | None,
    step: str,
    at_once: int,
    seconds: float,
    address: str,
) -> None:
    if step == "pgbench":
        if pgbench is not None:
            measured.rates[step, at_once].append(pgbench_rate(server, pgbench, at_once, seconds))
        return
    if step == "command, sealed" and at_once == 1:
        return
    kind: Kind = "bare" if step == "bare" else "command"
    if step == "command, sealed":
        database = open_database(address, create=False)
        sealer = Sealer(database)
        sealer.start()
        slices = clients.run(kind, at_once, seconds)
        sealer.stop()
        database.dispose()
    else:
        slices = clients.run(kind, at_once, seconds)
    measured.rates[step, at_once].append(sum(one.rate for one in slices))
    measured.latencies[step, at_once] += [latency for one in slices for latency in one.latencies]


def _account(address: str) -> None:
    """Raise NotAccounted unless every kit that was handed out, every visit and every entry is there once."""
    database = open_database(address, create=False)
    with database.read() as connection:
        kits, named, visits, entries = connection.execute(ACCOUNTED).one()
    database.dispose()
    if kits != named or visits != entries:
        raise NotAccounted(f"{kits} kits dispensed, {named} named by {entries} entries, for {visits} visits")


def report(measured: Measured, count: int) -> dict[str, Any]:
    """Rates (median over rounds), latencies in milliseconds, and ratios with their spread."""
    rates = {
        f"{what} at {clients}": {
            "per_second": statistics.median(found),
            "least": min(found),
            "most": max(found),
        }
        for (what, clients), found in sorted(measured.rates.items())
    }
    for (what, clients), found in measured.latencies.items():
        cuts = statistics.quantiles(found, n=100)
        rates[f"{what} at {clients}"] |= {"p50_ms": cuts[49] * 1000, "p95_ms": cuts[94] * 1000}
    ratios = {}
    for clients in (1, count):
        for peer in ("bare", "pgbench"):
            if measured.rates.get((peer, clients)):
                ratios[f"command to {peer} at {clients}"] = measured.ratio("command", peer, clients)
    ratios[f"command, sealed, to bare at {count}"] = measured.ratio("command, sealed", "bare", count)
    return {"rates": rates, "ratios": ratios}


def _print(facts: dict[str, str], found: dict[str, Any]) -> None:
    for name, fact in facts.items():
        print(f"{name:>24}  {fact}")
    print(f"\n{'durable, per second':>28} {'median':>8} {'least':>8} {'most':>8} {'p50 ms':>8} {'p95 ms':>8}")
    for name, row in found["rates"].items():
        latency = f"{row['p50_ms']:8.2f} {row['p95_ms']:8.2f}" if "p50_ms" in row else ""
        print(f"{name:>28} {row['per_second']:8.0f} {row['least']:8.0f} {row['most']:8.0f} {latency}")
    print(f"\n{'ratio':>36} {'median':>8} {'least':>8} {'most':>8}")
    for name, row in found["ratios"].items():
        print(f"{name:>36} {row['median']:8.2f} {row['least']:8.2f} {row['most']:8.2f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispensing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice (default 1)")
    parser.add_argument("--rounds", type=int, default=6, help="rounds (default 6)")
    parser.add_argument("--clients", type=int, default=8, help="clients at once, beside one alone (default 8)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 below {REQUIRED} command to bare")
    options = parser.parse_args(arguments)
    start = time.perf_counter()

    def say(what: str) -> None:
        print(f"{time.perf_counter() - start:6.1f} s  {what}", file=sys.stderr)

    facts = machine_facts()
    with client_processes(options.clients) as clients, durable_server() as server:
        facts |= {f"postgresql {name}": value for name, value in server.facts().items()}
        facts["flushes per second"] = f"{flushes_per_second(server.folder):.0f}"
        pgbench = find_pgbench(server)
        if pgbench is None:
            say("there is no pgbench here: its rows are left out")
        else:
            set_up_pgbench(server, pgbench, options.clients)
        blocks = max(2, round(4 * options.seconds * options.clients / 8))
        trial, scripts = load(server, blocks, say)
        say(f"{trial.dispensings} dispensings are ahead; {len(scripts)} shapes recorded")
        measured = measure(server, trial, scripts, clients, pgbench, options, say)
    found = report(measured, options.clients)
    facts["whole run"] = f"{time.perf_counter() - start:.0f} s"
    if options.json:
        print(json.dumps({"machine": facts, **found}, indent=2))
    else:
        _print(facts, found)
    ratio = found["ratios"][f"command to bare at {options.clients}"]["median"]
    if options.check and ratio < REQUIRED:
        print(f"command to bare is {ratio:.2f}, below the required {REQUIRED}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

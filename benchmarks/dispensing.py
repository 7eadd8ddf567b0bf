"""How fast the real `dispense` command is, durably, against peers in the same run on the same database.

* bare: the driver sending the statements that the command sends, with its parameters, and nothing else (benchmarks/recording.py);
* pgbench: PostgreSQL's own benchmark transaction (tpcb-like).

PostgreSQL with one client and with several, each a process; SQLite with one. `python -m benchmarks.dispensing --help` lists the
options; `--check` exits with 1 when the command is slower than is required. See benchmarks/README.md for what was measured.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from allocation.commands.service import Act, Service
from allocation.ledger.database import Database, open_database
from benchmarks.clients import Clients, client_processes, desk_of
from benchmarks.machine import flushes_per_second, machine_facts
from benchmarks.pgbench import find_pgbench, pgbench_rate, set_up_pgbench
from benchmarks.postgres import DurableServer, durable_server
from benchmarks.recording import Script, record_shapes
from benchmarks.rounds import Measured, account, in_turn, share_out, while_sealing
from benchmarks.trial import LoadedTrial, load_trial

REQUIRED = 0.6
"""Command to bare with 8 clients on PostgreSQL: the least that the project accepts."""

Say = Callable[[str], None]
Scripts = dict[tuple[str, str], Script]


@contextmanager
def not_durable(database: Database) -> Iterator[None]:
    """Loading need not be durable, since nothing of it is measured; every connection of the measurement is."""
    setting = "SET synchronous_commit = off" if database.is_postgresql else "PRAGMA synchronous = OFF"

    def connected(connection: Any, _record: Any) -> None:
        connection.execute(setting)
        connection.commit()

    event.listen(database.engine, "connect", connected)
    database.dispose()
    yield
    event.remove(database.engine, "connect", connected)
    database.dispose()


def record_scripts(address: str, trial: LoadedTrial) -> Scripts:
    """What each shape of dispensing sends, recorded on a copy of the trial that is used for nothing else."""
    database = open_database(address, create=False)
    moment: list[datetime] = []
    service = Service(database, lambda: moment[-1])

    def act(one: Any) -> Act:
        key = f"recorded-{one.subject_id}-{one.request.visit_code}"
        return Act(desk_of(one, trial.study_id), idempotency_key=key)

    everyone = [ahead for subjects in trial.subjects.values() for ahead in subjects]
    scripts = record_shapes(service, moment.append, trial.study_id, act, everyone)
    database.dispose()
    return scripts


def on_postgresql(
    measured: Measured, server: DurableServer, clients: Clients, options: argparse.Namespace, say: Say
) -> None:
    """Load the trial and measure all rounds with several clients and with one."""
    pgbench = find_pgbench(server)
    if pgbench is None:
        say("there is no pgbench here: its rows are left out")
    else:
        set_up_pgbench(server, pgbench, options.clients)
    database = open_database(server.create("trial"))
    with not_durable(database):
        trial = load_trial(database, max(2, round(4 * options.seconds)), say)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    database.dispose()
    scripts = record_scripts(server.create("recorded", "trial"), trial)
    say(f"{trial.dispensings} dispensings are ahead; {len(scripts)} shapes of them recorded")
    count = options.clients
    for number in range(options.rounds):
        name = f"round{number}"
        address = server.create(name, "trial")
        clients.open(share_out(trial, scripts, address, count))
        server.checkpoint()
        for at_once, seconds in ((count, options.seconds), (1, options.seconds / 2)):
            in_turn(measured, clients, at_once, seconds, str)
            if pgbench is not None:
                measured.rates["pgbench", at_once].append(pgbench_rate(server, pgbench, at_once, seconds))
        while_sealing(measured, clients, count, options.seconds / 2, address)
        clients.close()
        account(address)
        server.drop(name)
        ratio = measured.rates["command", count][-1] / measured.rates["bare", count][-1]
        say(f"round {number + 1} of {options.rounds}: command to bare with {count} clients {ratio:.2f}")


def on_sqlite(
    measured: Measured, folder: Path, clients: Clients, options: argparse.Namespace, say: Say
) -> None:
    """The same with one client on SQLite (WAL, synchronous=FULL), against raw sqlite3."""
    loaded = folder / "trial.db"
    database = open_database(f"sqlite:///{loaded}")
    with not_durable(database):
        trial = load_trial(database, 1, say)
    copy = folder / "copy.db"
    shutil.copyfile(loaded, copy)
    scripts = record_scripts(f"sqlite:///{copy}", trial)
    for _ in range(options.rounds):
        shutil.copyfile(loaded, copy)
        work = share_out(trial, scripts, f"sqlite:///{copy}", 1)
        clients.open(work)
        in_turn(measured, clients, 1, options.seconds / 2, lambda kind: f"sqlite {kind}")
        clients.close()
        account(f"sqlite:///{copy}")
    say("SQLite is measured")


def report(measured: Measured, count: int) -> dict[str, Any]:
    """Rates (median over rounds), latencies in milliseconds, and ratios with their spread."""
    rates: dict[str, dict[str, float]] = {}
    for (what, clients), found in measured.rates.items():
        rates[f"{what}, {clients}"] = {
            "per_second": statistics.median(found),
            "least": min(found),
            "most": max(found),
        }
    for (what, clients), found in measured.latencies.items():
        cuts = statistics.quantiles(found, n=100)
        processor = statistics.median(measured.processor[what, clients])
        rates[f"{what}, {clients}"] |= {
            "p50_ms": cuts[49] * 1000,
            "p95_ms": cuts[94] * 1000,
            "client_cpu_ms": processor * 1000,
        }
    pairs = [("command", peer, clients) for peer in ("bare", "pgbench") for clients in (count, 1)]
    pairs += [("command, sealing", "bare", count), ("sqlite command", "sqlite bare", 1)]
    ratios = {
        f"{what} to {peer}, {clients}": found
        for what, peer, clients in dict.fromkeys(pairs)
        if (found := measured.ratio(what, peer, clients)) is not None
    }
    return {"rates": rates, "ratios": ratios}


def show(facts: dict[str, str], found: dict[str, Any]) -> None:
    """Print facts, rates and ratios as tables."""
    for name, fact in facts.items():
        print(f"{name:>30}  {fact}")
    print(
        f"\n{'durable, clients':>30} {'median/s':>9} {'least':>8} {'most':>8} {'p50 ms':>8} {'p95 ms':>8} {'cpu ms':>8}"
    )
    for name, row in found["rates"].items():
        rest = " ".join(f"{row[key]:8.2f}" for key in ("p50_ms", "p95_ms", "client_cpu_ms") if key in row)
        print(f"{name:>30} {row['per_second']:9.0f} {row['least']:8.0f} {row['most']:8.0f} {rest}")
    print(f"\n{'ratio, clients':>30} {'median':>9} {'least':>8} {'most':>8}")
    for name, row in found["ratios"].items():
        print(f"{name:>30} {row['median']:9.2f} {row['least']:8.2f} {row['most']:8.2f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispensing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="a peer's time in a round (default 1)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument(
        "--clients", type=int, default=8, help="clients at once, beside one alone (default 8)"
    )
    parser.add_argument("--no-sqlite", action="store_true", help="leave SQLite out")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 below {REQUIRED} command to bare")
    options = parser.parse_args(arguments)
    start = time.perf_counter()

    def say(what: str) -> None:
        print(f"{time.perf_counter() - start:6.1f} s  {what}", file=sys.stderr)

    facts = machine_facts()
    measured = Measured()
    with durable_server() as server:
        facts |= {f"postgresql {name}": value for name, value in server.facts().items()}
        facts["flushes per second"] = f"{flushes_per_second(server.folder):.0f}"
        with client_processes(options.clients) as clients:
            on_postgresql(measured, server, clients, options, say)
        if not options.no_sqlite:
            with client_processes(1) as clients:
                on_sqlite(measured, server.folder, clients, options, say)
    found = report(measured, options.clients)
    facts["whole run"] = f"{time.perf_counter() - start:.0f} s"
    if options.json:
        print(json.dumps({"machine": facts, **found}, indent=2))
    else:
        show(facts, found)
    ratio = found["ratios"][f"command to bare, {options.clients}"]["median"]
    if options.check and ratio < REQUIRED:
        print(f"command to bare is {ratio:.2f}, below the required {REQUIRED}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

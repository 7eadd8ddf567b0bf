"""How fast a ledger is verified and its projections are rebuilt, as a ratio to what hashing and parsing alone cost in the same run.

* offline: the exported ledger checked by allocation/ledger/offline_verifier.py; floor: SHA-256 of every line's bytes, nothing else;
* rebuild: the projections dropped and folded again; floor: parsing every entry's payload (`json.loads`), nothing else;
* verify: `rtsm ledger verify` whole (chain, replay, comparison of every row); floor: both of these together.

On SQLite, on a trial with every dispensing done (benchmarks/trial.py). `python -m benchmarks.ledger --help` lists the options.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from allocation.commands.dispensing import dispense
from allocation.commands.service import Act, Service
from allocation.ledger.database import Database, open_database
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import verify
from allocation.ledger.reader import iter_rows
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.verify import verify_ledger
from benchmarks.clients import desk_of
from benchmarks.dispensing import not_durable
from benchmarks.machine import machine_facts
from benchmarks.trial import load_trial

FLOORS = {"offline": ("hash",), "rebuild": ("parse",), "verify": ("hash", "parse")}
"""What is measured -> the floors whose times together it is compared with."""


class NotIntact(Exception):
    """The benchmark's own ledger does not verify, so that there is nothing to measure."""


def load(database: Database) -> str:
    """Make a trial by the real commands, with every dispensing done; gives its study."""
    moment: list[datetime] = []
    with not_durable(database):
        trial = load_trial(database, 1, lambda _what: None)
        service = Service(database, lambda: moment[-1])
        for subjects in trial.subjects.values():
            for one in [one for ahead in subjects for one in ahead]:
                moment.append(one.moment)
                dispense(service, Act(desk_of(one, trial.study_id)), trial.study_id, one.request)
    return trial.study_id


def works(database: Database, study_id: str, export: Path) -> dict[str, Callable[[], Any]]:
    """What is measured, by name; each goes over all entries once."""
    lines = export.read_text().splitlines()
    payloads = [row["after_json"] for row in iter_rows(database, study_id)]

    def whole() -> None:
        found = verify_ledger(database, study_id)
        if not found.intact:
            raise NotIntact(str(found.difference))

    return {
        "hash": lambda: [hashlib.sha256(line.encode()).hexdigest() for line in lines],
        "parse": lambda: [json.loads(payload) for payload in payloads],
        "offline": lambda: verify(lines),
        "rebuild": lambda: rebuild_projections(database, study_id),
        "verify": whole,
    }


def measure(todo: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each work in each round, all of them in turn in every round."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, work in todo.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def report(seconds: dict[str, list[float]], entries: int) -> dict[str, Any]:
    """Entries per second (median), and the ratio of the floor's time to the work's, with its spread over the rounds."""
    rates = {name: entries / statistics.median(found) for name, found in seconds.items()}
    ratios = {}
    for name, floors in FLOORS.items():
        floor = [sum(some) for some in zip(*(seconds[one] for one in floors), strict=True)]
        found = [one / other for one, other in zip(floor, seconds[name], strict=True)]
        ratios[f"{name} to {' and '.join(floors)}"] = {
            "median": statistics.median(found),
            "least": min(found),
            "most": max(found),
        }
    return {"entries": entries, "entries_per_second": rates, "ratios": ratios}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    facts = machine_facts()
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'trial.db'}")
        study_id = load(database)
        export = Path(folder) / "ledger.jsonl"
        entries = export_ledger(database, study_id, export)
        seconds = measure(works(database, study_id, export), options.rounds)
        database.dispose()
    found = report(seconds, entries)
    facts["whole run"] = f"{time.perf_counter() - start:.0f} s"
    if options.json:
        print(json.dumps({"machine": facts, **found}, indent=2))
        return 0
    for name, fact in facts.items():
        print(f"{name:>24}  {fact}")
    print(f"\n{entries} entries; entries per second, median of {options.rounds} rounds")
    for name, rate in found["entries_per_second"].items():
        print(f"{name:>24} {rate:9.0f}")
    print(f"\n{'speed to the floor':>24} {'median':>9} {'least':>8} {'most':>8}")
    for name, row in found["ratios"].items():
        print(f"{name:>24} {row['median']:9.3f} {row['least']:8.3f} {row['most']:8.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

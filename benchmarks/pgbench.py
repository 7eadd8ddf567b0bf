"""pgbench's own transaction (tpcb-like: three updates, a select, an insert) on the same server, as a yardstick people know."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.postgres import DurableServer

DATABASE = "pgbench"


class NoPgbench(Exception):
    """There is no pgbench on this machine, or it failed."""


def find_pgbench(server: DurableServer) -> Path | None:
    """The server's own pgbench, else the one on the path; None where there is none."""
    own = server.programs / "pgbench"
    found = str(own) if own.exists() else shutil.which("pgbench")
    return Path(found) if found else None


def set_up_pgbench(server: DurableServer, pgbench: Path, scale: int) -> None:
    """Make pgbench's tables; `scale` is its branches, one for each client at least, else clients wait for one row."""
    server.create(DATABASE)
    _call(server, pgbench, "-i", "-I", "dtGvp", "-s", str(scale), "-q")


def pgbench_rate(server: DurableServer, pgbench: Path, clients: int, seconds: float) -> float:
    """Transactions per second of `clients` with prepared statements, for at least one second (pgbench takes whole ones)."""
    threads = min(clients, os.cpu_count() or 1)
    told = _call(
        server, pgbench, "-n", "-M", "prepared", "-c", str(clients), "-j", str(threads), "-T",
        str(max(1, round(seconds))),
    )  # fmt: skip
    found = re.search(r"^tps = ([0-9.]+)", told, re.MULTILINE)
    if found is None:
        raise NoPgbench(f"pgbench named no rate: {told}")
    return float(found[1])


def _call(server: DurableServer, pgbench: Path, *arguments: str) -> str:
    where = ("-h", server.socket_folder, "-U", "postgres", DATABASE)
    done = subprocess.run([pgbench, *arguments, *where], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoPgbench(f"pgbench failed: {done.stderr.strip()}")
    return done.stdout

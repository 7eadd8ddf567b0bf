"""The real system as a person runs it: `rtsm up`, or another command that opens it, on a home and ports of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

OPEN = "Ctrl-C stops everything."
"""Stands in the output when everything is up."""


def environment_of(home: Path) -> dict[str, str]:
    """That of a process that works on this home, and on no database that is named elsewhere."""
    return {**os.environ, "RTSM_DATABASE_URL": "", "RTSM_HOME": str(home)}


class Running:
    """A running system on a home, by the command `rtsm` with these arguments."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.ports = dict(zip(("api", "dashboard", "dagster"), _free_ports(3), strict=True))
        self.log = home.parent / "up.log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rtsm", *arguments, *self.options()],
                env=environment_of(home),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def options(self) -> list[str]:
        return [part for name, port in self.ports.items() for part in (f"--{name}-port", str(port))]

    def url(self, part: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[part]}{path}"

    def wait_for(self, words: str, seconds: float = 150) -> None:
        until = time.monotonic() + seconds
        while words not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)

    def everyone(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, str]:
        """Wait for the end; gives the exit code and all that was written."""
        return self.process.wait(timeout=60), self.log.read_text()


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[Running]:
    """`rtsm` with these arguments on a home; it is ended on leaving, whatever happened."""
    one = Running(home, *arguments)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.terminate()
            one.process.wait(timeout=60)


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, left = psutil.wait_procs(processes, timeout=3)
    return [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports

"""A child process of the supervisor: in a session of its own, its output shown and logged, its health known by asking."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

LAST_LINES = 12
ASKING_TIMEOUT_SECONDS = 3.0
LOOK_EVERY_SECONDS = 2.0

Echo = Callable[[str, str], None]
"""Shows a line of output: (name of the child, line)."""


@dataclass(frozen=True)
class ChildSpec:
    """What to run and how to tell that it works.

    `port`: where it listens on 127.0.0.1 (None: nowhere), and `port_option` the option that moves it. `healthy` is asked again and
    again until it is True. `ready_line` is shown then. `patience_seconds`: how long it may take to come up. Of its output the
    lines that are `worth_showing` go to the terminal; the log file has all. It is started when all that it `needs` (names of other
    parts) are healthy.
    """

    name: str
    command: Sequence[str]
    healthy: Callable[[], bool]
    ready_line: str
    port: int | None = None
    port_option: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    patience_seconds: float = 120.0
    worth_showing: Callable[[str], bool] = bool
    needs: tuple[str, ...] = ()


class Child:
    """A started child. It leads its own session, so that Ctrl-C at the terminal reaches the supervisor alone."""

    def __init__(self, spec: ChildSpec, log_file: Path, echo: Echo) -> None:
        """Start it. Raises OSError when the program cannot be run."""
        self.spec = spec
        self.log_file = log_file
        self._echo = echo
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        log_file.parent.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            list(spec.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **spec.environment},
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._descendants: dict[int, psutil.Process] = {}
        self._looked_at = 0.0
        assert self._process.stdout is not None  # noqa: S101  (it was asked for)
        self._pump = threading.Thread(
            target=self._read, args=(self._process.stdout,), name=f"output of {spec.name}", daemon=True
        )
        self._pump.start()

    @property
    def pid(self) -> int:
        """The process id, which is also that of its session and group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def last_lines(self) -> list[str]:
        """The last lines that it wrote."""
        if self.exit_code() is not None:
            self._pump.join(timeout=2)
        return list(self._last)

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process itself: it stops its own children in the right order (Dagster insists)."""
        self.note_descendants(at_once=True)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def note_descendants(self, *, at_once: bool = False) -> None:
        """Remember who belongs to it, looking every few seconds: once it has ended, its children are nobody's."""
        now = time.monotonic()
        if at_once or now - self._looked_at > LOOK_EVERY_SECONDS:
            self._looked_at = now
            with suppress(psutil.NoSuchProcess):
                for process in psutil.Process(self.pid).children(recursive=True):
                    self._descendants.setdefault(process.pid, process)

    def kill_what_is_left(self) -> int:
        """SIGKILL to what is left of its session and of its descendants; gives how many there were."""
        left = {process for process in self._descendants.values() if process.is_running()}
        left |= {process for process in psutil.process_iter() if _session(process) == self.pid}
        left = {process for process in left if process.status() != psutil.STATUS_ZOMBIE}
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)
        self._process.wait()
        self._pump.join(timeout=2)
        return len(left)

    def _read(self, output: IO[str]) -> None:
        with output, self.log_file.open("a", encoding="utf-8") as log:
            for line in output:
                text = _COLOUR.sub("", line.rstrip("\n"))
                self._last.append(text)
                log.write(text + "\n")
                log.flush()
                if self.spec.worth_showing(text):
                    self._echo(self.spec.name, text)


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def answers(url: str, *, expected: Callable[[Any], bool] | None = None, body: object = None) -> bool:
    """Whether `url` (on this machine) answers with 200 and, with `expected`, with JSON that it accepts. `body` makes it a POST."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        with _OPENER.open(request, timeout=ASKING_TIMEOUT_SECONDS) as response:
            return bool(response.status == 200 and (expected is None or expected(json.load(response))))
    except (OSError, ValueError):  # not up yet, or not what we think it is
        return False


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# A proxy that the environment names is for the world outside, not for this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

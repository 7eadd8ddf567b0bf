"""One supervisor for the parts of the running system: starts them, waits for their health, and stops all when one ends.

The parts are child processes in sessions of their own. To stop, each is asked in reverse order of its start and given time; what
is left after that is killed with everything that belongs to it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dashboards.child import Child, ChildSpec, Echo
from dashboards.errors import ChildDied
from dashboards.ports import require_free

GRACE_SECONDS = 15.0
POLL_SECONDS = 0.2

Say = Callable[[str], None]


class Supervisor:
    """The children of one run. Use it in a `with` block: whatever happens inside, nothing is left running."""

    def __init__(self, specs: Sequence[ChildSpec], logs: Path, say: Say, echo: Echo) -> None:
        """`logs`: the folder of log files, one a child; `say` shows status lines, `echo` the children's output.

        Raises ValueError when a spec needs what does not stand before it.
        """
        self.specs = tuple(specs)
        earlier: set[str] = set()
        for spec in self.specs:
            if not earlier.issuperset(spec.needs):
                raise ValueError(f"{spec.name} needs {', '.join(spec.needs)}: put what it needs before it")
            earlier.add(spec.name)
        self.stopping = threading.Event()
        self._logs = logs
        self._say = say
        self._echo = echo
        self._children: list[Child] = []

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every child, each when what it needs is healthy, and wait until all are.

        Raises PortTaken before anything is started, ChildDied when a child ends or does not come up in time.
        """
        for spec in self.specs:
            if spec.port is not None:
                require_free(spec.port, spec.name, spec.port_option)
        began = time.monotonic()
        pending, healthy = list(self.specs), set[str]()
        waiting: dict[Child, float] = {}
        while (pending or waiting) and not self.stopping.is_set():
            for spec in [one for one in pending if healthy.issuperset(one.needs)]:
                pending.remove(spec)
                waiting[self._started(spec)] = time.monotonic()
            self.check()
            for child in [one for one in waiting if one.spec.healthy()]:
                del waiting[child]
                healthy.add(child.spec.name)
                self._say(
                    f"{child.spec.name:<10} ready after {time.monotonic() - began:4.1f} s  {child.spec.ready_line}"
                )
            for child, since in waiting.items():
                if time.monotonic() - since > child.spec.patience_seconds:
                    raise ChildDied(
                        self._report(child, f"did not come up in {child.spec.patience_seconds:g} s")
                    )
            self.stopping.wait(POLL_SECONDS)

    def _started(self, spec: ChildSpec) -> Child:
        try:
            child = Child(spec, self._logs / f"{spec.name}.log", self._echo)
        except OSError as error:
            raise ChildDied(f"{spec.name} cannot be started: {error}") from error
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raises ChildDied, with its last lines, when a child has ended."""
        for child in self._children:
            child.note_descendants()
            code = child.exit_code()
            if code is not None:
                how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
                raise ChildDied(self._report(child, how))

    def watch(self) -> None:
        """Return when the supervisor is told to stop. Raises ChildDied when a child ends before."""
        while not self.stopping.wait(POLL_SECONDS):
            self.check()

    def stop(self) -> None:
        """Stop every child, the last started first; then kill what is left of any."""
        if not self._children:
            return
        self._say("stopping ...")
        for child in reversed(self._children):
            child.ask_to_stop()
        until = time.monotonic() + GRACE_SECONDS
        for child in reversed(self._children):
            ended = child.wait(max(until - time.monotonic(), 0.0))
            killed = child.kill_what_is_left()
            if killed and not ended:
                self._say(f"{child.spec.name} did not stop in {GRACE_SECONDS:g} s and was killed")
        self._children.clear()
        self._say("stopped")

    def _report(self, child: Child, how: str) -> str:
        lines = child.last_lines()
        shown = "".join(f"\n    {line}" for line in lines) if lines else " nothing"
        return f"{child.spec.name} {how}; the last it wrote (all of it: {child.log_file}):{shown}"


@contextmanager
def stopped_by_signals(stopping: threading.Event) -> Iterator[None]:
    """While inside, SIGINT and SIGTERM set `stopping` instead of ending this process."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""The supervisor with real child processes: health, a taken port, a child that dies, and a stop that leaves nothing behind."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dashboards import supervisor as supervisor_module
from dashboards.child import ChildSpec, answers
from dashboards.errors import ChildDied, PortTaken
from dashboards.ports import require_free
from dashboards.supervisor import Supervisor, stopped_by_signals

# A server that says what it does, with a child of its own in a session of its own, as some servers have.
SERVER = """
import http.server, os, signal, subprocess, sys
port, stubborn = int(sys.argv[1]), sys.argv[2] == "stubborn"
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("grandchild", grandchild.pid, flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: sys.exit(0))
http.server.test(http.server.SimpleHTTPRequestHandler, port=port, bind="127.0.0.1")
"""


class Seen:
    """What a supervisor said, and what its children wrote."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.echoed: list[tuple[str, str]] = []

    def echo(self, name: str, line: str) -> None:
        self.echoed.append((name, line))

    def grandchildren(self) -> list[int]:
        return [int(line.split()[1]) for _, line in self.echoed if line.startswith("grandchild")]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def free_port() -> Callable[[], int]:
    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    return find


@pytest.fixture
def supervise(tmp_path: Path, seen: Seen) -> Iterator[Callable[..., Supervisor]]:
    """A function that makes a supervisor of these children; all are stopped after the test, whatever happened."""
    made: list[Supervisor] = []

    def make(*specs: ChildSpec) -> Supervisor:
        made.append(Supervisor(specs, tmp_path / "logs", seen.said.append, seen.echo))
        return made[-1]

    yield make
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            supervisor_module, "GRACE_SECONDS", 1.0
        )  # of what a test left running nothing is awaited
        for one in made:
            one.stop()


def server(name: str, port: int, *, manner: str = "willing") -> ChildSpec:
    return ChildSpec(
        name=name,
        command=[sys.executable, "-c", SERVER, str(port), manner],
        healthy=lambda: answers(f"http://127.0.0.1:{port}/"),
        ready_line=f"http://127.0.0.1:{port}",
        port=port,
        port_option=f"--{name}-port",
    )


def script(name: str, code: str, *, healthy: bool = True) -> ChildSpec:
    return ChildSpec(name, [sys.executable, "-c", code], lambda: healthy, "works", patience_seconds=5)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_children_start_are_waited_for_and_leave_nothing_behind(supervise, seen, free_port, tmp_path):
    ports = [free_port(), free_port()]
    supervisor = supervise(server("first", ports[0]), server("second", ports[1]))
    supervisor.start()
    assert all(answers(f"http://127.0.0.1:{port}/") for port in ports)
    assert {line.split()[0] for line in seen.said} == {"first", "second"}
    assert all("ready after" in line for line in seen.said)
    below = psutil.Process().children(recursive=True)
    grandchildren = seen.grandchildren()
    assert len(grandchildren) == 2
    supervisor.stop()
    assert seen.said[-1] == "stopped"
    assert not [process for process in below if alive(process.pid) and process.pid in grandchildren]
    assert not any(answers(f"http://127.0.0.1:{port}/") for port in ports)
    assert "grandchild" in (tmp_path / "logs" / "first.log").read_text()


def test_a_child_is_started_when_what_it_needs_is_healthy_and_not_before(supervise, seen, free_port):
    port = free_port()
    look = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/').status, flush=True)"
    needing = replace(script("second", look + "; import time; time.sleep(600)"), needs=("first",))
    supervisor = supervise(server("first", port), needing)
    supervisor.start()
    assert [line.split()[0] for line in seen.said] == ["first", "second"]
    wait_until(lambda: ("second", "200") in seen.echoed)


def test_a_child_that_needs_what_does_not_come_before_it_is_refused_at_once(supervise):
    needing = replace(script("first", "pass"), needs=("second",))
    with pytest.raises(ValueError, match="first needs second: put what it needs before it"):
        supervise(needing, script("second", "pass"))


def test_the_last_started_is_asked_to_stop_first(supervise, seen):
    order = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit(0)))\n"
    code = order + "print('up', flush=True)\nwhile True: signal.pause()"
    supervisor = supervise(script("one", code), script("two", code))
    supervisor.start()
    wait_until(lambda: len(seen.echoed) == 2)
    asked: list[str] = []
    for child in supervisor._children:
        ask = child.ask_to_stop
        child.ask_to_stop = lambda ask=ask, name=child.spec.name: (asked.append(name), ask())  # type: ignore[method-assign]
    supervisor.stop()
    assert asked == ["two", "one"]
    assert sorted(seen.echoed[2:]) == [("one", "asked"), ("two", "asked")]


def test_a_child_that_will_not_stop_is_killed_with_all_that_is_its(supervise, seen, free_port, monkeypatch):
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.5)
    supervisor = supervise(server("stubborn", free_port(), manner="stubborn"))
    supervisor.start()
    (grandchild,) = seen.grandchildren()
    (child,) = [one.pid for one in supervisor._children]
    supervisor.stop()
    assert not alive(child)
    assert not alive(grandchild)
    assert "stubborn did not stop in 0.5 s and was killed" in seen.said


def test_a_taken_port_is_named_with_its_holder_and_the_option_and_nothing_is_started(supervise, seen):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        supervisor = supervise(script("first", "print('started')"), server("api", port))
        with pytest.raises(PortTaken) as refused:
            supervisor.start()
    message = str(refused.value)
    assert f"port {port} for api is taken by" in message
    assert f"(process {os.getpid()})" in message
    assert "--api-port" in message
    assert not seen.echoed


def test_a_port_whose_connections_are_only_closing_is_free(free_port):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as listener:
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = listener.accept()
        connection.close()  # the server's side closes first, and so waits (TIME_WAIT)
        client.close()
    require_free(port, "anything", "--port")


def test_a_child_that_ends_by_itself_is_reported_with_its_last_lines(supervise):
    supervisor = supervise(script("brief", "print('about to fail', flush=True); raise SystemExit(3)"))

    def run() -> None:  # it may end before or after it was found healthy
        supervisor.start()
        supervisor.watch()

    with pytest.raises(ChildDied) as died:
        run()
    message = str(died.value)
    assert "brief ended with exit code 3" in message
    assert "about to fail" in message
    assert "brief.log" in message


def test_a_child_that_is_killed_from_outside_ends_the_watch(supervise):
    supervisor = supervise(script("victim", "import time; time.sleep(600)"))
    supervisor.start()
    threading.Timer(0.3, os.kill, (supervisor._children[0].pid, signal.SIGKILL)).start()
    with pytest.raises(ChildDied, match="victim was ended by signal 9"):
        supervisor.watch()


def test_a_child_that_never_answers_is_given_up(supervise):
    spec = script("silent", "import time; time.sleep(600)", healthy=False)
    supervisor = supervise(ChildSpec(spec.name, spec.command, spec.healthy, "", patience_seconds=0.5))
    with pytest.raises(ChildDied, match=r"silent did not come up in 0\.5 s"):
        supervisor.start()


def test_a_program_that_cannot_be_run_is_named(supervise):
    supervisor = supervise(ChildSpec("absent", ["no-such-program"], lambda: True, ""))
    with pytest.raises(ChildDied, match="absent cannot be started"):
        supervisor.start()


def test_a_signal_ends_the_watch_and_the_handlers_are_put_back(supervise):
    before = signal.getsignal(signal.SIGTERM)
    supervisor = supervise(script("steady", "import time; time.sleep(600)"))
    with stopped_by_signals(supervisor.stopping):
        supervisor.start()
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        supervisor.watch()
    assert signal.getsignal(signal.SIGTERM) == before


def test_only_lines_worth_showing_reach_the_terminal_and_colours_stay_out_of_the_log(
    supervise, seen, tmp_path
):
    code = r"print('\x1b[32mINFO\x1b[0m chatter'); print('trouble', flush=True); import time; time.sleep(600)"
    quiet = script("quiet", code)
    supervisor = supervise(
        ChildSpec("quiet", quiet.command, quiet.healthy, "", worth_showing=lambda line: "INFO" not in line)
    )
    supervisor.start()
    wait_until(lambda: seen.echoed)
    assert seen.echoed == [("quiet", "trouble")]
    assert (tmp_path / "logs" / "quiet.log").read_text() == "INFO chatter\ntrouble\n"


def wait_until(holds: Callable[[], object], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)

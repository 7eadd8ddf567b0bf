"""`rtsm up` and `rtsm demo --live` as a person runs them: the real API, dashboards and Dagster, with real signals."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dashboards.child import answers

pytestmark = pytest.mark.slow


class Up:
    """A running system on a home of its own, by the command `rtsm` with these arguments."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.ports = dict(zip(("api", "dashboard", "dagster"), _free_ports(3), strict=True))
        env = {key: value for key, value in os.environ.items() if key != "RTSM_DATABASE_URL"}
        self.log = home.parent / "up.log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rtsm", *arguments, *self.options()],
                env={**env, "RTSM_HOME": str(home)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def options(self) -> list[str]:
        return [part for name, port in self.ports.items() for part in (f"--{name}-port", str(port))]

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


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """A function that runs `rtsm` with these arguments on a new home; it is ended after the test, whatever happened."""
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        started.append(Up(tmp_path / f"home{len(started)}", *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
            one.process.wait(timeout=60)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, left = psutil.wait_procs(processes, timeout=3)
    return [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def test_everything_comes_up_on_this_machine_alone_and_goes_down_clean(run) -> None:
    up = run("up")
    up.wait_for("Ctrl-C stops everything.")
    assert answers(f"http://127.0.0.1:{up.ports['api']}/health", expected=lambda body: body["status"] == "ok")
    assert answers(f"http://127.0.0.1:{up.ports['dashboard']}/_stcore/health")
    assert answers(f"http://127.0.0.1:{up.ports['dagster']}/server_info")
    everyone = up.everyone()
    listening = {
        connection.laddr.ip
        for process in everyone
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    second = subprocess.run(
        [sys.executable, "-m", "rtsm", "up"],
        env={**os.environ, "RTSM_HOME": str(up.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"rtsm up (process {up.process.pid}) works on" in second.stderr
    up.process.send_signal(signal.SIGTERM)
    code, output = up.end()
    assert code == 0, output
    assert output.rstrip().endswith("stopped")
    assert not still_running(everyone)
    assert {path.name for path in (up.home / "logs").iterdir()} == {
        "api.log",
        "code.log",
        "dashboard.log",
        "dagster.log",
        "daemon.log",
    }


def test_dagsters_web_server_and_daemon_share_one_code_server_that_only_its_owner_reaches(run) -> None:
    up = run("up")
    up.wait_for("Ctrl-C stops everything.")
    # Left to themselves both start servers of their own, and the daemon a new one every minute.
    servers = [one for one in up.everyone() if {"code-server", "start"} <= set(one.cmdline())]
    assert len(servers) == 1
    for program in ("dagster-webserver", "dagster-daemon"):
        (process,) = [one for one in up.everyone() if any(program in word for word in one.cmdline()[:2])]
        assert process.children() == []
    command = servers[0].cmdline()
    socket_file = Path(command[command.index("--socket") + 1])
    assert socket_file.is_socket()
    assert socket_file.parent.stat().st_mode & 0o077 == 0
    ask = {"query": "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"}
    loaded = [{"name": "openrtsm", "loadStatus": "LOADED"}]
    assert answers(
        f"http://127.0.0.1:{up.ports['dagster']}/graphql",
        body=ask,
        expected=lambda body: body["data"]["workspaceOrError"]["locationEntries"] == loaded,
    )
    up.process.send_signal(signal.SIGTERM)
    assert up.end()[0] == 0
    assert not socket_file.parent.exists()


def test_when_one_part_dies_all_are_stopped_and_the_exit_code_says_so(run) -> None:
    up = run("up")
    up.wait_for("Ctrl-C stops everything.")
    everyone = up.everyone()
    api = next(one for one in everyone if "serve" in one.cmdline())
    api.kill()
    code, output = up.end()
    assert code == 1
    assert "rtsm: api was ended by signal 9; the last it wrote" in output
    assert "Uvicorn running on" in output.rpartition("rtsm: api")[2]
    assert not still_running(everyone)


def test_a_taken_port_ends_it_at_once_with_one_message(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "rtsm", "up", "--dashboard-port", str(port)],
            env={**os.environ, "RTSM_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 1
    assert f"rtsm: port {port} for dashboard is taken by" in done.stderr
    assert "choose another port with --dashboard-port" in done.stderr


def test_a_live_demo_is_open_while_it_is_played_and_ends_complete(run) -> None:
    live = run("demo", "--live", "--days", "12", "--pace", "0")
    live.wait_for("Ctrl-C stops everything.")
    assert answers(f"http://127.0.0.1:{live.ports['dashboard']}/_stcore/health")
    live.wait_for("played through the real service")
    live.wait_for("Logs ")
    assert json.loads((live.home / "demo.json").read_text())["state"] == "complete"
    everyone = live.everyone()
    live.process.send_signal(signal.SIGTERM)
    code, output = live.end()
    assert code == 0, output
    assert not still_running(everyone)


def test_a_live_play_can_be_stopped_and_is_then_not_complete(run) -> None:
    live = run("demo", "--live", "--days", "500", "--pace", "0.5")
    live.wait_for("Ctrl-C stops everything.")
    everyone = live.everyone()
    live.process.send_signal(signal.SIGINT)
    code, output = live.end()
    assert code == 0, output
    assert "The play was stopped" in output
    assert json.loads((live.home / "demo.json").read_text())["state"] == "playing"
    assert not still_running(everyone)

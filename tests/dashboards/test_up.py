"""`rtsm up` as a person runs it, and a live demo that is stopped: the real API, dashboards and Dagster, with real signals."""

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from dashboards.child import answers
from tests.dashboards.running_system import OPEN, Running, environment_of, running, still_running

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class CodeServer:
    """What was seen of Dagster's code server while the system was up."""

    commands: list[list[str]]
    clients: dict[str, list[psutil.Process]]
    """The web server's and the daemon's children."""
    socket_file: Path
    is_socket: bool
    folder_mode: int
    has_loaded: bool


@dataclass(frozen=True)
class Life:
    """What was seen of a system that was up, and how it went down when it was asked to."""

    up: Running
    answering: dict[str, bool]
    listening: set[str]
    second: "subprocess.CompletedProcess[str]"
    code_server: CodeServer
    exit_code: int
    output: str
    left: list[psutil.Process]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One life of `rtsm up`, for all who look at it: to bring everything up takes half a minute of processor time."""
    with running(tmp_path_factory.mktemp("up") / "home", "up") as up:
        up.wait_for(OPEN)
        answering = {
            "api": answers(up.url("api", "/health"), expected=lambda body: body["status"] == "ok"),
            "dashboard": answers(up.url("dashboard", "/_stcore/health")),
            "dagster": answers(up.url("dagster", "/server_info")),
        }
        everyone = up.everyone()
        listening = {
            connection.laddr.ip
            for process in everyone
            for connection in process.net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        }
        second = subprocess.run(
            [sys.executable, "-m", "rtsm", "up"],
            env=environment_of(up.home),
            capture_output=True,
            text=True,
            check=False,
        )
        seen = seen_of_code_server(up)
        up.process.send_signal(signal.SIGTERM)
        code, output = up.end()
        yield Life(up, answering, listening, second, seen, code, output, still_running(everyone))


def seen_of_code_server(up: Running) -> CodeServer:
    everyone = up.everyone()
    commands = [one.cmdline() for one in everyone if _is_code_server(one.cmdline())]
    clients = {}
    for program in ("dagster-webserver", "dagster-daemon"):
        (process,) = [one for one in everyone if any(program in word for word in one.cmdline()[:2])]
        clients[program] = process.children()
    socket_file = Path(commands[0][commands[0].index("--socket") + 1])
    ask = {"query": "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"}
    loaded = [{"name": "openrtsm", "loadStatus": "LOADED"}]
    return CodeServer(
        commands,
        clients,
        socket_file,
        socket_file.is_socket(),
        stat.S_IMODE(socket_file.parent.stat().st_mode),
        answers(
            up.url("dagster", "/graphql"),
            body=ask,
            expected=lambda body: body["data"]["workspaceOrError"]["locationEntries"] == loaded,
        ),
    )


def _is_code_server(command: list[str]) -> bool:
    """Whether it is a code server, of either kind that Dagster has."""
    return {"code-server", "start"} <= set(command) or {"api", "grpc"} <= set(command)


def test_everything_comes_up_on_this_machine_alone_and_goes_down_clean(life: Life) -> None:
    assert life.answering == {"api": True, "dashboard": True, "dagster": True}
    assert life.listening == {"127.0.0.1"}
    assert life.exit_code == 0, life.output
    assert life.output.rstrip().endswith("stopped")
    assert not life.left
    assert {path.name for path in (life.up.home / "logs").iterdir()} == {
        "api.log",
        "code.log",
        "dashboard.log",
        "dagster.log",
        "daemon.log",
    }


def test_a_second_one_on_the_same_home_is_refused(life: Life) -> None:
    assert life.second.returncode == 1
    assert f"rtsm up (process {life.up.process.pid}) works on" in life.second.stderr


def test_dagsters_web_server_and_daemon_share_one_code_server_that_only_its_owner_reaches(life: Life) -> None:
    seen = life.code_server
    # Left to themselves both start servers of their own, and the daemon a new one every minute.
    assert len(seen.commands) == 1
    assert seen.clients == {"dagster-webserver": [], "dagster-daemon": []}
    assert seen.is_socket
    assert seen.folder_mode & 0o077 == 0
    assert seen.has_loaded
    assert life.exit_code == 0
    assert not seen.socket_file.parent.exists()


def test_a_taken_port_ends_it_at_once_with_one_message(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "rtsm", "up", "--dashboard-port", str(port)],
            env=environment_of(tmp_path / "home"),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 1
    assert f"rtsm: port {port} for dashboard is taken by" in done.stderr
    assert "choose another port with --dashboard-port" in done.stderr


def test_a_live_play_can_be_stopped_and_is_then_not_complete(tmp_path: Path) -> None:
    with running(tmp_path / "home", "demo", "--live", "--days", "500", "--pace", "0.5") as live:
        live.wait_for(OPEN)
        everyone = live.everyone()
        live.process.send_signal(signal.SIGINT)
        code, output = live.end()
    assert code == 0, output
    assert "The play was stopped" in output
    assert json.loads((live.home / "demo.json").read_text())["state"] == "playing"
    assert not still_running(everyone)

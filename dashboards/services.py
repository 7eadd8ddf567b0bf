"""The parts of the running system, as the supervisor starts them: API, dashboards, and Dagster's three: code, web pages, daemon.

The code server has the pipelines loaded, once; Dagster's web server and daemon ask it over a socket. Left to themselves they would each
load the pipelines in servers of their own, and the daemon would start a new one every minute and leave the old one to die of
neglect, with a warning each time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from dashboards.child import ASKING_TIMEOUT_SECONDS, ChildSpec, answers
from dashboards.home import Home
from dashboards.ports import LOOPBACK
from pipelines.dagster_home import prepare_dagster_home

CODE_LOCATION: Final = "openrtsm"
"""The name of the pipelines in Dagster, as in workspace.yaml: what the sensor has seen is remembered under it."""

CODE: Final = "code"
_DAEMONS = {"query": "{ instance { daemonHealth { allDaemonStatuses { required healthy } } } }"}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen, on 127.0.0.1."""

    api: int = 8000
    dashboard: int = 8501
    dagster: int = 3000

    def addresses(self) -> dict[str, str]:
        """What a person opens in a browser."""
        return {
            "dashboard": f"http://{LOOPBACK}:{self.dashboard}",
            "API": f"http://{LOOPBACK}:{self.api}/docs",
            "Dagster": f"http://{LOOPBACK}:{self.dagster}",
        }


def running_system(home: Home, ports: Ports, private: Path, *, scheduler: bool) -> list[ChildSpec]:
    """What `rtsm up` runs for a home, in the order of start; it prepares Dagster's home for it.

    `private`: an empty folder with a short path that nobody else may enter, for the socket of the code server, which runs whatever it
    is asked to, and for the file that tells Dagster where it is. `scheduler`: whether the API makes the resupply runs that are due.
    """
    socket, workspace = private / "code.sock", private / "workspace.yaml"
    location = {"grpc_server": {"socket": str(socket), "location_name": CODE_LOCATION}}
    workspace.write_text(json.dumps({"load_from": [location]}), encoding="utf-8")  # JSON is YAML
    common = {
        "RTSM_HOME": str(home.folder),
        "DAGSTER_HOME": str(_with_stores(prepare_dagster_home(home.dagster))),
    }
    return [
        _api(ports, common, scheduler),
        _dashboard(ports, common),
        _code_server(socket, common),
        _dagster_web(ports, workspace, common),
        _dagster_daemon(ports, workspace, common),
    ]


def _with_stores(folder: Path) -> Path:
    """Dagster's home with its databases in it. Made here, once: its two processes would race, and spoil them."""
    if not (folder / "schedules" / "schedules.db").exists():
        from dagster import DagsterInstance

        with DagsterInstance.from_config(str(folder)) as instance:
            instance.get_runs_count()
            instance.all_asset_keys()
            instance.all_instigator_state()
    return folder


def _api(ports: Ports, common: Mapping[str, str], scheduler: bool) -> ChildSpec:
    health = f"http://{LOOPBACK}:{ports.api}/health"
    return ChildSpec(
        name="api",
        command=[
            *(sys.executable, "-m", "rtsm", "serve", "--host", LOOPBACK, "--port", str(ports.api)),
            "--scheduler" if scheduler else "--no-scheduler",
        ],
        healthy=lambda: answers(health, expected=lambda body: body["status"] == "ok"),
        ready_line=f"http://{LOOPBACK}:{ports.api}/docs",
        port=ports.api,
        port_option="--api-port",
        environment=common,
    )


def _dashboard(ports: Ports, common: Mapping[str, str]) -> ChildSpec:
    health = f"http://{LOOPBACK}:{ports.dashboard}/_stcore/health"
    return ChildSpec(
        name="dashboard",
        command=[sys.executable, "-m", "rtsm", "dashboard", "--port", str(ports.dashboard)],
        healthy=lambda: answers(health),
        ready_line=f"http://{LOOPBACK}:{ports.dashboard}",
        port=ports.dashboard,
        port_option="--dashboard-port",
        environment=common,
    )


def _code_server(socket: Path, common: Mapping[str, str]) -> ChildSpec:
    return ChildSpec(
        name=CODE,
        command=[
            *_program("dagster", "dagster"),
            # Not `code-server start`, which can load changed code anew: that is one more process, which starts this one.
            *("api", "grpc", "--socket", str(socket)),
            *("--module-name", "pipelines.definitions", "--location-name", CODE_LOCATION),
            "--use-python-environment-entry-point",
        ],
        healthy=lambda: serves_code(socket),
        ready_line="has the pipelines loaded",
        worth_showing=_is_no_chatter,
        environment=common,
    )


def serves_code(socket: Path) -> bool:
    """Whether a code server of Dagster answers at the socket that it has loaded its code (gRPC's health protocol)."""
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        try:
            answer = HealthStub(channel).Check(
                HealthCheckRequest(service="DagsterApi"), timeout=ASKING_TIMEOUT_SECONDS
            )
        except grpc.RpcError:  # not up yet
            return False
    return bool(answer.status == HealthCheckResponse.SERVING)


def _dagster_web(ports: Ports, workspace: Path, common: Mapping[str, str]) -> ChildSpec:
    health = f"http://{LOOPBACK}:{ports.dagster}/server_info"
    return ChildSpec(
        name="dagster",
        command=[
            *_program("dagster-webserver", "dagster_webserver"),
            *("--host", LOOPBACK, "--port", str(ports.dagster)),
            *("-w", str(workspace)),
        ],
        healthy=lambda: answers(health, expected=lambda body: "dagster_version" in body),
        ready_line=f"http://{LOOPBACK}:{ports.dagster}",
        worth_showing=_is_no_chatter,
        port=ports.dagster,
        port_option="--dagster-port",
        environment=common,
        needs=(CODE,),
    )


def _dagster_daemon(ports: Ports, workspace: Path, common: Mapping[str, str]) -> ChildSpec:
    """The daemon listens nowhere: the web server is asked how it is."""
    ask = f"http://{LOOPBACK}:{ports.dagster}/graphql"
    return ChildSpec(
        name="daemon",
        command=[*_program("dagster-daemon", "dagster._daemon"), "run", "-w", str(workspace)],
        healthy=lambda: answers(ask, body=_DAEMONS, expected=_daemons_are_healthy),
        ready_line="follows the ledger and rebuilds the datasets",
        worth_showing=_is_no_chatter,
        environment=common,
        needs=(CODE,),
    )


def _is_no_chatter(line: str) -> bool:
    """Whether Dagster wrote the line for people: it tells of every tick of a sensor, every step of a run, and its own new start."""
    return bool(line) and not any(
        words in line for words in (" - INFO - ", " - DEBUG - ", "No cursor for event type")
    )


def _daemons_are_healthy(body: Any) -> bool:
    statuses = body["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    return bool(statuses) and all(one["healthy"] for one in statuses if one["required"])


def _program(script: str, module: str) -> list[str]:
    """The program of this virtual environment, whatever PATH says."""
    beside = Path(sys.executable).with_name(script)
    return [str(beside)] if beside.exists() else [sys.executable, "-m", module]

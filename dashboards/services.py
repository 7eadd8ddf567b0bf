"""The parts of the running system, as the supervisor starts them: API, dashboards, Dagster's web server and Dagster's daemon."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dashboards.child import ChildSpec, answers
from dashboards.home import Home
from dashboards.ports import LOOPBACK
from pipelines.dagster_home import prepare_dagster_home

WORKSPACE: Final = Path(__file__).resolve().parent.parent / "workspace.yaml"
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


def running_system(home: Home, ports: Ports) -> list[ChildSpec]:
    """What `rtsm up` runs for a home, in the order of start; it prepares Dagster's home for it."""
    common = {
        "RTSM_HOME": str(home.folder),
        "DAGSTER_HOME": str(_with_stores(prepare_dagster_home(home.dagster))),
    }
    return [
        _api(ports, common),
        _dashboard(ports, common),
        _dagster_web(ports, common),
        _dagster_daemon(ports, common),
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


def _api(ports: Ports, common: Mapping[str, str]) -> ChildSpec:
    health = f"http://{LOOPBACK}:{ports.api}/health"
    return ChildSpec(
        name="api",
        command=[sys.executable, "-m", "rtsm", "serve", "--host", LOOPBACK, "--port", str(ports.api)],
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


def _dagster_web(ports: Ports, common: Mapping[str, str]) -> ChildSpec:
    health = f"http://{LOOPBACK}:{ports.dagster}/server_info"
    return ChildSpec(
        name="dagster",
        command=[
            *_program("dagster-webserver", "dagster_webserver"),
            *("--host", LOOPBACK, "--port", str(ports.dagster)),
            *_code_location(),
        ],
        healthy=lambda: answers(health, expected=lambda body: "dagster_version" in body),
        ready_line=f"http://{LOOPBACK}:{ports.dagster}",
        worth_showing=_is_no_chatter,
        port=ports.dagster,
        port_option="--dagster-port",
        environment=common,
    )


def _dagster_daemon(ports: Ports, common: Mapping[str, str]) -> ChildSpec:
    """The daemon listens nowhere: the web server is asked how it is."""
    ask = f"http://{LOOPBACK}:{ports.dagster}/graphql"
    return ChildSpec(
        name="daemon",
        command=[*_program("dagster-daemon", "dagster._daemon"), "run", *_code_location()],
        healthy=lambda: answers(ask, body=_DAEMONS, expected=_daemons_are_healthy),
        ready_line="follows the ledger and rebuilds the datasets",
        worth_showing=_is_no_chatter,
        environment=common,
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


def _code_location() -> list[str]:
    """Where Dagster finds the pipelines: the repository's workspace.yaml; for an installed package, its module."""
    return ["-w", str(WORKSPACE)] if WORKSPACE.exists() else ["-m", "pipelines.definitions"]

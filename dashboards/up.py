"""`rtsm up`: the whole system under one supervisor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.markup import escape

from allocation.ledger.database import open_database
from dashboards.child import Echo
from dashboards.home import Home
from dashboards.services import Ports, running_system
from dashboards.supervisor import Supervisor, stopped_by_signals

_COLOURS = {"api": "cyan", "dashboard": "green", "code": "yellow", "dagster": "magenta", "daemon": "blue"}


@contextmanager
def supervised_system(
    home: Home, ports: Ports, console: Console, *, quiet: bool, scheduler: bool
) -> Iterator[Supervisor]:
    """The running system of a home, started and healthy; on leaving, whatever happened, all of it is stopped.

    `scheduler`: whether resupply runs are made when they are due.
    SIGINT and SIGTERM set `stopping` of the supervisor. Raises PortTaken, ChildDied, DatabaseUnavailable.
    """
    # Once, here: several children at once would race for the migrations.
    open_database().dispose()
    console.print(
        f"Starting the system on {home.folder} (logs: {home.logs})", highlight=False, soft_wrap=True
    )
    # The socket's folder is in the system's own place for such: a home's path may be longer than a socket's can be.
    with TemporaryDirectory(prefix="rtsm-") as private:
        supervisor = Supervisor(
            running_system(home, ports, Path(private), scheduler=scheduler),
            home.logs,
            say=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
            echo=_silent if quiet else _echo(console),
        )
        with stopped_by_signals(supervisor.stopping), supervisor:
            supervisor.start()
            yield supervisor


def run_up(ports: Ports, *, quiet: bool, scheduler: bool | None = None) -> None:
    """Run the system until SIGINT or SIGTERM; with `scheduler` it makes the resupply runs that are due.

    None: as `makes_runs`. Raises HomeInUse, PortTaken, ChildDied.
    """
    home, console = Home.here(), Console(stderr=True)
    scheduled = makes_runs(home, scheduler)
    if scheduler is None and not scheduled:
        console.print(
            "This home holds a demo: no resupply runs are made by the clock (--scheduler makes them)."
        )
    system = supervised_system(home, ports, console, quiet=quiet, scheduler=scheduled)
    with home.held("rtsm up"), system as supervisor:
        if not supervisor.stopping.is_set():
            show_addresses(console, ports)
        supervisor.watch()


def makes_runs(home: Home, asked: bool | None) -> bool:
    """Whether resupply runs are made when they are due: as asked, else unless the home holds a demo.

    Its trial was played up to a day of its own, and a run of today would find its kits expired. Raises DemoRefused.
    """
    return home.record() is None if asked is None else asked


def show_addresses(console: Console, ports: Ports) -> None:
    """Where everything is, and how to stop it."""
    for name, address in ports.addresses().items():
        console.print(f"  {name:<10} [link={address}]{address}[/link]", highlight=False, soft_wrap=True)
    console.print("Ctrl-C stops everything.", highlight=False)


def _silent(_name: str, _line: str) -> None:
    """The log files have it."""


def _echo(console: Console) -> Echo:
    lock = threading.Lock()

    def echo(name: str, line: str) -> None:
        with lock:
            console.print(
                f"[{_COLOURS.get(name, 'white')}]{name:>9} |[/] {escape(line)}",
                highlight=False,
                soft_wrap=True,
            )

    return echo

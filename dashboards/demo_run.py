"""`rtsm demo`: make the demo or use the one that is here, and show it: as a summary, as the running system, or live."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from dashboards.demo import SCENARIO, Demo, DemoPlan, make_demo, standing_demo
from dashboards.demo_progress import DemoProgress
from dashboards.demo_summary import show_logins, show_summary
from dashboards.home import DemoRecord, Home
from dashboards.services import Ports
from dashboards.supervisor import Supervisor
from dashboards.up import show_addresses, supervised_system

LIVE_SECONDS = 300.0
"""How long a live play takes where no pace is given, on a machine that keeps up."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of `rtsm demo`."""

    serve: bool
    live: bool
    fresh: bool
    days: int | None
    pace: float | None
    scenario: Path | None
    as_json: bool
    quiet: bool
    planning: bool = False


class PlayStopped(Exception):
    """The person stopped a live play: an end, not a fault. The home keeps its mark of an unfinished demo."""


def run_demo(options: DemoOptions, ports: Ports) -> None:
    """Carry out `rtsm demo`. Raises the errors of the parts."""
    shown, home = DemoProgress(), Home.here()
    plan = DemoPlan.read(options.scenario or SCENARIO, options.days)
    with home.held("rtsm demo"):
        standing = standing_demo(
            home, plan, fresh=options.fresh, days_asked=options.days is not None, say=shown.say
        )
        if options.live and standing is None:
            _live(home, plan, options, ports, shown)
            return
        if options.planning and standing is not None and not (standing.summary or {}).get("planned"):
            shown.say("It was made without planning: --fresh --planning makes it again, with it.")
        if options.live:
            shown.say("It is complete, so there is nothing left to play: --fresh --live plays it again.")
        record = standing or make_demo(home, plan, shown, planning=options.planning)
        if options.as_json:
            typer.echo(json.dumps(asdict(record), indent=2, default=str))
            return
        show_summary(home, record)
        if not options.serve:
            show_logins(plan.protocol)
            shown.say("`rtsm up` opens the running system.")
            return
        # A demo lives in its own time: the schedule of today would resupply a trial that nobody goes on with. `rtsm up` does.
        system = supervised_system(home, ports, shown.console, quiet=options.quiet, scheduler=False)
        with system as supervisor:
            _open(supervisor, plan, ports, shown)
            supervisor.watch()


def _open(supervisor: Supervisor, plan: DemoPlan, ports: Ports, shown: DemoProgress) -> None:
    if not supervisor.stopping.is_set():
        show_logins(plan.protocol)
        show_addresses(shown.console, ports)


def _live(home: Home, plan: DemoPlan, options: DemoOptions, ports: Ports, shown: DemoProgress) -> None:
    demo = Demo(home, plan, shown)
    try:
        demo.set_up()
        with supervised_system(home, ports, shown.console, quiet=True, scheduler=False) as supervisor:
            _open(supervisor, plan, ports, shown)
            record = _play_live(demo, plan, options, supervisor, shown)
            if record is not None:
                show_summary(home, record)
                supervisor.watch()
    finally:
        demo.close()


def _play_live(
    demo: Demo, plan: DemoPlan, options: DemoOptions, supervisor: Supervisor, shown: DemoProgress
) -> DemoRecord | None:
    seconds = LIVE_SECONDS / plan.scenario.duration_days if options.pace is None else options.pace
    try:
        tally = demo.play(paced(supervisor, seconds))
    except PlayStopped:
        shown.say("The play was stopped; `rtsm demo` makes it again.")
        return None
    verification = demo.verify()
    return demo.complete(tally, verification, demo.build_datasets())


def paced(supervisor: Supervisor, seconds: float) -> Callable[[], None]:
    """Something to call after each simulated day, so that a day takes at least `seconds` and the children are looked after.

    It raises PlayStopped when the supervisor is told to stop, ChildDied when a child ended.
    """
    day_ends = time.monotonic() + seconds

    def wait() -> None:
        nonlocal day_ends
        supervisor.check()
        if supervisor.stopping.wait(max(day_ends - time.monotonic(), 0.0)):
            raise PlayStopped
        # A play that cannot keep up goes on from where it is, rather than hurrying after.
        day_ends = max(day_ends, time.monotonic()) + seconds

    return wait

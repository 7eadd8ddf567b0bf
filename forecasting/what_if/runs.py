"""The runs of a comparison: the base from its beginning or from a running study's present state, and each change of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from forecasting.what_if.applying import Changed
from forecasting.what_if.documents import Trial
from simulation.engines.plan_of_study import names_of, plan_of
from simulation.errors import SimulationError
from simulation.live_start.checks import check_goes_on, check_match
from simulation.live_start.live_plan import LiveStart
from simulation.live_start.present_state import with_present
from simulation.replicates.live_run import read_live_run
from simulation.replicates.run import Engine, Run, read_run


@dataclass(frozen=True)
class Base:
    """The run that changes are compared with. `start`: the present state that it begins with, if any."""

    run: Run
    start: LiveStart | None

    @property
    def trial(self) -> Trial:
        """The documents in which changes are made: those from day 0 on."""
        return Trial(self.run.scenario, self.run.protocol)


def read_base(scenario: Path, engine: Engine, seed: int | None) -> Base:
    """The base from its beginning. Raises as `read_run`."""
    return Base(read_run(scenario, engine, seed), None)


def read_live_base(
    scenario: Path,
    engine: Engine,
    seed: int | None,
    study: str,
    at: date | None,
    days: int | None,
    actor: str | None,
) -> Base:
    """The base from a study's present state. Raises as `read_live_run`."""
    run, start, _ = read_live_run(scenario, engine, seed, study, at, days, actor)
    return Base(run, start)


def run_of(changed: Changed, base: Base) -> Run:
    """The run of a change. Raises what the engines refuse, with the name of the change before it."""
    scenario, protocol = changed.trial.scenario, changed.trial.protocol
    try:
        plan = plan_of(protocol, scenario)
        names = names_of(protocol, scenario)
        if base.start is not None:
            check_match(base.start.state, protocol, scenario)
            check_goes_on(plan)
            plan = with_present(
                base.start.state, protocol, scenario, plan, names.lots, base.start.scenario.starts_on
            )
    except SimulationError as refused:
        raise type(refused)(
            refused.message,
            code=refused.code,
            field=f"change {changed.change.name}: {refused.field}",
            fix=refused.fix,
        ) from refused
    return Run(scenario, protocol, plan, names, base.run.engine, base.run.seed)

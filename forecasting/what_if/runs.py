"""The runs of a comparison: the base from its beginning or from a running study's present state, and each change of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from forecasting.what_if.applying import Changed
from forecasting.what_if.documents import Trial
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import names_of, plan_of
from simulation.errors import SimulationError
from simulation.live_start.checks import check_goes_on, check_match
from simulation.live_start.live_plan import LiveStart
from simulation.live_start.present_state import with_present
from simulation.replicates.live_run import read_live_run
from simulation.replicates.run import Engine, Run, read_run
from simulation.scenario import load_scenario_and_protocol


@dataclass(frozen=True)
class Base:
    """The run that changes are compared with. `start`: the present state it begins with; `began_on`: its scenario's first day."""

    run: Run
    start: LiveStart | None
    began_on: date

    @property
    def trial(self) -> Trial:
        """The documents in which changes are made: those from day 0 on."""
        return Trial(self.run.scenario, self.run.protocol, going_on=self.start is not None)


def read_base(scenario: Path, engine: Engine, seed: int | None) -> Base:
    """The base from its beginning. Raises as `read_run`."""
    run = read_run(scenario, engine, seed)
    return Base(run, None, run.scenario.starts_on)


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
    return Base(run, start, load_scenario_and_protocol(scenario)[0].starts_on)


def run_of(changed: Changed, base: Base) -> Run:
    """The run of a change. Raises what the engines refuse, with the name of the change before it."""
    scenario, protocol = changed.trial.scenario, changed.trial.protocol
    try:
        plan = plan_of(protocol, scenario)
        names = names_of(protocol, scenario)
        if base.start is not None:
            check_match(base.start.state, protocol, base.start.scenario)  # lots may expire on another day
            check_goes_on(plan)
            day0 = base.start.scenario.starts_on
            since = scenario.model_copy(update={"starts_on": base.began_on})
            plan = with_present(base.start.state, protocol, since, plan, names.lots, day0)
            plan = _in_new_blocks(plan, base.run.plan)
    except SimulationError as refused:
        raise type(refused)(
            refused.message,
            code=refused.code,
            field=f"change {changed.change.name}: {refused.field}",
            fix=refused.fix,
        ) from refused
    return Run(scenario, protocol, plan, names, base.run.engine, base.run.seed)


def _in_new_blocks(plan: TrialPlan, base: TrialPlan) -> TrialPlan:
    """The plan, which begins with new blocks where its ratio is another one than the study's: a new ratio is a new list."""
    of_both = ((one.subjects.ratio, one.allocation.arms) for one in (plan, base))
    if all(np.array_equal(now, before) for now, before in zip(*of_both, strict=True)):
        return plan
    present = plan.present
    return plan._replace(present=present._replace(block_size=present.block_size * 0, taken=present.taken * 0))

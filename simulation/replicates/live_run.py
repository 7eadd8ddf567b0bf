"""A run that begins with a running study's present state."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from allocation.ledger.database import open_database
from allocation.terminal import acting, the_study
from simulation.live_start.errors import LiveStartError
from simulation.live_start.history import history_of
from simulation.live_start.live_plan import LiveStart, live_start
from simulation.replicates.run import Engine, Run
from simulation.scenario import load_scenario_and_protocol


def read_live_run(
    scenario: Path,
    engine: Engine,
    seed: int | None,
    study: str,
    at: date | None,
    days: int | None,
    actor: str | None,
    history: bool = False,
) -> tuple[Run, LiveStart, pl.DataFrame | None]:
    """The run of a scenario from the present state of a study on, as of the end of the day `at`; and its history, if asked for.

    `actor`: the account that looks.

    Raises as `simulation.replicates.run.read_run` and `live_start` do.
    """
    if at is not None and at > datetime.now(UTC).date():
        raise LiveStartError(
            f"{at} is still to come", field="--at", fix="leave it out, or give a day on which the study ran"
        )
    read, protocol = load_scenario_and_protocol(scenario)
    database = open_database(create=False)
    try:
        who = acting(database, actor)
        start = live_start(database, who, the_study(database, study), read, protocol, at, days)
        past = history_of(database, start.state) if history else None
    finally:
        database.dispose()
    chosen = read.seed if seed is None else seed
    return Run(start.scenario, protocol, start.plan, start.names, engine, chosen), start, past

"""Options that several commands of the simulator have, with one wording: where a trial begins, its seed, and how it is played."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from simulation.replicates.run import Engine
from simulation.streams import LARGEST_SEED


def date_option(said: str) -> Any:
    """An option that is a date, such as 2026-03-31; `said`: what of."""
    return typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help=said)


ScenarioSeed = Annotated[
    int | None,
    typer.Option(min=0, max=LARGEST_SEED, help="Seed of all random numbers (default: the scenario's)."),
]
EngineChoice = Annotated[
    Engine, typer.Option(help="compiled is fast; simpy is the readable reference, with the same events.")
]
Tailored = Annotated[
    bool,
    typer.Option(
        "--tailored",
        help="Compile the compiled engine for this plan first: a minute or two, once; then it takes less than half of the time.",
    ),
]
FromStudy = Annotated[
    str | None,
    typer.Option(
        metavar="STUDY",
        help="Begin with the present state of this running study, read from its ledger. It UNBLINDS.",
    ),
]
FromStudyAt = Annotated[
    datetime | None,
    date_option(
        "With --from-study: its state at the end of this day, UTC (default: of its last entry). Day 0 is the day after."
    ),
]
FromStudyDays = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=7305,
        help="With --from-study: days to simulate from day 0 on (default: to the scenario's end).",
    ),
]
FromStudyActor = Annotated[
    str | None,
    typer.Option("--as", help="With --from-study: the account that looks (default: the operator)."),
]

"""Options that several commands of this package have, with one wording: the day of a study's ledger, who looks at it, and the threads."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from simulation.command_options import date_option

StateAt = Annotated[
    datetime | None,
    date_option("With --study: its state at the end of this day, UTC (default: of its last entry)."),
]
KnownAt = Annotated[
    datetime | None,
    date_option("With --study: as known at the end of this day, UTC (default: of its last entry)."),
]
StudyActor = Annotated[
    str | None, typer.Option("--as", help="With --study: the account that looks (default: the operator).")
]
Threads = Annotated[int | None, typer.Option(min=1, max=1_024, help="Threads (default: one per processor).")]

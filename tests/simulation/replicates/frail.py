"""Batches whose worker process may die, with nothing to import: what a worker does, for the tests of lost workers."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FrailPart:
    """`kills`: how many processes this batch takes down with it; `marks` counts them in files."""

    first: int
    count: int
    kills: int
    marks: str


def play(part: FrailPart) -> tuple[int, int]:
    """First replicate and the process that played it; or the process dies, as by the system that needs its memory."""
    marks = Path(part.marks)
    died = len(list(marks.glob(f"{part.first}-*")))
    if died < part.kills:
        (marks / f"{part.first}-{died}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with (marks / "played").open("a", encoding="utf-8") as file:
        file.write(f"{part.first}\n")
    return part.first, os.getpid()

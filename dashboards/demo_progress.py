"""How the making of the demo is shown, on standard error: steps with their times, and a bar for the play."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from simulation.trial import Tally

DAYS_BETWEEN_LINES = 60
"""Without a terminal: a line for so many simulated days."""


class DemoProgress:
    """Shows what happens. `seconds` has the time of each finished step."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """A step of the work; its time is shown and kept under `name`."""
        began = time.monotonic()
        with self.console.status(text):
            yield
        self.seconds[name] = time.monotonic() - began
        self.say(f"{text:<46} {self.seconds[name]:6.1f} s")

    @contextmanager
    def play(self, text: str, first_day: date) -> Iterator[PlayBar]:
        """The bar of the play, for the twin to report to once a simulated day."""
        began = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            _SimulatedDate(first_day),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            _Tallied(),
            TimeRemainingColumn(),
        )
        with Progress(
            *columns, console=self.console, disable=not self.console.is_terminal, transient=True
        ) as progress:
            yield PlayBar(self, progress, text, first_day)
        self.seconds["play"] = time.monotonic() - began
        self.say(f"{text:<46} {self.seconds['play']:6.1f} s")


class PlayBar:
    """Takes the twin's daily reports: (days done, days in all, tally)."""

    def __init__(self, shown: DemoProgress, progress: Progress, text: str, first_day: date) -> None:
        self._shown = shown
        self._progress = progress
        self._first_day = first_day
        self._task = progress.add_task(text, total=None, tally=Tally())

    def __call__(self, done: int, total: int, tally: Tally) -> None:
        """Show how far the play is."""
        self._progress.update(self._task, completed=done, total=total, tally=tally)
        if self._progress.disable and done % DAYS_BETWEEN_LINES == 0:
            day = self._first_day + timedelta(days=done)
            self._shown.say(f"  {day}  {tallied(tally)}")


def tallied(tally: Tally) -> str:
    """The tally in a line."""
    return (
        f"{tally.screened:,} screened, {tally.randomized:,} randomized, {tally.dispensings:,} dispensings, "
        f"{tally.shipments:,} shipments"
    )


class _SimulatedDate(ProgressColumn):
    """The date that the play has reached."""

    def __init__(self, first_day: date) -> None:
        super().__init__()
        self._first_day = first_day

    def render(self, task: Task) -> Text:
        """The date in ISO form."""
        return Text(str(self._first_day + timedelta(days=int(task.completed))), style="bold")


class _Tallied(ProgressColumn):
    """What happened so far, and how many days a second are played."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """The tally and the rate."""
        rate = f", {task.speed:.0f} days/s" if task.speed else ""
        return Text(tallied(task.fields["tally"]) + rate)

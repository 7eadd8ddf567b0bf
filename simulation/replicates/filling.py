"""Plays what is missing in the folders of runs, with a progress bar on a terminal; cut off, it goes on with the same command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from simulation.engines.outcomes import Batch
from simulation.replicates.folder import RunFolder
from simulation.replicates.playing import play_parts
from simulation.replicates.run import Run, batch_size, parts_of
from simulation.replicates.workforce import workforce

INTERRUPTED: Final = 130


class Hands(NamedTuple):
    """Who plays: workers of this machine or a cluster, in batches of so many (None: by their number), by a tailored kernel or not."""

    workers: int
    cluster: str | None
    batch: int | None
    tailored: bool


def play_missing(
    runs: list[tuple[Run, RunFolder]], replicates: int, hands: Hands, quiet: bool = False
) -> int:
    """Play what is missing of each run, all by the same engine, and tell how many replicates that were in all. `quiet`: without a bar.

    Raises typer.Exit with INTERRUPTED where the command is cut off.
    """
    missing = [(run, folder, folder.missing(replicates)) for run, folder in runs]
    counts = [sum(end - first for first, end in ranges) for _, _, ranges in missing]
    total = sum(counts)
    if not total:
        return 0
    try:
        with _progress(replicates * len(runs), replicates * len(runs) - total, quiet) as done:
            for (run, folder, ranges), count in zip(missing, counts, strict=True):
                if count:
                    _play(run, folder, ranges, count, hands, done)
    except KeyboardInterrupt:
        typer.echo("rtsm: cut off; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None
    return total


def _play(
    run: Run,
    folder: RunFolder,
    missing: list[tuple[int, int]],
    count: int,
    hands: Hands,
    done: Callable[[int], None],
) -> None:
    parts = list(parts_of(run, missing, hands.batch or batch_size(count, hands.workers), hands.tailored))

    def keep(result: Batch) -> None:
        folder.keep(result)
        done(len(result.outcomes))

    with workforce(run.engine, min(hands.workers, len(parts)), hands.cluster) as force:
        play_parts(parts, force, keep)


class _Rate(ProgressColumn):
    """Replicates a second, of those that this command has played."""

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def _progress(total: int, before: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, on a terminal only. The first run on a machine also waits for the compiler."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("simulating", total=total, completed=before)
        yield lambda played: bar.advance(task, played)

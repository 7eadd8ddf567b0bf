"""The events of one replicate in a file for people: names in place of indexes, dates in place of days."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from simulation.engines.trace import Trace, as_frame
from simulation.replicates.folder import RunFolder
from simulation.replicates.run import Run, play_one

_OF_ARM: Final = ["randomized", "forced"]
_OF_VISIT: Final = ["visited", "missed"]
_OF_SUBJECT: Final = ["replaced"]
"""Kinds of events whose quantity is an arm, a visit, or another subject (engines/events.py)."""


def write_trace(folder: RunFolder, run: Run, replicate: int) -> list[Path]:
    """Play a replicate again with its trace, and write it as Parquet and as CSV. The files are given back."""
    trace = play_one(run.plan, run.engine, run.seed, replicate, trace=True).trace
    if trace is None:
        raise AssertionError("an engine gave no trace though it was asked for one")
    frame = named_events(trace, run)
    name = f"trace-{replicate:08}"
    return [
        folder.write(f"{name}.parquet", lambda path: frame.write_parquet(path, compression="zstd")),
        folder.write(f"{name}.csv", lambda path: frame.write_csv(path)),
    ]


def named_events(trace: Trace, run: Run) -> pl.DataFrame:
    """The events in their order: day, date, phase, event, site, depot, subject, kit_type, lot, visit, arm, quantity.

    Subjects are numbered from 1 in the order of screening. Visit and arm stand in columns of their own, not in the quantity,
    which of `replaced` is the subject whose place is taken.
    """
    names = run.names
    frame = as_frame(trace)
    place, kind, quantity = pl.col("site"), pl.col("kind"), pl.col("quantity")
    of_arm, of_visit = kind.is_in(_OF_ARM), kind.is_in(_OF_VISIT)
    return frame.select(
        "day",
        (pl.lit(run.scenario.starts_on) + pl.duration(days=pl.col("day"))).alias("date"),
        pl.col("phase").cast(pl.String),
        kind.cast(pl.String).alias("event"),
        _named(place, names.sites).alias("site"),
        _named(-2 - place, names.depots).alias("depot"),
        pl.when(pl.col("subject") >= 0).then(pl.col("subject") + 1).alias("subject"),
        _named(pl.col("kit_type"), names.kit_types).alias("kit_type"),
        _named(pl.col("lot"), names.lots).alias("lot"),
        _named(pl.when(of_visit).then(quantity), names.visits).alias("visit"),
        _named(pl.when(of_arm).then(quantity), names.arms).alias("arm"),
        pl.when(~of_arm & ~of_visit)
        .then(quantity + kind.is_in(_OF_SUBJECT).cast(pl.Int64))
        .alias("quantity"),
    )


def _named(index: pl.Expr, names: tuple[str, ...]) -> pl.Expr:
    """The name at an index; none below 0."""
    return index.replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)

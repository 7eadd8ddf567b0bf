"""The fans of the runs of a comparison: enrolment, stock and missed doses over time, on the same axes, each beside the base."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from forecasting.what_if.chart_grid import grid_of
from forecasting.what_if.comparison import Comparison
from simulation.replicates.bands import bands_of
from simulation.replicates.charts import PANELS, domain_of, fan_panel, moment, month_step, words_at

_WIDTH: Final = 300
_SHOWN: Final = tuple(panel for panel in PANELS if not panel.risk)
_RUNS_ACROSS: Final = 4
"""So many runs stand beside each other; more stand one below the other."""


def fans(comparison: Comparison, weekly: list[pl.LazyFrame]) -> dict[str, Any]:
    """One chart of all runs; `weekly` has the weeks of the base and of the changes, in their order."""
    import altair as alt

    base = comparison.base
    names = ["Base", *(one.change.name for one in comparison.compared)]
    bands = [bands_of(one, base.scenario.starts_on, base.plan.calendar.days) for one in weekly]
    last = max(_last_week(one) for one in bands)
    bands = [one.filter(pl.col("week") <= last) for one in bands]
    dates = pl.concat(one.select("date") for one in bands)["date"].sort()
    months, span = month_step(dates[0], dates[-1]), [moment(dates[0]), moment(dates[-1])]
    across = len(names) <= _RUNS_ACROSS
    rows = []
    for panel in _SHOWN:
        of_runs = [one.filter(pl.col("series") == panel.series) for one in bands]
        domain = domain_of(panel, pl.concat(of_runs))
        row = []
        for place, (name, one) in enumerate(zip(names, of_runs, strict=True)):
            beside = of_runs[0] if place else None
            drawn = fan_panel(panel, one, months, span, None, domain, beside, _WIDTH)
            if panel is _SHOWN[0]:  # at the head of a column, or of a row
                drawn = alt.layer(
                    drawn, words_at(name, 0, -56, size=16, weight="bold", colour=PANELS[0].colour)
                )
            row.append(drawn)
        rows.append(row)
    if not across:
        rows = [list(column) for column in zip(*rows, strict=True)]
    return grid_of(
        [one for row in rows for one in row],
        columns=len(rows[0]),
        rows_apart=84 if across else 108,
        title=f"{base.scenario.name}: what if",
        below=[
            f"{comparison.replicates:,} simulated trials of each, seed {base.seed}, common random numbers. "
            "Line: median; dark band: the middle half of the trials; light band: 5 % to 95 % of them; dashed: mean.",
            "Dotted: the base's median, of missed dispensings its mean.",
        ],
        offset=44,
    )


def _last_week(bands: pl.DataFrame) -> int:
    """Where a run's series stand still in every band: nothing happens after it."""
    moving = bands.filter(pl.col("series").is_in(["ended", "randomized", "shipments"]))
    last = int(moving["week"].max() or 0)  # type: ignore[arg-type]
    ends = moving.filter(pl.col("week") == last).select("series", end=pl.col("q95"))
    still = moving.join(ends, on="series").filter(pl.col("q95") < pl.col("end"))
    return min(last, int(still["week"].max() or 0) + 3)  # type: ignore[arg-type]

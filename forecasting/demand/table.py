"""The forecast and a back-test's score as tables for the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table

from forecasting.demand.backtest import Score
from forecasting.demand.forecast import DemandForecast, summary
from forecasting.demand.interim import Days


def forecast_table(found: DemandForecast) -> Table:
    """Kits by type: mean, 90 % interval, and the means of those on study and of those to come."""
    table = Table(box=box.SIMPLE_HEAD, title=f"Kits from {found.cut.cut_on} (not included) to {found.until}")
    for name in ("kit", "mean", "median", "90 % interval", "on study", "to come"):
        table.add_column(name, justify="left" if name == "kit" else "right")
    for kit, name in enumerate(found.cut.kits):
        present, new = found.of_present[:, :, kit].sum(axis=1), found.of_new[:, :, kit].sum(axis=1)
        _row(table, name, found.total[:, kit], f"{present.mean():.0f}", f"{new.mean():.0f}")
    _row(
        table,
        "all kits",
        found.total.sum(axis=1),
        f"{found.of_present.sum(axis=(1, 2)).mean():.0f}",
        f"{found.of_new.sum(axis=(1, 2)).mean():.0f}",
    )
    _row(table, "(new subjects)", found.newcomers, "", "")
    return table


def _row(table: Table, name: str, values: Days, present: str, new: str) -> None:
    one = summary(values)
    table.add_row(
        name, f"{one['mean']:.0f}", str(one["median"]), f"{one['low']} to {one['high']}", present, new
    )


def score_table(score: Score) -> Table:
    """How the models did on earlier cuts."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"Back-test: {score.forecasts} forecasts of kit types from earlier cuts, which overlap",
    )
    for name in (
        "CRPS (kits)",
        *(f"{float(level):.0%} interval covered" for level in score.coverage),
        "bias",
    ):
        table.add_column(name, justify="right")
    table.add_row(
        f"{score.crps:.2f}", *(f"{share:.1%}" for share in score.coverage.values()), f"{score.bias:+.1%}"
    )
    return table

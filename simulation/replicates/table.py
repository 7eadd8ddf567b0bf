"""A summary as a table for people: every outcome with its unit, mean, standard error and quantiles, and the risks and ratios below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from simulation.replicates.run import Run
from simulation.replicates.summary import CONFIDENCE, Probability, Ratio, Spread, Summary

_GROUPS: Final = (
    (
        "Subjects",
        (
            "screened",
            "screen_failures",
            "randomized",
            "completed",
            "discontinued",
            "subjects_lost_to_stockout",
        ),
    ),
    ("Randomizations", ("refused_randomizations",)),
    ("Visits", ("visits", "missed_visits", "late_visits", "missed_dispensings", "out_of_stock")),
    (
        "Supply",
        ("kits_produced", "kits_dispensed", "kits_shipped", "kits_quarantined", "orders", "shipments"),
    ),
    ("Left at the end", ("kits_left", "kits_left_sites", "kits_left_transit")),
    ("Waste", ()),
    ("Costs", ()),
    ("Environment", ("co2_kg",)),
    ("Duration", ("day_last_randomized", "day_last_visit")),
)
"""Heading, and its outcomes; waste and costs have rows of their own."""

_NAMES: Final = {
    "kits_left": "at depots",
    "kits_left_sites": "at sites",
    "kits_left_transit": "on their way",
    "missed_dispensings": "kit missing, some upstream",
    "out_of_stock": "kit missing, none upstream",
    "subjects_lost_to_stockout": "left for want of a kit",
    "co2_kg": "CO2 of shipments",
    "day_last_randomized": "last randomization",
    "day_last_visit": "last visit",
    "cost_total": "in all",
}

_RISKS: Final = {
    "any_missed": "Any visit without its kit",
    "any_out_of_stock": "Any with nothing upstream",
    "any_refused": "Any randomization refused",
    "missed_share": "Visits without their kit",
    "wasted_share": "Waste",
    "overage_shipped": "Overage, shipped",
    "overage_produced": "Overage, produced",
}


def summary_tables(run: Run, summary: Summary) -> RenderableType:
    """The table of outcomes above that of risks and ratios."""
    return Group(_outcomes(run, summary), _risks(summary))


def _outcomes(run: Run, summary: Summary) -> Table:
    table = Table(
        title=f"{run.scenario.name}: {summary.replicates:,} simulated trials of {run.protocol.study.id}, "
        f"seed {run.seed}, {run.engine} engine",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("per trial", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for heading in ("mean", "± s.e.", "5 %", "25 %", "median", "75 %", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading, rows in _rows(summary):
        table.add_section()
        table.add_row(heading, style="bold")
        for row in rows:
            name = _NAMES.get(row.name, row.name.removeprefix("cost_").replace("_", " "))
            error = "" if row.standard_error is None else figure(row.standard_error)
            table.add_row(
                f"  {name}", row.unit, figure(row.mean), error, *(figure(one) for one in row.quantiles)
            )
    return table


def _rows(summary: Summary) -> Iterator[tuple[str, list[Spread]]]:
    """The rows under each heading. What never happened in any replicate has no row; waste and costs always have theirs in all."""
    for heading, names in _GROUPS:
        rows = {"Waste": summary.waste, "Costs": summary.costs}.get(heading) or tuple(
            summary.outcome(name) for name in names
        )
        always = {"in all", "cost_total", "missed_dispensings", "randomized"}
        shown = [row for row in rows if row.mean != 0 or row.name in always]
        if shown:
            yield heading, shown


def _risks(summary: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("risk or ratio", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column(f"s.e., or {CONFIDENCE:.0%} interval", no_wrap=True)
    table.add_column("what it is")
    for risk in summary.risks:
        table.add_row(_RISKS[risk.name], percent(risk.value), _interval(risk), risk.definition)
    for ratio in summary.ratios:
        value = "none" if ratio.value is None else percent(ratio.value)
        table.add_row(_RISKS[ratio.name], value, _error(ratio), ratio.definition)
    return table


def _interval(risk: Probability) -> str:
    return f"{percent(risk.low)} to {percent(risk.high)}"


def _error(ratio: Ratio) -> str:
    return "" if ratio.standard_error is None else f"± {percent(ratio.standard_error)}"


def figure(value: float) -> str:
    """A number as people read it: at least three digits, no more decimals than that needs, thousands apart."""
    if value == 0:
        return "0"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 4
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if text not in ("0", "-0") else f"{value:.1g}"


def percent(share: float) -> str:
    """A share in per cent, with two digits after the point where it is small."""
    value = 100 * share
    return (
        f"{value:,.1f} %"
        if abs(value) >= 10
        else f"{value:.2f} %"
        if value == 0 or abs(value) >= 0.01
        else f"{value:.1g} %"
    )

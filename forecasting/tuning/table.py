"""A report as a table for people."""

from __future__ import annotations

from typing import Any, Final

from rich import box
from rich.table import Table

_MOST: Final = 8


def table_of(report: dict[str, Any]) -> Table:
    """The choice, the baseline and the nearest rivals: what they would cost, waste, ship and risk."""
    risk, objective = report["risk"], report["objective"]["name"]
    title = f"{report['study']}: thresholds with the least {objective} at {risk['measure']} <= {risk['at_most']:g}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("thresholds", max_width=60)
    currency = report["objective"]["unit"] if report["objective"]["name"] == "cost" else "cost"
    for name in (currency, "waste, kits", "shipments", "visits missed, %", "any missed, %", "replicates"):
        table.add_column(name, justify="right")
    rows = [("choice", report["choice"])]
    rows += [("baseline", report["baseline"])] if report["baseline"] else []
    rows += [("rival", row) for row in report["rivals"][:_MOST]]
    for name, row in rows:
        means = row["means"]
        table.add_row(
            name,
            row["label"],
            f"{means['cost']:,.0f}",
            f"{means['waste']:,.1f}",
            f"{means['shipments']:,.1f}",
            f"{100 * row['missed_share']:.4f}",
            f"{100 * row['any_missed']:.2f}",
            f"{row['replicates']:,}",
        )
    return table


def certificate_text(report: dict[str, Any]) -> str:
    """The certificate in a line."""
    of = report["certificate"]
    return (
        f"{report['why']} On {of['replicates']:,} fresh replicates: {report['risk']['measure']} {of['estimate']:.5g}, "
        f"at most {of['upper_bound']:.5g} with {100 * of['confidence']:.1f} % confidence; {of['events']:,} of them with a missed dose."
    )


def saved_text(report: dict[str, Any]) -> str | None:
    """What the choice saves against the baseline, in a line."""
    of = report["against_baseline"]
    if of is None:
        return None
    texts = []
    for name, unit in (("cost", ""), ("waste", " kits"), ("shipments", ""), ("missed", " visits missed")):
        one = of[name]
        share = "" if one["share"] is None else f", {100 * one['share']:+.1f} %"
        label = "" if name == "missed" else f"{name} "
        texts.append(
            f"{label}{one['difference']:+,.1f}{unit} ({one['low']:+,.1f} to {one['high']:+,.1f}{share})"
        )
    return f"Against {report['baseline']['label']}, on the same {of['replicates']:,} fresh trials: {'; '.join(texts)}"

"""A comparison as tables for people: the changes side by side, then each change with its intervals, quantiles and share of worse trials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from forecasting.what_if.comparison import Compared, Comparison
from forecasting.what_if.paired import Difference, ShareDifference
from simulation.replicates.table import figure, percent

_GROUPS: Final = (
    ("Subjects", ("screened", "randomized", "completed", "discontinued", "subjects_lost_to_stockout")),
    ("Randomizations", ("refused_randomizations", "refused_for_supply", "forced_randomizations")),
    ("Visits", ("visits", "missed_all", "missed_dispensings", "out_of_stock")),
    ("Supply", ("kits_produced", "kits_dispensed", "kits_shipped", "shipments", "kits_left")),
    (
        "Waste",
        ("kits_expired_site", "kits_expired_depot", "kits_returned_unused", "kits_lost", "kits_wasted"),
    ),
    (
        "Costs",
        (
            "cost_kits",
            "cost_shipments",
            "cost_storage",
            "cost_destruction",
            "cost_lost_subjects",
            "cost_total",
        ),
    ),
    ("Environment", ("co2_kg",)),
    ("Duration", ("day_last_randomized", "day_last_visit")),
)
"""Heading, and its measures; the JSON has all."""

NAMES: Final = {
    "missed_all": "without their kit",
    "missed_dispensings": "kit missing, some upstream",
    "out_of_stock": "kit missing, none upstream",
    "subjects_lost_to_stockout": "left for want of a kit",
    "kits_wasted": "in all",
    "cost_total": "in all",
    "kits_left": "left at depots",
    "co2_kg": "CO2 of shipments",
    "day_last_randomized": "last randomization",
    "day_last_visit": "last visit",
    "any_missed": "Any visit without its kit",
    "any_out_of_stock": "Any with nothing upstream",
    "any_refused": "Any randomization refused",
    "not_over": "Not over on the last day",
    "missed_share": "Visits without their kit",
    "wasted_share": "Waste",
    "overage_shipped": "Overage, shipped",
    "overage_produced": "Overage, produced",
}
"""What a measure is called where its own name would not do, under its heading."""

_ENDLESS: Final = 100
"""An overage from which on it says nothing of the trial."""
_GOOD, _BAD = "green", "red"


def comparison_tables(comparison: Comparison) -> RenderableType:
    """All tables: side by side where there are several changes, and one for each change."""
    parts: list[RenderableType] = [_side_by_side(comparison)] if len(comparison.compared) > 1 else []
    parts += [_details(comparison, one) for one in comparison.compared]
    return Group(*parts)


def _side_by_side(comparison: Comparison) -> Table:
    table = _table(
        f"{_title(comparison)}\nmean per trial, and the change less the base ± half its 95 % interval",
    )
    table.add_column("per trial", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("base", justify="right", no_wrap=True)
    for one in comparison.compared:
        table.add_column(one.change.name, justify="right", overflow="fold")
    for heading, names in _shown(comparison):
        table.add_section()
        table.add_row(heading, style="bold")
        for name in names:
            gaps = [one.difference(name) for one in comparison.compared]
            cells = [_coloured(_plus_minus(gap), gap) for gap in gaps]
            table.add_row(f"  {_name(name)}", gaps[0].unit, figure(gaps[0].base), *cells)
    table.add_section()
    table.add_row("Risks and ratios", style="bold")
    for index in range(len(_shares(comparison.compared[0]))):
        shares = [_shares(one)[index] for one in comparison.compared]
        if any(_is_told(share) for share in shares):
            cells = [_coloured(_share_plus_minus(share), share) for share in shares]
            table.add_row(f"  {NAMES[shares[0].name]}", "%", _percent(shares[0].base), *cells)
    return table


def _details(comparison: Comparison, compared: Compared) -> Table:
    ratio = compared.variance_ratio
    table = _table(
        f"{compared.change.name}: {comparison.replicates:,} pairs of trials"
        + (", no difference: the plan is that of the base" if compared.same else "")
        + (
            f"; with independent random numbers the median measure would need {figure(ratio)} times as many"
            if ratio is not None
            else ""
        )
    )
    table.add_column("per trial", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for heading in ("base", "changed", "difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    for heading in ("median", "5 %", "95 %", "worse in"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading, names in _shown(comparison):
        table.add_section()
        table.add_row(heading, style="bold")
        for name in names:
            gap = compared.difference(name)
            low, _, median, _, high = gap.quantiles
            table.add_row(
                f"  {_name(name)}",
                gap.unit,
                figure(gap.base),
                figure(gap.changed),
                _coloured(_signed(gap.difference), gap),
                _interval(gap),
                _signed(median),
                _signed(low),
                _signed(high),
                "" if gap.share_worse is None else percent(gap.share_worse),
            )
    table.add_section()
    table.add_row("Risks and ratios", style="bold")
    for share in _shares(compared):
        if _is_told(share):
            gap_text, _, interval = _share_gap(share).partition(" (")
            table.add_row(
                f"  {NAMES[share.name]}",
                "%",
                _percent(share.base),
                _percent(share.changed),
                _coloured(gap_text, share),
                f"({interval}" if interval else "",
            )
    return table


def _is_told(share: ShareDifference) -> bool:
    """Not what never happens, nor the overage of a depot that never runs out."""
    told = [one for one in (share.base, share.changed) if one]
    return bool(told) and max(told) < _ENDLESS


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)


def _title(comparison: Comparison) -> str:
    base = comparison.base
    return (
        f"{base.scenario.name}: what if, {comparison.replicates:,} pairs of simulated trials of "
        f"{base.protocol.study.id}, seed {base.seed}, {base.engine} engine"
    )


def _shown(comparison: Comparison) -> Iterator[tuple[str, list[str]]]:
    """The measures under each heading that are above 0 in the base or under any change, and what always has a row."""
    for heading, names in _GROUPS:
        rows = []
        for name in names:
            gaps = [one.difference(name) for one in comparison.compared]
            if name in ("randomized", "missed_all") or any(gap.base or gap.changed for gap in gaps):
                rows.append(name)
        if rows:
            yield heading, rows


def _shares(compared: Compared) -> tuple[ShareDifference, ...]:
    return (*compared.risks, *compared.ratios)


def _name(name: str) -> str:
    return NAMES.get(name, name.removeprefix("cost_").replace("_", " "))


def _signed(value: float) -> str:
    text = figure(abs(value))
    return text if value == 0 else f"{'+' if value > 0 else '-'}{text}"


def _plus_minus(gap: Difference) -> str:
    if gap.difference == 0 and gap.standard_error == 0:
        return "0"
    return f"{_signed(gap.difference)} ±{figure((gap.high - gap.low) / 2)}"


def _share_plus_minus(share: ShareDifference) -> str:
    if share.difference is None or share.low is None or share.high is None:
        return "none"
    if share.difference == share.low == share.high == 0:
        return "0"
    gap = _share_gap(share).partition(" (")[0]
    return f"{gap} ±{percent((share.high - share.low) / 2).removesuffix(' %')}"


def _interval(gap: Difference) -> str:
    return f"({_signed(gap.low)} to {_signed(gap.high)})"


def _share_gap(share: ShareDifference) -> str:
    if share.difference is None or share.low is None or share.high is None:
        return "none"
    told = [percent(abs(one)).removesuffix(" %") for one in (share.difference, share.low, share.high)]
    signs = ["+" if one > 0 else "-" if one < 0 else "" for one in (share.difference, share.low, share.high)]
    gap, low, high = (sign + text for sign, text in zip(signs, told, strict=True))
    return f"{gap} ({low} to {high})"


def _percent(share: float | None) -> str:
    return "none" if share is None else percent(share).removesuffix(" %")


def _coloured(text: str, gap: Difference | ShareDifference) -> str:
    """In red what is worse and in green what is better, where the interval leaves 0 out."""
    worse = gap.worse if isinstance(gap, Difference) else "higher"
    if worse is None or gap.low is None or gap.high is None or gap.low <= 0 <= gap.high:
        return text
    is_worse = (gap.low > 0) == (worse == "higher")
    return f"[{_BAD if is_worse else _GOOD}]{text}[/]"

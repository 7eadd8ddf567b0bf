"""The what-if part of the planner's page: comparisons that were run, side by side. Unblinded."""

from __future__ import annotations

from math import floor, log10
from typing import Any, Final

import streamlit as st

from dashboards.html_table import Cell, Column, Marked, html_table
from dashboards.look import moment, number
from dashboards.planner.comparisons import KeptComparison
from dashboards.planner.vega_chart import show_drawing
from forecasting.what_if.chart_grid import grid_of
from forecasting.what_if.charts import difference_panels
from forecasting.what_if.paired import Difference
from simulation.replicates.table import figure, percent

_ROWS: Final = {
    "randomized": "Randomized",
    "day_last_randomized": "Last randomization, day",
    "completed": "Completed",
    "missed_all": "Visits without their kit",
    "subjects_lost_to_stockout": "Subjects left for want of a kit",
    "kits_dispensed": "Kits dispensed",
    "kits_shipped": "Kits shipped to sites",
    "shipments": "Shipments",
    "kits_wasted": "Kits wasted",
    "kits_left": "Kits left at depots",
    "cost_total": "Costs in all",
    "co2_kg": "CO2 of shipments",
}
_SHARES: Final = {
    "any_missed": "Trials with any visit without its kit",
    "any_refused": "Trials with a refused randomization",
    "missed_share": "Visits without their kit, share",
    "wasted_share": "Waste, share",
    "overage_shipped": "Overage, shipped",
}
_ACROSS: Final = 3


def show_what_if(comparisons: list[KeptComparison]) -> None:
    """The comparisons that the reader chooses, each drawn, and all of their changes in one table."""

    def told(at: int) -> str:
        one = comparisons[at]
        return f"{one.scenario}, {one.begins} · {number(one.replicates)} pairs · {moment(one.made_at)}"

    picked = st.multiselect(
        "Comparisons", range(len(comparisons)), default=[0], format_func=told, key="what_if_comparisons"
    )
    changes = [(at, change) for at in picked for change in comparisons[at].differences]
    if not changes:
        st.html('<div class="rtsm-empty">Choose a comparison.</div>')
        return
    shown = st.pills(
        "Changes",
        changes,
        selection_mode="multi",
        default=changes,
        format_func=lambda one: one[1] if len(picked) == 1 else f"{one[1]} ({picked.index(one[0]) + 1})",
        key=f"what_if_changes_{'_'.join(map(str, picked))}",
    )
    chosen = [one for one in changes if one in shown]
    if not chosen:
        st.html('<div class="rtsm-empty">Choose a change.</div>')
        return
    st.subheader("Changes side by side", anchor=False)
    st.html(f'<div class="rtsm-wrapped">{_table(comparisons, picked, chosen)}</div>')
    st.caption(
        "Base: mean per trial. Change: the change less the base, ± half its 95 % interval, in pairs of trials with the same random "
        "numbers. Red is worse, green better, grey undecided."
    )
    for place, at in enumerate(picked):
        of = {change: comparisons[at].differences[change] for where, change in chosen if where == at}
        if of:
            _drawn(comparisons[at], of, place)


def _drawn(one: KeptComparison, of: dict[str, dict[str, Difference]], place: int) -> None:
    st.subheader(f"{one.scenario}, {one.begins}", anchor=False)
    drawing = grid_of(
        difference_panels(of),
        columns=_ACROSS,
        rows_apart=74,
        title="",
        below=[
            f"{one.replicates:,} pairs of simulated trials, seed {one.seed}. Dot and thick line: mean difference with its 95 % interval. "
            "Thin line: 5 % to 95 % of the pairs."
        ],
        offset=20,
    )
    show_drawing(drawing, f"what_if_{place}", f"What changes against the base: {', '.join(of)}")


def _table(comparisons: list[KeptComparison], picked: list[int], chosen: list[tuple[int, str]]) -> str:
    columns, cells = [Column("Per trial")], [_names()]
    for at in picked:
        of = [change for where, change in chosen if where == at]
        if not of:
            continue
        one, mark = comparisons[at], "" if len(picked) == 1 else f" ({picked.index(at) + 1})"
        columns.append(Column(f"Base{mark}", numbers=True))
        cells.append(_base(one, of[0]))
        for change in of:
            columns.append(Column(f"{change}{mark}", numbers=True))
            cells.append(_change(one, change))
    rows = [list(row) for row in zip(*cells, strict=True)]
    return html_table("Changes side by side", columns, rows, empty="None.")


def _names() -> list[Cell]:
    return [*_ROWS.values(), *_SHARES.values()]


def _base(one: KeptComparison, change: str) -> list[Cell]:
    gaps, shares = one.differences[change], one.shares[change]
    return [
        *(f"{figure(gaps[name].base)}" if name in gaps else "" for name in _ROWS),
        *(_share(shares.get(name, {}).get("base")) for name in _SHARES),
    ]


def _change(one: KeptComparison, change: str) -> list[Cell]:
    gaps, shares = one.differences[change], one.shares[change]
    return [
        *(_gap(gaps[name]) if name in gaps else "" for name in _ROWS),
        *(_share_gap(shares.get(name, {})) for name in _SHARES),
    ]


def _gap(gap: Difference) -> Cell:
    if gap.difference == gap.standard_error == 0:
        return Marked("0", "muted")
    return _marked(_with_error(gap.difference, (gap.high - gap.low) / 2), gap.low, gap.high, gap.worse)


def _share_gap(share: dict[str, Any]) -> Cell:
    gap, low, high = (share.get(name) for name in ("difference", "low", "high"))
    if gap is None or low is None or high is None:
        return ""
    if gap == low == high == 0:
        return Marked("0", "muted")
    return _marked(f"{_with_error(100 * gap, 50 * (high - low))} %", low, high, "higher")


def _marked(text: str, low: float, high: float, worse: str | None) -> Cell:
    if low <= 0 <= high:
        return Marked(text, "muted")
    if worse is None:
        return text
    return Marked(text, "alert" if (low > 0) == (worse == "higher") else "good")


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _with_error(gap: float, half: float) -> str:
    """A difference and half its interval, which has two digits or no decimals."""
    decimals = max(0, 1 - floor(log10(half))) if half > 0 else 2
    sign = "+" if gap > 0 else "\N{MINUS SIGN}" if gap < 0 else ""
    return f"{sign}{abs(gap):,.{decimals}f} ± {half:,.{decimals}f}"


def show_faults(faults: list[str]) -> None:
    """Files that cannot be read, each in a warning."""
    for one in faults:
        st.warning(one)

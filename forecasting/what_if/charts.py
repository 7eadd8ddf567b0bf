"""The charts of a comparison, as HTML and PNG without a browser: the differences with their intervals, and the fans of the runs."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Final

from forecasting.what_if.chart_grid import grid_of
from forecasting.what_if.comparison import Comparison
from forecasting.what_if.fan_chart import fans
from forecasting.what_if.paired import Difference
from simulation.randomization.chart_file import INK
from simulation.replicates.charts import words_at
from simulation.replicates.folder import RunFolder, write_whole
from simulation.replicates.table import figure

_WIDTH: Final = 250
_ROW: Final = 34
_ACROSS: Final = 3
_MOST: Final = 12
"""Panels of differences."""

_WORSE, _BETTER, _NEITHER, _OPEN = "#a8321a", "#1b7f5a", "#0b4f8a", "#8a9299"
_PANELS: Final = {
    "randomized": "Randomized",
    "day_last_randomized": "Last randomization",
    "completed": "Completed",
    "missed_all": "Visits without their kit",
    "out_of_stock": "of these, nothing upstream",
    "subjects_lost_to_stockout": "Subjects left for want of a kit",
    "kits_dispensed": "Kits dispensed",
    "kits_shipped": "Kits shipped to sites",
    "shipments": "Shipments",
    "kits_wasted": "Kits wasted",
    "kits_left": "Kits left at depots",
    "cost_total": "Costs in all",
}
"""Measure -> title, in the order in which they are drawn, but for those in which no pair differs."""


def write_charts(folder: Path, comparison: Comparison, homes: list[RunFolder], replicates: int) -> list[Path]:
    """Write `differences` and `fans` as .html and .png. `homes` has the results of the base and of the changes, in their order."""
    charts = {
        "differences": _differences(comparison),
        "fans": fans(comparison, [home.weekly(replicates) for home in homes]),
    }
    import vl_convert  # after the work: it takes a while

    files = []
    for name, chart in charts.items():
        specification = json.dumps(chart)
        html = vl_convert.vegalite_to_html(specification, bundle=True)
        png = vl_convert.vegalite_to_png(specification, scale=2)
        for ending, content in (("html", html.encode()), ("png", png)):
            files.append(write_whole(folder / f"{name}.{ending}", partial(_write, content)))
    return files


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _differences(comparison: Comparison) -> dict[str, Any]:
    changes = {one.change.name: {gap.name: gap for gap in one.differences} for one in comparison.compared}
    return grid_of(
        difference_panels(changes),
        columns=_ACROSS,
        rows_apart=74,
        title=f"{comparison.base.scenario.name}: what if",
        below=[
            f"{comparison.replicates:,} pairs of simulated trials, seed {comparison.base.seed}, common random numbers. "
            "The change less the base, per trial.",
            "Dot and thick line: mean with its 95 % interval (paired t). Thin line: 5 % to 95 % of the pairs. "
            "Red is worse, green better, grey undecided, blue neither.",
        ],
        offset=20,
    )


def difference_panels(changes: dict[str, dict[str, Difference]]) -> list[Any]:
    """A panel (an Altair chart, not styled) for each of the main measures in which some pair differs: change -> measure -> difference.

    They stand in rows of three: the first of each row has the names of the changes.
    """
    shown = [name for name in _PANELS if any(not _is_the_same(gaps[name]) for gaps in changes.values())][
        :_MOST
    ] or ["randomized"]
    return [
        _panel([(change, gaps[name]) for change, gaps in changes.items()], name, place % _ACROSS == 0)
        for place, name in enumerate(shown)
    ]


def _panel(gaps: list[tuple[str, Difference]], name: str, names_shown: bool) -> Any:
    import altair as alt

    order = [change for change, _ in gaps]
    rows = [
        {
            "change": change,
            "difference": gap.difference,
            "low": gap.low,
            "high": gap.high,
            "q05": gap.quantiles[0],
            "q95": gap.quantiles[-1],
            "base": gap.base,
            "changed": gap.changed,
            "colour": _colour(gap),
            "label": _label(gap),
        }
        for change, gap in gaps
    ]
    lowest = min(0.0, *(min(gap.quantiles[0], gap.low) for _, gap in gaps))
    highest = max(0.0, *(max(gap.quantiles[-1], gap.high) for _, gap in gaps))
    room = 0.04 * (highest - lowest) or 1.0
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "change:N",
            sort=order,
            title=None,
            axis=alt.Axis(
                labels=names_shown,
                ticks=False,
                domain=False,
                labelLimit=230,
                labelFontSize=12,
                labelPadding=8,
                labelColor=INK,
            ),
        ),
        color=alt.Color("colour:N", scale=None),
    )
    scale = alt.Scale(domain=[lowest - room, highest + room], nice=False)
    axis = alt.Axis(
        tickCount=3 if highest - lowest >= 1e5 else 4,
        format=",~f" if highest - lowest >= 4 else ",~g",
        domain=False,
        ticks=False,
        labelPadding=6,
    )
    spread = base.mark_rule(strokeWidth=1.4, opacity=0.65).encode(
        x=alt.X("q05:Q", title=None, axis=axis, scale=scale), x2="q95:Q"
    )
    interval = base.mark_rule(strokeWidth=5, strokeCap="butt").encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=64, opacity=1).encode(
        x=alt.X("difference:Q", scale=scale),
        tooltip=[
            alt.Tooltip("change:N"),
            alt.Tooltip("base:Q", format=",.4~g"),
            alt.Tooltip("changed:Q", format=",.4~g"),
            alt.Tooltip("difference:Q", format="+,.4~g"),
            alt.Tooltip("low:Q", title="95 % from", format="+,.4~g"),
            alt.Tooltip("high:Q", title="95 % to", format="+,.4~g"),
            alt.Tooltip("q05:Q", title="5 % of pairs below", format="+,.4~g"),
            alt.Tooltip("q95:Q", title="5 % of pairs above", format="+,.4~g"),
        ],
    )
    # Not beyond the frame; and on a white edge, as they may stand over the zero line.
    inside = (lowest + 0.24 * (highest - lowest), highest - 0.24 * (highest - lowest))
    placed = base.transform_calculate(middle=f"clamp(datum.difference, {inside[0]}, {inside[1]})").encode(
        x=alt.X("middle:Q", scale=scale), text="label:N"
    )
    labels = [
        placed.mark_text(fontSize=11, dy=-11, stroke="white", strokeWidth=4, strokeJoin="round"),
        placed.mark_text(fontSize=11, dy=-11),
    ]
    zero = (
        alt.Chart(alt.Data(values=[{"at": 0}]))
        .mark_rule(color=INK, strokeWidth=1)
        .encode(x=alt.X("at:Q", scale=scale))
    )
    gap = gaps[0][1]
    words = [
        words_at(_PANELS[name], 0, -34, size=14, weight="bold", colour=INK),
        words_at(f"{gap.unit}; base {figure(gap.base)}", 0, -17, size=11),
    ]
    return alt.layer(zero, spread, interval, dots, *labels, *words).properties(
        width=_WIDTH, height=_ROW * len(rows) + 8
    )


def _colour(gap: Difference) -> str:
    if gap.low <= 0 <= gap.high:
        return _OPEN
    if gap.worse is None:
        return _NEITHER
    return _WORSE if (gap.low > 0) == (gap.worse == "higher") else _BETTER


def _is_the_same(gap: Difference) -> bool:
    """Whether no pair differs."""
    return gap.difference == gap.standard_error == 0


def _label(gap: Difference) -> str:
    if _is_the_same(gap):
        return "no difference"
    text = ("+" if gap.difference > 0 else "-") + figure(abs(gap.difference))
    return text if gap.share_worse is None else f"{text}, worse in {100 * gap.share_worse:.0f} %"

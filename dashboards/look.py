"""How everything looks: colours with their meaning, the template of charts, and the words for numbers, dates and states.

Text and lines have a contrast of at least 4.5 and 3 to the white ground (WCAG 2.2, 1.4.3 and 1.4.11). Colours that stand side by
side differ in lightness, so that they can be told apart without seeing hues; nothing is said by colour alone.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import plotly.graph_objects as go

INK: Final = "#1c2b36"
MUTED: Final = "#55636f"
RULE: Final = "#d5dce3"
PAPER: Final = "#ffffff"
SHADE: Final = "#f3f6f9"

RANDOMIZED: Final = "#0b4f8a"
SCREENED: Final = "#1b8fa0"
PLAN: Final = "#6b7785"
PLAN_FILL: Final = "#dde3e9"
ALERT: Final = "#a8321a"
GOOD: Final = "#1b6e4a"

STATUS_WORDS: Final = {
    "depot_available": "Available",
    "site_available": "Available",
    "assigned": "Assigned to subjects",
    "requested": "Reserved for shipment",
    "in_transit": "In transit",
    "dispensed": "With subjects",
    "returned": "Returned",
    "returned_unused": "Returned",
    "quarantined": "Quarantined",
    "expired": "Expired",
    "damaged": "Damaged",
    "lost": "Lost",
    "destroyed": "Destroyed",
    "transferred": "In another study",
}
"""Kit status -> the word that people read. Available kits are so at their place."""

PAST_LAST_DAY: Final = "Past last day of dispensing"
"""Kits that the books have as available, but that may no more be dispensed."""

STATUS_COLOURS: Final = {
    "Available": RANDOMIZED,
    PAST_LAST_DAY: "#d9856d",
    "Reserved for shipment": "#a9cdea",
    "In transit": "#e0a030",
    "Assigned to subjects": "#c9e8ec",
    "With subjects": SCREENED,
    "Returned": "#9aa7b2",
    "Quarantined": "#8f5a99",
    "Expired": ALERT,
    "Damaged": "#6d2c1c",
    "Lost": "#7d8993",
    "Destroyed": "#b9c2ca",
    "In another study": "#857f6b",
}
"""Word of a status -> its colour, in the order in which they are shown."""

FONT: Final = '"Source Sans", "Source Sans 3", "Helvetica Neue", Arial, sans-serif'
CHART_CONFIG: Final = {"displayModeBar": False, "scrollZoom": False}

STYLE: Final = f"""
<style>
.block-container {{ padding-top: 3.2rem; padding-bottom: 3rem; max-width: 1500px; }}
.rtsm-table {{ overflow: auto; border: 1px solid {RULE}; border-radius: 6px; }}
.rtsm-table table {{ border-collapse: collapse; width: 100%; margin: 0; font-size: 0.92rem; color: {INK}; }}
.rtsm-table caption {{ position: absolute; left: -10000px; }}
.rtsm-table th {{ position: sticky; top: 0; background: {SHADE}; text-align: left; font-weight: 600; color: {MUTED};
  padding: 0.35rem 0.7rem; border-bottom: 1px solid {RULE}; white-space: nowrap; }}
.rtsm-table td {{ padding: 0.3rem 0.7rem; border-bottom: 1px solid #e9eef2; white-space: nowrap; }}
.rtsm-table td.long {{ white-space: normal; min-width: 14rem; }}
.rtsm-table tr:last-child td {{ border-bottom: none; }}
.rtsm-table .number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.rtsm-alert {{ color: {ALERT}; font-weight: 600; }}
.rtsm-wrapped th {{ white-space: normal; vertical-align: bottom; }}
.rtsm-good {{ color: {GOOD}; font-weight: 600; }}
.rtsm-muted {{ color: {MUTED}; }}
.rtsm-empty {{ color: {MUTED}; padding: 0.9rem 0.2rem; }}
.rtsm-as-of {{ color: {MUTED}; font-size: 0.92rem; }}
.rtsm-as-of b {{ color: {INK}; font-weight: 600; }}
.st-key-who {{ position: fixed; top: 0.55rem; right: 1.2rem; z-index: 1000000; width: auto; }}
.rtsm-title {{ color: {INK}; font-size: 1.55rem; font-weight: 650; line-height: 1.25; }}
.rtsm-subtitle {{ color: {MUTED}; font-size: 0.95rem; line-height: 1.35; max-width: 80rem; }}
</style>
"""


def chart_layout(height: int) -> go.Layout:
    """The layout that all charts share: quiet grid, legend on top, numbers with separators, room as given in pixels."""
    axis = {
        "gridcolor": "#e9eef2",
        "linecolor": RULE,
        "zeroline": False,
        "ticks": "",
        "title": {"font": {"size": 13, "color": MUTED}},
        "tickfont": {"size": 13, "color": MUTED},
        "fixedrange": True,
    }
    return go.Layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 34, "b": 8},
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        font={"family": FONT, "size": 14, "color": INK},
        separators=".,",
        hoverlabel={"bgcolor": PAPER, "bordercolor": RULE, "font": {"family": FONT, "color": INK}},
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.0,
            "xanchor": "left",
            "x": 0.0,
            "font": {"size": 13},
            "itemclick": False,
            "itemdoubleclick": False,
        },
        xaxis=axis | {"automargin": True},
        yaxis=axis | {"automargin": True},
        barcornerradius=2,
        # The chart keeps its state when the next reading replaces its numbers.
        uirevision="kept",
    )


def number(value: float) -> str:
    """A number with separators of thousands."""
    return f"{value:,.0f}"


def count_of(value: int, one: str, many: str | None = None) -> str:
    """A count with its noun: 1 kit, 2 kits."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """A share in whole percent; a dash where there is no whole."""
    return f"{part / whole:.0%}" if whole else "–"  # noqa: RUF001  (an en dash is meant)


def day(value: date | None) -> str:
    """A date as people of every country read it alike; a dash for none."""
    return value.isoformat() if value else "–"  # noqa: RUF001


def moment(value: datetime) -> str:
    """A moment in UTC to the minute."""
    return value.strftime("%Y-%m-%d %H:%M UTC")

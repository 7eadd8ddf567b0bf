"""The charts of forecasting in a page: the drawing is theirs, the letters and the ground are the page's."""

from __future__ import annotations

from typing import Any

import altair as alt  # noqa: F401  (loaded here, once, and not by two visitors at the same time)
import pandas as pd  # noqa: F401  (Altair asks it for its types when it is loaded, and fails when it is half loaded)
import streamlit as st

from dashboards.look import FONT
from simulation.randomization.chart_file import styled

_PADDING = 4
"""Pixels."""


def show_chart(chart: Any, key: str, said: str, *, stretch: bool = False) -> None:
    """Show an Altair chart that is not styled yet. `said`: for those who cannot see it; `stretch`: as wide as there is room."""
    show_drawing(styled(chart).to_dict(), key, said, stretch=stretch)


def show_drawing(drawing: dict[str, Any], key: str, said: str, *, stretch: bool = False) -> None:
    """As `show_chart`, for a specification of Vega-Lite that has its style."""
    config = {**drawing.get("config", {}), "font": FONT}
    st.vega_lite_chart(
        {
            **drawing,
            "config": config,
            "padding": dict.fromkeys(("left", "top", "right", "bottom"), _PADDING),
            "description": said,
        },
        width="stretch" if stretch else "content",
        theme=None,
        key=key,
    )

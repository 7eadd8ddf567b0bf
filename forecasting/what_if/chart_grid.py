"""Panels in a grid under one title, put together as a specification: Altair would copy the data of all panels several times."""

from __future__ import annotations

from typing import Any

from simulation.randomization.chart_file import INK, MUTED, styled


def grid_of(
    panels: list[Any], columns: int, rows_apart: int, title: str, below: list[str], offset: int
) -> dict[str, Any]:
    """The Vega-Lite specification of panels, row by row, with the look that all charts share. `below`: lines under the title."""
    import altair as alt

    heading = alt.Title(
        title,
        subtitle=below,
        anchor="start",
        color=INK,
        fontSize=18,
        subtitleColor=MUTED,
        subtitleFontSize=12,
        subtitlePadding=6,
        offset=offset,
    )
    # Flush: the frames stand in line, however wide the labels of their axes are.
    frame = alt.concat(
        alt.Chart(alt.Data(values=[{}])).mark_point(),
        columns=columns,
        align="all",
        bounds="flush",
        spacing={"row": rows_apart, "column": 70},
    )
    grid: dict[str, Any] = styled(frame.properties(title=heading)).to_dict()
    parts = [panel.to_dict(validate=False) for panel in panels]
    datasets: dict[str, Any] = {}
    for part in parts:
        datasets |= part.pop("datasets", {})
        for name in ("$schema", "config"):
            part.pop(name, None)
    return {**grid, "concat": parts, "datasets": datasets}

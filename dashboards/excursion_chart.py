"""The curve of a temperature excursion with the storage range of what was exposed, as a picture (SVG or PNG)."""

from __future__ import annotations

from typing import Any, Final

from allocation.views.blinded.excursion_curve import ExcursionCurve
from simulation.randomization.chart_file import INK, MUTED, styled

_LINE: Final = "#1f6f8b"
_OUT: Final = "#c0392b"
_IN_RANGE: Final = "#e7f3ec"


def excursion_chart(shown: ExcursionCurve) -> Any:
    """The chart (Altair): the range as a band, a dashed line at each limit, and the curve, red where it leaves the strictest range."""
    import altair as alt  # here: it takes a while

    low = max((one.min_celsius for one in shown.limits), default=None)
    high = min((one.max_celsius for one in shown.limits), default=None)
    points = [
        {"at": one.at.isoformat(), "celsius": one.celsius, "turn": turn}
        for turn, one in enumerate(shown.points)
    ]
    values = [one.celsius for one in shown.points] + [one for one in (low, high) if one is not None]
    room = max(1.0, 0.08 * (max(values) - min(values)))
    scale = alt.Scale(domain=[min(values) - room, max(values) + room], nice=False, zero=False)
    across: Any = alt.X(
        "at:T", title="UTC", axis=alt.Axis(format="%d %b %H:%M", labelFlush=True, tickCount=6)
    )
    down: Any = alt.Y("celsius:Q", scale=scale, title="Temperature, °C")
    layers: list[Any] = []
    if low is not None and high is not None:
        band = alt.Data(values=[{"low": low, "high": high}])
        layers.append(
            alt.Chart(band).mark_rect(color=_IN_RANGE).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
        )
        rules = [{"celsius": value, "text": f"{value:g} °C"} for value in (low, high)]
        limit = alt.Chart(alt.Data(values=rules))
        layers.append(limit.mark_rule(color=MUTED, strokeDash=[5, 4]).encode(y=down))
        layers.append(
            limit.mark_text(align="left", dx=4, dy=-6, color=MUTED, fontSize=11).encode(
                y=down, text="text:N", x=alt.value(0)
            )
        )
    curve = alt.Chart(alt.Data(values=points))
    layers.append(curve.mark_line(color=_LINE, strokeWidth=1.8).encode(x=across, y=down, order="turn:Q"))
    if low is not None and high is not None:
        outside = f"datum.celsius > {high} || datum.celsius < {low}"
        layers.append(
            curve.transform_filter(outside)
            .mark_circle(color=_OUT, size=26, opacity=1)
            .encode(x=across, y=down)
        )
    one = shown.excursion
    subtitle = (
        f"{one.lowest} to {one.highest} °C, mean kinetic temperature {one.mean_kinetic} °C; "
        f"{one.kits} kits left their range, {one.open} wait for a decision"
    )
    title = alt.TitleParams(
        f"Excursion {one.excursion_id}", subtitle=subtitle, anchor="start", color=INK, subtitleColor=MUTED
    )
    return styled(alt.layer(*layers).properties(width=760, height=340, title=title))

"""The scorecard as a picture: a PIT histogram and the coverage of each measure and scope."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from forecasting.calibration.scorecard import UNITS, Scorecard, Scored
from forecasting.calibration.scores import TENTHS
from forecasting.errors import ForecastError
from simulation.randomization.chart_file import INK, MUTED, check_chart_file, styled, write_chart

_BARS: Final = "#0b4f8a"
_STATED: Final = "#b5480f"
_WIDTH, _HEIGHT = 250, 130
_COLUMNS: Final = 2


def write_card_plot(card: Scorecard, file: Path) -> None:
    """Write the picture to `file` (.svg or .png). Raises PlotError; ForecastError where nothing was scored."""
    check_chart_file(file)
    groups = [one for one in card.groups if one.measure != "stock_outs"]
    if not groups:
        raise ForecastError(
            "nothing can be scored yet, so there is nothing to draw",
            code="nothing-to-score",
            field="--plot",
            fix="leave it out until the time of a kept forecast is over",
        )
    import altair as alt  # after the checks: it takes a while

    chart = card_chart(groups).properties(
        title=alt.TitleParams(
            f"{card.study_id}: forecasts against what came until {card.as_of}",
            subtitle=[
                "Left: where what came stood in its forecast, in tenths (PIT); even where calibrated (dotted).",
                "Right: intervals that held what came (bar), and the probability that they gave to themselves (mark).",
            ],
            anchor="start",
            color=INK,
            subtitleColor=MUTED,
        )
    )
    write_chart(styled(chart), file)


def card_chart(groups: Sequence[Scored], columns: int = _COLUMNS) -> Any:
    """A PIT histogram and the coverage of each group (an Altair chart, not styled)."""
    import altair as alt

    panels = [_panel(alt, one) for one in groups]
    return alt.concat(*panels, columns=columns, spacing=34, align="all", bounds="full")


def _panel(alt: Any, one: Scored) -> Any:
    title = f"{UNITS[one.measure].capitalize()} by {one.scope}"
    bars = [
        {"from": at / TENTHS, "to": (at + 1) / TENTHS, "share": share} for at, share in enumerate(one.pit)
    ]
    top = max(*one.pit, 2 / TENTHS)
    height = alt.Y(
        "share:Q",
        title="share",
        scale=alt.Scale(domain=[0, 1.05 * top], nice=False),
        axis=alt.Axis(format=".0%", tickCount=4, domain=False, ticks=False),
    )
    pit = (
        alt.Chart(alt.Data(values=bars))
        .mark_rect(color=_BARS, opacity=0.75, stroke="white")
        .encode(
            x=alt.X(
                "from:Q", title="PIT", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(grid=False, tickCount=5)
            ),
            x2="to:Q",
            y=height,
            y2=alt.datum(0),
        )
    )
    even = (
        alt.Chart(alt.Data(values=[{"share": 1 / TENTHS}]))
        .mark_rule(color=MUTED, strokeDash=[2, 3])
        .encode(y=height)
    )
    rows = [
        {"level": f"{each.level:.0%}", "held": each.covered / one.numbers, "stated": each.stated}
        for each in one.coverage
    ]
    level = alt.Y("level:N", title="interval", sort=None, axis=alt.Axis(domain=False, ticks=False))
    across = alt.Scale(domain=[0, 1], nice=False)
    held = alt.X("held:Q", title="held", scale=across, axis=alt.Axis(format=".0%", tickCount=4))
    of_level = alt.Chart(alt.Data(values=rows)).encode(y=level)
    coverage = of_level.mark_bar(color=_BARS, opacity=0.75, height=16).encode(x=held) + of_level.mark_tick(
        color=_STATED, thickness=3, size=22
    ).encode(x=alt.X("stated:Q", title="held", scale=across))
    return alt.hconcat(
        (pit + even).properties(
            width=_WIDTH,
            height=_HEIGHT,
            title=alt.TitleParams(
                title,
                subtitle=f"{one.numbers:,} numbers, {one.windows} apart in time, CRPS {one.crps:.3g}",
                anchor="start",
                fontSize=14,
                color=INK,
                subtitleColor=MUTED,
            ),
        ),
        coverage.properties(width=130, height=_HEIGHT),
        spacing=24,
    )

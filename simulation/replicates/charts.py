"""Fan charts of a run: how enrolment, stock, missed dispensings and waste run over the weeks, as HTML and PNG, drawn without a browser.

One drawing (Vega-Lite, by Altair) gives both: the HTML can be pointed at and holds all it needs, so it opens without a network.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from simulation.randomization.chart_file import INK, MUTED, styled
from simulation.replicates.folder import RunFolder
from simulation.replicates.run import Run
from simulation.replicates.summary import Summary
from simulation.replicates.table import percent
from simulation.scenario import DAYS_PER_MONTH

_WIDTH: Final = 350
_HEIGHT: Final = 215
_ACROSS: Final = 3
_BAD: Final = "#b3261e"


class Panel(NamedTuple):
    """What a fan is drawn of: a weekly series, with its title, unit and colour."""

    series: str
    title: str
    unit: str
    colour: str
    risk: bool = False
    """Whether the share of the trials in which the series is above 0 is drawn, in place of its fan."""
    rare: bool = False
    """Whether it counts what should not happen: drawn with its mean, since its median is mostly 0; in steps while it is small."""


PANELS: Final = (
    Panel("randomized", "Enrolment", "subjects randomized", "#0b4f8a"),
    Panel("kits_at_sites", "Stock at sites", "kits", "#1b8f7a"),
    Panel("kits_at_depots", "Stock at depots", "kits", "#1b8f7a"),
    Panel("missed_dispensings", "Missed dispensings", "visits without their kit, so far", _BAD, rare=True),
    Panel(
        "missed_dispensings",
        "Risk of a missed dispensing",
        "% of the trials with any, so far",
        _BAD,
        risk=True,
    ),
)
_WASTE: Final = {
    "kits_expired": ("expired", "#c4721a"),
    "kits_lost_damaged": ("lost, damaged", "#7a4b9a"),
    "kits_rejected": ("rejected", "#b3261e"),
    "kits_returned": ("returned unused", "#8a9299"),
}
"""Series of waste: its cause and colour, from the bottom of the chart up."""
_STEPS_UNTIL: Final = 30
"""Counts below it are drawn in steps."""
_BANDS: Final = (("q05", "q95", 0.16), ("q25", "q75", 0.30))
"""From, to, opacity."""
_TOLD: Final = {"q95": "95 %", "q75": "75 %", "q50": "median", "q25": "25 %", "q05": "5 %", "mean": "mean"}


def write_charts(folder: RunFolder, run: Run, summary: Summary, bands: pl.DataFrame, last: int) -> list[Path]:
    """Write `trial.html` and `trial.png` into the run's folder, up to the week `last`. The files are given back."""
    specification = _chart(run, summary, bands.filter(pl.col("week") <= last)).to_json()
    import vl_convert  # after the work: it takes a while

    html = vl_convert.vegalite_to_html(specification, bundle=True)
    png = vl_convert.vegalite_to_png(specification, scale=2)
    return [
        folder.write("trial.html", lambda path: path.write_text(html, encoding="utf-8")),
        folder.write("trial.png", lambda path: path.write_bytes(png)),
    ]


def _chart(run: Run, summary: Summary, bands: pl.DataFrame) -> Any:
    import altair as alt  # here, since a run without plots should not wait for it

    begins = run.scenario.starts_on if run.plan.present.there else None
    dates = bands["date"].sort()
    months, span = month_step(dates[0], dates[-1]), [moment(dates[0]), moment(dates[-1])]
    panels = [
        fan_panel(panel, bands.filter(pl.col("series") == panel.series), months, span, begins)
        for panel in PANELS
    ]
    panels.append(_waste(bands, months, span, begins))
    missed = next(one for one in summary.risks if one.name == "any_missed")
    title = alt.Title(
        run.scenario.name,
        subtitle=[
            f"{summary.replicates:,} simulated trials of {run.protocol.study.id}, seed {run.seed}{_from(run)}. "
            "Line: median. Dark band: the middle half of the trials. Light band: 5 % to 95 % of them. Dashed: mean.",
            f"In {percent(missed.value)} of the trials at least one visit goes without its kit "
            f"(95 % interval {percent(missed.low)} to {percent(missed.high)}).",
        ],
        anchor="start",
        color=INK,
        fontSize=18,
        subtitleColor=MUTED,
        subtitleFontSize=12,
        subtitlePadding=6,
        offset=20,
    )
    # Flush: the frames stand in line, however wide the labels of their axes are.
    grid = alt.concat(
        *panels, columns=_ACROSS, align="all", bounds="flush", spacing={"row": 88, "column": 82}
    )
    return styled(grid.properties(title=title))


def _from(run: Run) -> str:
    last = run.scenario.starts_on - timedelta(days=1)
    return f", from its state at the end of {last:%-d %b %Y} (dotted)" if run.plan.present.there else ""


def fan_panel(
    panel: Panel,
    rows: pl.DataFrame,
    months: int,
    span: list[str],
    begins: date | None,
    domain: tuple[float, float] | None = None,
    beside: pl.DataFrame | None = None,
    width: int = _WIDTH,
) -> Any:
    """A panel over the dates of `span`; `begins`: day 0 of a simulation that goes on from a study's present state.

    `domain`: of the axis, for panels that are compared (None: its own). `beside`: rows of another run, whose middle is drawn as dots.
    """
    import altair as alt

    # As a frame, which Altair takes once and as it is; rows that are spelt out it copies into each layer, and checks one by one.
    frame = rows.with_columns(
        pl.col("date").map_elements(moment, return_dtype=pl.String), share=100 * pl.col("above_zero")
    )
    base = alt.Chart(frame).encode(
        x=alt.X(
            "date:T",
            title=None,
            scale=alt.Scale(domain=span) if begins is not None or domain is not None else alt.Undefined,
            axis=alt.Axis(format="%b %Y", tickCount={"interval": "month", "step": months}, grid=False),
        )
    )
    bottom, top = domain or domain_of(panel, rows)
    nothing = top == 0
    scale = alt.Scale(domain=[bottom, top or 1], nice=False, zero=False)
    axis = alt.Axis(tickCount=5, format=",~f", domain=False, ticks=False, labelPadding=6)
    axis = alt.Axis(values=[0], format="~f", domain=False, ticks=False, labelPadding=6) if nothing else axis

    def height(field: str) -> Any:
        return alt.Y(f"{field}:Q", title=None, scale=scale, axis=axis)

    bend: Any = "step-after" if panel.rare and top < _STEPS_UNTIL else "monotone"
    middle = "share" if panel.risk else "q50"
    fans = [
        base.mark_area(color=panel.colour, opacity=opacity, interpolate=bend, clip=True).encode(
            y=height(under), y2=f"{over}:Q"
        )
        for under, over, opacity in ([] if panel.risk else _BANDS)
    ]
    line = base.mark_line(color=panel.colour, strokeWidth=2.2, interpolate=bend, clip=True).encode(
        y=height(middle)
    )
    means = [
        base.mark_line(color=INK, strokeWidth=1.3, strokeDash=[5, 3], clip=True).encode(y=height("mean"))
        for _ in range(panel.rare and not nothing)
    ]
    others = [] if beside is None else [_beside(beside, height("mean" if panel.rare else middle), bend)]
    told = {"share": "% of the trials"} if panel.risk else _TOLD
    points = base.mark_point(opacity=0, size=140).encode(
        y=height(middle),
        tooltip=[
            alt.Tooltip("date:T", title="week to", format="%d %b %Y"),
            *(alt.Tooltip(f"{name}:Q", title=text, format=",.1f") for name, text in told.items()),
        ],
    )
    # Not as a title, whose place would depend on the labels of the axis.
    words = [
        words_at(panel.title, 0, -32, size=14, weight="bold", colour=INK),
        words_at(panel.unit + ("; the axis begins above 0" if bottom else ""), 0, -14, size=11),
    ]
    if nothing:
        words.append(words_at("none in any trial", width / 2, _HEIGHT / 2, align="center", style="italic"))
    now = [] if begins is None or nothing else [_now(begins)]
    return alt.layer(*fans, *others, line, *means, *now, points, *words).properties(
        width=width, height=_HEIGHT
    )


def _beside(rows: pl.DataFrame, height: Any, bend: Any) -> Any:
    """The middle of another run, as dots."""
    import altair as alt

    frame = rows.with_columns(
        pl.col("date").map_elements(moment, return_dtype=pl.String), share=100 * pl.col("above_zero")
    )
    line = alt.Chart(frame).mark_line(
        color=INK, strokeWidth=1.6, strokeDash=[2, 3], interpolate=bend, clip=True
    )
    return line.encode(x="date:T", y=height)


def _waste(bands: pl.DataFrame, months: int, span: list[str], begins: date | None) -> Any:
    """Means of the kits wasted so far, by cause, on top of each other."""
    import altair as alt

    causes = [cause for cause, _ in _WASTE.values()]
    rows = bands.filter(pl.col("series").is_in(list(_WASTE)))
    values = [
        {
            "date": moment(row["date"]),
            "cause": _WASTE[row["series"]][0],
            "layer": list(_WASTE).index(row["series"]),
            "mean": row["mean"],
        }
        for row in rows.iter_rows(named=True)
    ]
    top = float(rows.group_by("week").agg(pl.col("mean").sum())["mean"].max() or 0)  # type: ignore[arg-type]
    axis = alt.Axis(tickCount=5, format=",~f", domain=False, ticks=False, labelPadding=6)
    if top == 0:
        axis = alt.Axis(values=[0], format="~f", domain=False, ticks=False, labelPadding=6)
    area = (
        alt.Chart(alt.Data(values=values))
        .mark_area(opacity=0.85, clip=True)
        .encode(
            x=alt.X(
                "date:T",
                title=None,
                scale=alt.Scale(domain=span) if begins is not None else alt.Undefined,
                axis=alt.Axis(format="%b %Y", tickCount={"interval": "month", "step": months}, grid=False),
            ),
            y=alt.Y(
                "mean:Q",
                stack="zero",
                title=None,
                scale=alt.Scale(domain=[0, 1.06 * top or 1], nice=False),
                axis=axis,
            ),
            color=alt.Color(
                "cause:N",
                sort=causes,
                scale=alt.Scale(domain=causes, range=[colour for _, colour in _WASTE.values()]),
                legend=None,
            ),
            order=alt.Order("layer:Q"),
            tooltip=[
                alt.Tooltip("date:T", title="week to", format="%d %b %Y"),
                alt.Tooltip("cause:N"),
                alt.Tooltip("mean:Q", title="mean, kits", format=",.1f"),
            ],
        )
    )
    words = [words_at("Waste by cause: kits so far, means", 0, -32, size=14, weight="bold", colour=INK)]
    # A legend of Vega's would be that of the first frame.
    across = 0
    for cause, colour in _WASTE.values():
        words.append(words_at(f"\u25cf {cause}", across, -14, size=11, colour=colour))
        across += 6 * len(cause) + 20
    if top == 0:
        words.append(words_at("none in any trial", _WIDTH / 2, _HEIGHT / 2, align="center", style="italic"))
    now = [] if begins is None else [_now(begins)]
    return alt.layer(area, *now, *words).properties(width=_WIDTH, height=_HEIGHT)


def _now(begins: date) -> Any:
    """A line between what was and what is simulated."""
    import altair as alt

    rule = alt.Chart(alt.Data(values=[{"date": moment(begins)}])).mark_rule(color=MUTED, strokeDash=[2, 3])
    return rule.encode(x="date:T")


def month_step(first: date, last: date) -> int:
    """Months between two dates on the axis, so that about six of them have room."""
    span = (last - first).days / DAYS_PER_MONTH
    return next((step for step in (1, 2, 3, 6, 12, 24) if span / step <= 6.5), 60)


def domain_of(panel: Panel, rows: pl.DataFrame) -> tuple[float, float]:
    """From 0, but for a stock that hardly moves against its size; to a little above the highest band. 0 to 0: it never happens."""
    if panel.risk:
        highest = _most(rows, "above_zero")
        return 0, min(104.0, 108 * highest)
    top = max(_most(rows, "q95"), _most(rows, "mean"))
    least = float(rows["q05"].min() or 0)  # type: ignore[arg-type]
    bottom = least if least > 0.8 * top else 0.0
    room = 0.06 * (top - bottom) or 0.06 * top
    return max(0.0, bottom - room) if bottom else 0.0, top + room


def words_at(
    text: str,
    x: float,
    y: float,
    *,
    size: int = 12,
    weight: Any = "normal",
    style: Any = "normal",
    align: Any = "left",
    colour: str = MUTED,
) -> Any:
    """Words at a place in pixels from the corner of the frame."""
    import altair as alt

    return (
        alt.Chart(alt.Data(values=[{"text": text}]))
        .mark_text(color=colour, fontSize=size, fontWeight=weight, fontStyle=style, align=align, clip=False)
        .encode(x=alt.value(x), y=alt.value(y), text="text:N")
    )


def _most(rows: pl.DataFrame, column: str) -> float:
    return float(rows[column].max() or 0)  # type: ignore[arg-type]


def moment(day: date) -> str:
    """With a time, so that no reader takes it as midnight in Greenwich and shows the day before."""
    return f"{day.isoformat()}T00:00:00"

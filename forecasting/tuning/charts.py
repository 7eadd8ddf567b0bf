"""The pictures of a tuning: what each risk would cost, with the choice and the baseline, and the objective over the grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from forecasting.tuning.report import Written
from simulation.randomization.chart_file import INK, MUTED, styled, write_chart

_RISK: Final = {
    "missed_share": "visits without their kit, % (mean)",
    "any_missed": "trials with any visit without its kit, %",
}
_CHOICE: Final = "#0b4f8a"
_BASELINE: Final = "#c4721a"
_LIMIT: Final = "#b3261e"
_FRONT: Final = "#1b8f7a"
_WIDTH: Final = 680
_LEAST: Final = 1e-4
"""In %: what no replicate had is drawn here, on a scale of logarithms."""


def write_charts(written: Written) -> list[Path]:
    """Write the charts beside the report, as PNG."""
    report, stem = written.report, written.path.with_suffix("")
    charts = {"pareto": _pareto(report, written)}
    surface = _surface(report, written)
    if surface is not None:
        charts["surface"] = surface
    files = []
    for name, chart in charts.items():
        file = stem.with_name(f"{stem.name}-{name}.png")
        write_chart(styled(chart), file)
        files.append(file)
    return files


def _points(written: Written) -> list[dict[str, Any]]:
    import polars as pl

    table = pl.read_parquet(written.files[0])
    return table.select(
        "key",
        "label",
        "objective",
        "risk_estimate",
        "risk_high",
        "on_pareto_front",
        "parameters",
        "replicates",
    ).to_dicts()


def _objective(report: dict[str, Any]) -> str:
    objective = report["objective"]
    return f"{objective['name']}, {objective['unit']} (mean)"


def _percent(share: float) -> float:
    return max(100 * share, _LEAST)


def _pareto(report: dict[str, Any], written: Written) -> Any:
    import altair as alt

    limit = 100 * report["risk"]["at_most"]
    points = [
        {
            "label": one["label"],
            "objective": one["objective"],
            "risk": _percent(one["risk_estimate"]),
            "front": one["on_pareto_front"],
        }
        for one in _points(written)
    ]
    told = [("the choice", report["choice"], _CHOICE)]
    if report["baseline"] is not None:
        told.append(("the baseline", report["baseline"], _BASELINE))
    marks = [
        {
            "what": what,
            "label": f"{what}: {row['label']}" if len(row["label"]) < 40 else what,
            "objective": row["objective"],
            "risk": _percent(row["risk"]["estimate"]),
            "low": _percent(row["risk"]["low"]),
            "high": _percent(row["risk"]["high"]),
        }
        for what, row, _ in told
    ]
    # Far from the limit on the risky side nobody looks: the axis ends where the chances are no longer of use.
    shown = [
        one
        for one in points
        if one["risk"] <= max(20 * limit, 1e-3) or (one["front"] and one["risk"] <= 60 * limit)
    ]
    near = [one["objective"] for one in (*marks, *(one for one in shown if one["front"]))]
    # Far dearer points would press all others together.
    shown = [one for one in shown if one["objective"] <= max(near) + 0.6 * (max(near) - min(near))]
    everything = [one["objective"] for one in (*shown, *marks)]
    risks = [limit, *(one["risk"] for one in (*shown, *marks))]
    heights = [min(risks) / 1.4, max(risks) * 1.4]
    room = 0.06 * (max(everything) - min(everything) or 1)
    x = alt.X(
        "objective:Q",
        title=_objective(report),
        scale=alt.Scale(domain=[min(everything) - room, max(everything) + room], nice=False, zero=False),
        axis=alt.Axis(format=",~f", tickCount=7, grid=False),
    )
    y = alt.Y(
        "risk:Q",
        title=_RISK[report["risk"]["measure"]],
        scale=alt.Scale(type="log", domain=heights, nice=False),
        axis=alt.Axis(format="~g", tickCount=6),
    )
    tips = [
        alt.Tooltip("label:N"),
        alt.Tooltip("objective:Q", format=",.1f"),
        alt.Tooltip("risk:Q", format=".4f", title="risk, %"),
    ]
    every = (
        alt.Chart(alt.Data(values=shown))
        .mark_circle(size=36, color=MUTED, opacity=0.45)
        .encode(x=x, y=y, tooltip=tips)
    )
    front = (
        alt.Chart(alt.Data(values=[one for one in shown if one["front"]]))
        .mark_line(color=_FRONT, strokeWidth=2, point=alt.OverlayMarkDef(color=_FRONT, size=46))
        .encode(x=x, y=y, tooltip=tips, order=alt.Order("objective:Q"))
    )
    rule = (
        alt.Chart(alt.Data(values=[{"risk": limit}])).mark_rule(color=_LIMIT, strokeDash=[5, 4]).encode(y=y)
    )
    word = (
        alt.Chart(alt.Data(values=[{"risk": limit, "text": f"at most {limit:g} %"}]))
        .mark_text(color=_LIMIT, align="right", dy=-7, dx=-4, fontSize=11)
        .encode(x=alt.value(_WIDTH), y=y, text="text:N")
    )
    colour = alt.Color(
        "what:N",
        scale=alt.Scale(domain=[one[0] for one in told], range=[one[2] for one in told]),
        legend=None,
    )
    spans = (
        alt.Chart(alt.Data(values=marks))
        .mark_rule(strokeWidth=1.6)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour)
    )
    dots = (
        alt.Chart(alt.Data(values=marks))
        .mark_point(filled=True, size=150, shape="diamond", opacity=1)
        .encode(x=x, y=y, color=colour, tooltip=tips)
    )
    middle = (max(everything) + min(everything)) / 2
    names = [
        alt.Chart(alt.Data(values=[one]))
        .mark_text(
            align="right" if one["objective"] > middle else "left",
            dx=-11 if one["objective"] > middle else 11,
            dy=12,
            fontSize=12,
            fontWeight="bold",
        )
        .encode(x=x, y=y, text="label:N", color=colour)
        for one in marks
    ]
    certificate = report["certificate"]
    title = alt.Title(
        f"{report['study']}: what each risk costs",
        subtitle=[
            f"{report['points']} sets of thresholds, {report['replicates_used']:,} simulated trials, seed {report['seed']}. "
            "Line: none is better in both.",
            f"The choice on {certificate['replicates']:,} fresh trials: {100 * certificate['estimate']:.3g} %, "
            f"at most {100 * certificate['upper_bound']:.3g} % with {100 * certificate['confidence']:.0f} % confidence.",
        ],
        anchor="start",
        color=INK,
        subtitleColor=MUTED,
    )
    return alt.layer(every, front, rule, word, spans, dots, *names).properties(
        width=680, height=400, title=title
    )


def _surface(report: dict[str, Any], written: Written) -> Any | None:
    """The objective over min and what max is above it; None where each group has its own."""
    import json

    import altair as alt

    limit = report["risk"]["at_most"]
    cells = []
    for one in _points(written):
        rows = json.loads(one["parameters"])
        if len(rows) != 1 or "max_buffer" not in rows[0]:
            continue
        least, above = rows[0]["min_buffer"], rows[0]["max_buffer"] - rows[0]["min_buffer"]
        cells.append(
            {
                "min": least,
                "above": above,
                "objective": one["objective"],
                "meets": one["risk_estimate"] <= limit,
                "label": one["label"],
                "chosen": one["key"] == report["choice"]["key"],
                "risk": 100 * one["risk_estimate"],
            }
        )
    if len({(one["min"], one["above"]) for one in cells}) < max(4, len(cells)):
        return None
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=alt.X("above:O", title="max_buffer above min_buffer, kits", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("min:O", title="min_buffer, kits", sort="descending"),
        tooltip=[
            alt.Tooltip("label:N"),
            alt.Tooltip("objective:Q", format=",.1f"),
            alt.Tooltip("risk:Q", format=".4f", title="risk, %"),
        ],
    )
    colours = alt.Color(
        "objective:Q",
        title=_objective(report),
        scale=alt.Scale(range=["#eaf3fb", "#7fb2d9"]),
        legend=alt.Legend(format=",~f", orient="right"),
    )
    meets = base.transform_filter("datum.meets").mark_rect().encode(color=colours)
    fails = base.transform_filter("!datum.meets").mark_rect(color="#e6e9ec")
    crosses = base.transform_filter("!datum.meets").mark_text(text="\u00d7", color=MUTED, fontSize=13)
    numbers = base.transform_filter("datum.meets").mark_text(fontSize=10, color=INK)
    numbers = numbers.encode(text=alt.Text("objective:Q", format=".4~s"))
    chosen = base.transform_filter("datum.chosen").mark_rect(filled=False, stroke=_LIMIT, strokeWidth=2.5)
    title = alt.Title(
        f"{report['study']}: {report['objective']['name']} over the thresholds",
        subtitle=[
            "Coloured: the estimate of the risk is within the limit. \u00d7: it is not. White: not looked at. Framed: the choice."
        ],
        anchor="start",
        color=INK,
        subtitleColor=MUTED,
    )
    return alt.layer(meets, fails, crosses, numbers, chosen).properties(
        width=alt.Step(38), height=alt.Step(24), title=title
    )

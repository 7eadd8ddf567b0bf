"""What each risk would cost, by a tune report: the front, the rivals, the choice with its certified bound, and the baseline. Unblinded."""

from __future__ import annotations

from typing import Any, Final

from allocation.study.tuning_report import SimulatedRow, TuningReport
from dashboards.look import ALERT, INK, MUTED, RANDOMIZED
from dashboards.planner.settings_text import settings_of

_FRONT: Final = "#1b8f7a"
_BASELINE: Final = "#c4721a"
_HEIGHT: Final = 380
_LEAST: Final = 1e-3
"""In per cent: what no replicate had is drawn here, on a scale of logarithms."""
RISK_WORDS: Final = {
    "missed_share": "visits without their kit",
    "any_missed": "trials with any visit without its kit",
}


def pareto_chart(report: TuningReport, name: str) -> Any:
    """The chart (Altair, not styled). `name`: of what was made small, with its unit."""
    import altair as alt

    front = [_point(one, report) for one in report.pareto if one.risk is not None]
    others = [_point(one, report) for one in report.rivals if one.risk is not None]
    marks = [_point(report.choice, report) | {"what": "choice"}] if report.choice.risk else []
    if report.baseline is not None and report.baseline.risk is not None:
        marks.append(_point(report.baseline, report) | {"what": "baseline"})
    limit = {"risk": 100 * report.risk.at_most, "text": f"at most {100 * report.risk.at_most:g} %"}
    everything = [one["objective"] for one in (*front, *others, *marks)] or [0.0]
    heights = [one["risk"] for one in (*front, *others, *marks)] + [limit["risk"]]
    room = 0.08 * (max(everything) - min(everything)) or 1
    x = alt.X(
        "objective:Q",
        title=name,
        scale=alt.Scale(domain=[min(everything) - room, max(everything) + room], nice=False, zero=False),
        axis=alt.Axis(format=",~f", tickCount=6, grid=False),
    )
    y = alt.Y(
        "risk:Q",
        title=f"{RISK_WORDS.get(report.risk.measure, report.risk.measure)}, %",
        scale=alt.Scale(
            type="log", domain=[max(min(heights) / 1.6, _LEAST / 2), max(heights) * 1.6], nice=False
        ),
        axis=alt.Axis(format="~g", tickCount=5, grid=False),
    )
    tips = [
        alt.Tooltip("settings:N"),
        alt.Tooltip("objective:Q", format=",.0f", title=name),
        alt.Tooltip("risk:Q", format=".3g", title="risk, %"),
        alt.Tooltip("high:Q", format=".3g", title="upper end, %"),
    ]

    def of(values: list[dict[str, Any]]) -> Any:
        return alt.Chart(alt.Data(values=values)).encode(x=x, y=y, tooltip=tips)

    colour = alt.Color(
        "what:N",
        title=None,
        scale=alt.Scale(domain=["choice", "baseline"], range=[RANDOMIZED, _BASELINE]),
        legend=None,
    )
    layers = [
        alt.Chart(alt.Data(values=[limit])).mark_rule(color=ALERT, strokeDash=[5, 4]).encode(y=y),
        alt.Chart(alt.Data(values=[limit]))
        .mark_text(color=ALERT, align="left", dy=-8, dx=6, fontSize=12)
        .encode(x=alt.value(0), y=y, text="text:N"),
        of(others).mark_circle(size=60, color=MUTED, opacity=0.6),
        of(front)
        .mark_line(color=_FRONT, strokeWidth=2, point=alt.OverlayMarkDef(color=_FRONT, size=60))
        .encode(order=alt.Order("objective:Q")),
        of(marks).mark_rule(strokeWidth=1.8).encode(y=alt.Y("low:Q", title=None), y2="high:Q", color=colour),
        of(marks).mark_point(filled=True, size=190, shape="diamond", opacity=1).encode(color=colour),
        of(marks)
        .mark_text(dx=12, align="left", fontSize=13, fontWeight="bold")
        .encode(text="what:N", color=colour),
    ]
    bound = (
        [{"objective": marks[0]["objective"], "risk": _percent(report.certificate.upper_bound)}]
        if marks
        else []
    )
    layers.append(
        alt.Chart(alt.Data(values=bound))
        .mark_tick(color=INK, thickness=2.5, width=26, orient="horizontal")
        .encode(x=x, y=y)
    )
    return alt.layer(*layers).properties(height=_HEIGHT)


def objective_of(row: SimulatedRow, report: TuningReport) -> float | None:
    """What was made small, of a row: its own figure, its mean, or its cost."""
    stated = (row.model_extra or {}).get("objective")
    if isinstance(stated, int | float):
        return float(stated)
    name = report.objective.name
    return row.cost if name == "cost" and row.cost is not None else row.means.get(name)


def _point(row: SimulatedRow, report: TuningReport) -> dict[str, Any]:
    risk = row.risk
    values = (risk.estimate, risk.low, risk.high) if risk else (0.0, 0.0, 0.0)
    named = dict(zip(("risk", "low", "high"), map(_percent, values), strict=True))
    return {"objective": objective_of(row, report), "settings": settings_of(row), **named}


def _percent(share: float) -> float:
    return max(100 * share, _LEAST)

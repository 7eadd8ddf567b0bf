"""A supply plan drawn: what the depots have of each kit type over time, and how the plan compares with rules of thumb."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from forecasting.supply_plan.cover import meet
from forecasting.supply_plan.demand_tape import Array
from forecasting.supply_plan.sizing import stocks_of
from forecasting.supply_plan.supply_plan import SupplyPlan
from simulation.randomization.chart_file import INK, MUTED, styled, write_chart

_STOCK: Final = "#1b8f7a"
_OURS: Final = "#0b4f8a"
_RULE: Final = "#8a9299"
_WIDTH, _HEIGHT = 380, 190
_POINTS: Final = 90
"""Days of a panel on which the stock is worked out."""


def write_plots(plan: SupplyPlan, folder: Path) -> list[Path]:
    """Write `stock.svg`, `stock.png`, `rules.svg` and `rules.png` into the folder, and answer them. Raises PlotError."""
    files = []
    for name, chart in (("stock", _stock(plan)), ("rules", _rules(plan))):
        for ending in ("svg", "png"):
            files.append(folder / f"{name}.{ending}")
            write_chart(chart, files[-1])
    return files


def stock_over_time(plan: SupplyPlan, kit_type: int, on: list[int]) -> Array:
    """Kits that the depots may ship at the beginning of each of those days, by trial (trials x days)."""
    case = plan.case
    found = np.zeros((case.tape.trials, len(on)), dtype=np.int64)
    for pair, asked in case.tape.asked.items():
        if pair[1] != kit_type:
            continue
        stocks = stocks_of(case, plan.found.sized, pair)
        for at, day in enumerate(on):
            met = meet(asked, stocks, np.full(case.tape.trials, day, dtype=np.int64))
            for lot, stock in enumerate(stocks):
                there = (stock.comes <= day) & (day <= stock.last)
                found[:, at] += np.where(there, stock.kits - met.taken[lot], 0)
    return found


def _stock(plan: SupplyPlan) -> Any:
    import altair as alt  # after the work: it takes a while

    case, day0 = plan.case, plan.beginning.day0
    on = sorted({*np.linspace(0, case.tape.days - 1, _POINTS).astype(int).tolist()})
    runs = plan.runs()
    panels = []
    for kit_type in case.kit_types:
        name = case.trial.names.kit_types[kit_type]
        low, middle, high = np.quantile(stock_over_time(plan, kit_type, on), (0.05, 0.5, 0.95), axis=0)
        rows = [
            {"date": _moment(plan, day), "low": float(a), "middle": float(b), "high": float(c)}
            for day, a, b, c in zip(on, low, middle, high, strict=True)
        ]
        x = alt.X("date:T", title=None, axis=alt.Axis(format="%b %Y", tickCount=6, grid=False))
        top = max(float(high.max()), 1.0)

        def height(field: str, top: float = top) -> Any:
            scale = alt.Scale(domain=[0, 1.3 * top], nice=False)
            axis = alt.Axis(tickCount=5, format=",~f", domain=False, ticks=False)
            return alt.Y(f"{field}:Q", title=None, scale=scale, axis=axis)

        base = alt.Chart(alt.Data(values=rows)).encode(x=x)
        last = plan.beginning.until.isoformat()
        mine = [row for row in runs if row["kit_type"] == name and row["released_on"] <= last]
        releases = [
            {
                "date": f"{row['released_on']}T00:00:00",
                "text": f"{row['run']}: {row['kits_usable']:,}",
                # One above the other, so that runs that are released soon after each other can be read.
                "top": (1.27 - 0.09 * (at % 3)) * top,
            }
            for at, row in enumerate(mine)
        ]
        coming = alt.Chart(alt.Data(values=releases)).encode(x=x)
        panels.append(
            alt.layer(
                base.mark_area(color=_STOCK, opacity=0.2, interpolate="step-after").encode(
                    y=height("low"), y2="high:Q"
                ),
                base.mark_line(color=_STOCK, strokeWidth=2, interpolate="step-after").encode(
                    y=height("middle")
                ),
                coming.mark_rule(color=_OURS, strokeDash=[3, 3]),
                coming.mark_text(color=_OURS, align="left", dx=5, fontSize=11).encode(
                    y=height("top"), text="text:N"
                ),
            ).properties(
                width=_WIDTH,
                height=_HEIGHT,
                title=alt.TitleParams(name, anchor="start", frame="group", color=INK, fontSize=14),
            )
        )
    title = _title(
        f"{plan.beginning.protocol.study.id}: kits that the depots can ship",
        [
            f"From {day0} to {plan.beginning.until}, in {case.tape.trials} trials. Line: median. Band: 5 % to 95 % of them.",
            "Dashed: a run is released (median), with the kits of it that can be used. What falls at once expires, or is past its last day "
            "of shipping.",
        ],
    )
    return styled(alt.concat(*panels, columns=2, spacing={"row": 46, "column": 60}).properties(title=title))


def _title(text: str, subtitle: list[str]) -> Any:
    import altair as alt  # after the work: it takes a while

    return alt.Title(
        text,
        subtitle=subtitle,
        anchor="start",
        color=INK,
        fontSize=18,
        subtitleColor=MUTED,
        subtitleFontSize=12,
        subtitlePadding=6,
        offset=18,
    )


def _moment(plan: SupplyPlan, day: int) -> str:
    return f"{plan.beginning.day0 + timedelta(days=day)}T00:00:00"


def _rules(plan: SupplyPlan) -> Any:
    import altair as alt  # after the work: it takes a while

    rows = []
    for name, played in [("this plan", plan.verified), *((rule.name, played) for rule, played in plan.rules)]:
        low, high = played.interval
        rows.append(
            {
                "name": name,
                "overage": 100 * (played.overage or 0.0),
                "level": 100 * played.share,
                "low": 100 * low,
                "high": 100 * high,
                "ours": name == "this plan",
            }
        )
    colour = alt.condition("datum.ours", alt.value(_OURS), alt.value(_RULE))
    base = alt.Chart(alt.Data(values=rows))
    in_order = [str(row["name"]) for row in rows]
    axis = alt.Axis(domain=False, ticks=False, labelLimit=220, labelFontSize=12, labelPadding=12)
    named = alt.Y("name:N", title=None, sort=in_order, axis=axis)
    unnamed = alt.Y("name:N", title=None, sort=in_order, axis=None)
    level = alt.X("level:Q", title="level of service, %", scale=alt.Scale(domain=[0, 100]))
    asked = alt.Chart(alt.Data(values=[{"level": 100 * plan.level}]))
    left = alt.layer(
        asked.mark_rule(color="#b3261e", strokeDash=[4, 3]).encode(x=level),
        base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", y=named, color=colour),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=level, y=named, color=colour),
    ).properties(width=300, height=30 * len(rows))
    overage = alt.X("overage:Q", title="overage, % (kits produced / dispensed - 1)")
    right = alt.layer(
        base.mark_bar(height=14).encode(x=overage, y=unnamed, color=colour),
        base.mark_text(align="left", dx=5, color=MUTED, fontSize=11).encode(
            x=overage, y=unnamed, text=alt.Text("overage:Q", format=".0f")
        ),
    ).properties(width=300, height=30 * len(rows))
    title = _title(
        "This plan and rules of thumb, each played",
        [
            f"{plan.beginning.protocol.study.id}, {plan.verified.trials:,} trials that no plan was made from (the rules: "
            f"{plan.rules[0][1].trials:,} of them). Points: share of the trials in",
            f"which the central stock is enough; bars through them: 95 % interval; dashed: the {plan.level:.1%} that was asked for.",
        ],
    )
    return styled(alt.hconcat(left, right, spacing=24).properties(title=title))

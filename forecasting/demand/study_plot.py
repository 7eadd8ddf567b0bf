"""The demand of a study as a fan for each kit type: kits by week, as they were and as they are to come."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from forecasting.calibration.facts import Facts
from forecasting.demand.study_demand import DAYS, StudyDemand
from forecasting.demand.study_rows import numbers_of
from simulation.randomization.chart_file import INK, MUTED, check_chart_file, styled, write_chart

_FAN: Final = "#0b4f8a"
_CAME: Final = "#b5480f"
_WIDTH, _HEIGHT = 420, 190
_LONGEST_PAST: Final = 26
"""Weeks before the census that are shown."""


def write_study_plot(found: StudyDemand, facts: Facts, file: Path) -> None:
    """Write the fans to `file` (.svg or .png), with what the ledger has of the time before and after the census. Raises PlotError."""
    check_chart_file(file)
    import altair as alt  # after the checks: it takes a while

    weeks = [numbers_of(found.draws("study", week, week + 1)[:, 0]) for week in range(found.weeks)]
    names = [*found.kit_types, "all kits"]
    panels = [_panel(alt, found, facts, at, names[at], weeks) for at in range(len(names))]
    came = ". Dashed: what was dispensed since" if _came(found, facts, None) else ""
    chart = alt.concat(*panels, columns=2, spacing=34, align="all", bounds="full").properties(
        title=alt.TitleParams(
            f"{found.start.census.study_id}: kits due by week, forecast on {found.start.census.at}",
            subtitle=[
                f"Dark line: dispensed until the census. Line: median of {found.replicates:,} replicates. Dark band: the middle half. "
                "Light band: 90 % interval" + came + ".",
                found.start.basis,
            ],
            anchor="start",
            color=INK,
            subtitleColor=MUTED,
        )
    )
    write_chart(styled(chart), file)


def _panel(
    alt: Any, found: StudyDemand, facts: Facts, at: int, name: str, weeks: list[dict[str, Any]]
) -> Any:
    kit_type = found.kit_types[at] if at < len(found.kit_types) else None
    fan = [
        {"on": _middle(found, week).isoformat()}
        | {level: float(values[level][at]) for level in ("q05", "q25", "q50", "q75", "q95")}
        for week, values in enumerate(weeks)
    ]
    before, came = _before(found, facts, kit_type), _came(found, facts, kit_type)
    top = max([one["q95"] for one in fan] + [one["kits"] for one in before + came] + [1])
    x = alt.X("on:T", title=None, axis=alt.Axis(format="%b %y", tickCount=6, grid=False))

    def kits(column: str) -> Any:
        return alt.Y(
            f"{column}:Q",
            title="kits in a week",
            scale=alt.Scale(domain=[0, 1.05 * top], nice=False),
            axis=alt.Axis(tickCount=5, format=",~f", domain=False, ticks=False, minExtent=30),
        )

    ahead = alt.Chart(alt.Data(values=fan)).encode(x=x)
    layers = [
        ahead.mark_area(color=_FAN, opacity=0.16).encode(y=kits("q05"), y2="q95:Q"),
        ahead.mark_area(color=_FAN, opacity=0.30).encode(y=kits("q25"), y2="q75:Q"),
        ahead.mark_line(color=_FAN, strokeWidth=2.2).encode(y=kits("q50")),
        alt.Chart(alt.Data(values=before)).mark_line(color=INK, strokeWidth=1.6).encode(x=x, y=kits("kits")),
        alt.Chart(alt.Data(values=[{"on": found.begins_on.isoformat()}]))
        .mark_rule(color=MUTED, strokeDash=[2, 3])
        .encode(x=x),
    ]
    if came:
        layers.append(
            alt.Chart(alt.Data(values=came))
            .mark_line(color=_CAME, strokeWidth=1.8, strokeDash=[5, 3])
            .encode(x=x, y=kits("kits"))
        )
    whole = numbers_of(found.draws("study", 0, found.weeks)[:, 0, at])
    seen = f"; {sum(one['kits'] for one in came):.0f} came" if len(came) == found.weeks else ""
    return alt.layer(*layers).properties(
        width=_WIDTH,
        height=_HEIGHT,
        title=alt.TitleParams(
            name,
            subtitle=f"{whole['q50']:.0f} in {found.weeks} weeks ({whole['q05']:.0f} to {whole['q95']:.0f}){seen}",
            anchor="start",
            fontSize=14,
            color=INK,
            subtitleColor=MUTED,
        ),
    )


def _middle(found: StudyDemand, week: int) -> date:
    return found.day_after(week) + timedelta(days=DAYS // 2)


def _by_week(found: StudyDemand, rows: pl.DataFrame, kit_type: str | None) -> dict[int, int]:
    rows = rows.filter(measure="kits_dispensed")
    if kit_type is not None:
        rows = rows.filter(kit_type=kit_type)
    week = (pl.col("on") - found.begins_on).dt.total_days().floordiv(DAYS)
    return dict(rows.group_by(week.alias("week")).agg(pl.col("count").sum()).iter_rows())


def _before(found: StudyDemand, facts: Facts, kit_type: str | None) -> list[dict[str, Any]]:
    """Kits dispensed in the weeks before the census, from the first in which there were any."""
    census = found.start.census
    kits = _by_week(found, facts.rows.filter(pl.col("position") <= census.position), kit_type)
    first = max(min(kits, default=0), -_LONGEST_PAST)
    return [
        {"on": _middle(found, week).isoformat(), "kits": float(kits.get(week, 0))} for week in range(first, 0)
    ]


def _came(found: StudyDemand, facts: Facts, kit_type: str | None) -> list[dict[str, Any]]:
    """Kits dispensed in the weeks of the forecast that are over, where it was made from a past day."""
    census = found.start.census
    over = min((facts.as_of - found.begins_on).days // DAYS, found.weeks)
    kits = _by_week(found, facts.rows.filter(pl.col("position") > census.position), kit_type)
    return [
        {"on": _middle(found, week).isoformat(), "kits": float(kits.get(week, 0))} for week in range(over)
    ]

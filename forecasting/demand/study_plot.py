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
LEVELS_SHOWN: Final = ("q05", "q25", "q50", "q75", "q95")
_LONGEST_PAST: Final = 26
"""Weeks before the census that are shown."""


def write_study_plot(found: StudyDemand, facts: Facts, file: Path) -> None:
    """Write the fans to `file` (.svg or .png), with what the ledger has of the time before and after the census. Raises PlotError."""
    check_chart_file(file)
    import altair as alt  # after the checks: it takes a while

    weeks = [numbers_of(found.draws("study", week, week + 1)[:, 0]) for week in range(found.weeks)]
    names = [*found.kit_types, "all kits"]
    panels = [_panel(found, facts, at, names[at], weeks) for at in range(len(names))]
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


def _panel(found: StudyDemand, facts: Facts, at: int, name: str, weeks: list[dict[str, Any]]) -> Any:
    kit_type = found.kit_types[at] if at < len(found.kit_types) else None
    fan = [
        {"on": middle_of(found.begins_on, week)} | {level: float(values[level][at]) for level in LEVELS_SHOWN}
        for week, values in enumerate(weeks)
    ]
    census = found.start.census
    before = kits_before(facts.rows, census.position, found.begins_on, kit_type)
    came = _came(found, facts, kit_type)
    whole = numbers_of(found.draws("study", 0, found.weeks)[:, 0, at])
    seen = f"; {sum(one['kits'] for one in came):.0f} came" if len(came) == found.weeks else ""
    said = f"{whole['q50']:.0f} in {found.weeks} weeks ({whole['q05']:.0f} to {whole['q95']:.0f}){seen}"
    return fan_panel(name, said, fan, before, came, found.begins_on).properties(width=_WIDTH, height=_HEIGHT)


def fan_panel(
    name: str,
    said: str,
    fan: list[dict[str, Any]],
    before: list[dict[str, Any]],
    came: list[dict[str, Any]],
    begins_on: date,
) -> Any:
    """The fan of one kit type by week (an Altair chart, not styled). `fan`: `on` and LEVELS_SHOWN; what was dispensed: `on` and `kits`."""
    import altair as alt

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
        alt.Chart(alt.Data(values=[{"on": begins_on.isoformat()}]))
        .mark_rule(color=MUTED, strokeDash=[2, 3])
        .encode(x=x),
    ]
    if came:
        layers.append(
            alt.Chart(alt.Data(values=came))
            .mark_line(color=_CAME, strokeWidth=1.8, strokeDash=[5, 3])
            .encode(x=x, y=kits("kits"))
        )
    return alt.layer(*layers).properties(
        title=alt.TitleParams(
            name, subtitle=said, anchor="start", fontSize=14, color=INK, subtitleColor=MUTED
        )
    )


def middle_of(begins_on: date, week: int) -> str:
    """Where a week of a forecast stands on the axis, week 0 being its first."""
    return (begins_on + timedelta(days=DAYS * week + DAYS // 2)).isoformat()


def _by_week(begins_on: date, rows: pl.DataFrame, kit_type: str | None) -> dict[int, int]:
    rows = rows.filter(measure="kits_dispensed")
    if kit_type is not None:
        rows = rows.filter(kit_type=kit_type)
    week = (pl.col("on") - begins_on).dt.total_days().floordiv(DAYS)
    return dict(rows.group_by(week.alias("week")).agg(pl.col("count").sum()).iter_rows())


def kits_before(
    rows: pl.DataFrame, position: int, begins_on: date, kit_type: str | None
) -> list[dict[str, Any]]:
    """Kits dispensed by week before a census at `position`, from the first week in which there were any. `rows` as in Facts."""
    kits = _by_week(begins_on, rows.filter(pl.col("position") <= position), kit_type)
    first = max(min(kits, default=0), -_LONGEST_PAST)
    return [{"on": middle_of(begins_on, week), "kits": float(kits.get(week, 0))} for week in range(first, 0)]


def kits_since(
    rows: pl.DataFrame, position: int, begins_on: date, over: int, kit_type: str | None
) -> list[dict[str, Any]]:
    """Kits dispensed in each of the first `over` weeks after the census at `position`. `rows` as in Facts."""
    kits = _by_week(begins_on, rows.filter(pl.col("position") > position), kit_type)
    return [{"on": middle_of(begins_on, week), "kits": float(kits.get(week, 0))} for week in range(over)]


def _came(found: StudyDemand, facts: Facts, kit_type: str | None) -> list[dict[str, Any]]:
    """Kits dispensed in the weeks of the forecast that are over, where it was made from a past day."""
    over = min((facts.as_of - found.begins_on).days // DAYS, found.weeks)
    return kits_since(facts.rows, found.start.census.position, found.begins_on, over, kit_type)

"""A forecast of recruitment as a fan: what was recruited, and the bands of what is to come, with the target."""

from __future__ import annotations

from datetime import timedelta
from itertools import accumulate
from math import isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np

from forecasting.recruitment.forecast import RecruitmentForecast
from forecasting.recruitment.record import AccrualRecord
from simulation.randomization.chart_file import INK, MUTED, check_chart_file, styled, write_chart

_COLOUR: Final = "#0b4f8a"
_CAME: Final = "#b5480f"
_WIDTH, _HEIGHT = 620, 340
_BANDS: Final = ((0.05, 0.95, 0.16), (0.25, 0.75, 0.30))
"""From, to, opacity, as in the charts of a simulation."""


def write_fan_plot(found: RecruitmentForecast, file: Path) -> None:
    """Write the fan to `file` (.svg or .png), with what it says above it. Raises PlotError."""
    check_chart_file(file)
    import altair as alt  # after the checks: it takes a while

    title = alt.TitleParams(
        f"{found.record.name}: recruitment, and what is to come",
        subtitle=_says(found),
        anchor="start",
        color=INK,
        subtitleColor=MUTED,
    )
    chart = fan_chart(found).properties(width=_WIDTH, height=_HEIGHT, title=title)
    write_chart(styled(chart), file)


def fan_chart(found: RecruitmentForecast) -> Any:
    """The fan (an Altair chart, not styled): by date where the record knows its own, else by period."""
    import altair as alt

    record = found.record
    so_far = np.r_[0, np.cumsum(record.counts.sum(axis=1))]
    past = [{"at": _at(record, at), "subjects": float(value)} for at, value in enumerate(so_far)]
    edges = [edge for band in _BANDS for edge in band[:2]]
    rows: list[dict[str, Any]] = [
        {"at": _at(record, record.periods), "q50": record.subjects}
        | {_name(edge): record.subjects for edge in edges}
    ]
    bands = {_name(edge): _rising(found, edge) for edge in (*edges, 0.5)}
    rows += [
        {"at": _at(record, record.periods + end)}
        | {name: record.subjects + values[place] for name, values in bands.items()}
        for place, end in enumerate(found.fan)
    ]
    top = max(rows[-1]["q95"], found.question.target or 0, record.subjects + sum(found.came))
    x = _across(alt, found)

    def height(name: str) -> Any:
        return alt.Y(
            f"{name}:Q",
            title="subjects in all",
            scale=alt.Scale(domain=[0, 1.05 * top or 1], nice=False),
            axis=alt.Axis(tickCount=6, format=",~f", domain=False, ticks=False),
        )

    ahead = alt.Chart(alt.Data(values=rows)).encode(x=x)
    layers = [
        ahead.mark_area(color=_COLOUR, opacity=opacity, clip=True).encode(
            y=height(_name(low)), y2=f"{_name(high)}:Q"
        )
        for low, high, opacity in _BANDS
    ]
    layers.append(ahead.mark_line(color=_COLOUR, strokeWidth=2.2, clip=True).encode(y=height("q50")))
    layers.append(
        alt.Chart(alt.Data(values=past))
        .mark_line(color=INK, strokeWidth=2.2, clip=True)
        .encode(x=x, y=height("subjects"))
    )
    layers.append(
        alt.Chart(alt.Data(values=[{"at": _at(record, record.periods)}]))
        .mark_rule(color=MUTED, strokeDash=[2, 3])
        .encode(x=x)
    )
    if found.came:
        values = record.subjects + np.r_[0, np.cumsum(found.came)]
        later = [
            {"at": _at(record, record.periods + at), "subjects": float(value)}
            for at, value in enumerate(values)
            if at <= found.periods
        ]
        layers.append(
            alt.Chart(alt.Data(values=later))
            .mark_line(color=_CAME, strokeWidth=1.8, strokeDash=[5, 3], clip=True)
            .encode(x=x, y=height("subjects"))
        )
    if found.question.target is not None:
        layers += _target(alt, x, height, found.question.target, _at(record, 0))
        layers += _reached(alt, found, x, height, found.question.target)
    return alt.layer(*layers)


def _rising(found: RecruitmentForecast, share: float) -> list[int]:
    """A quantile by the end of each period of the fan, as `found.quantile` gives them one by one."""
    return list(accumulate((law.quantile(share) for law in found.fan.values()), max))


def _at(record: AccrualRecord, period: float) -> str | float:
    """The end of a period on the axis: its date, or its number where the record knows no dates."""
    if record.ends_on is None:
        return period
    return (record.ends_on + timedelta(days=round((period - record.periods) * record.days))).isoformat()


def _across(alt: Any, found: RecruitmentForecast) -> Any:
    record = found.record
    domain = [_at(record, 0), _at(record, record.periods + found.periods)]
    if record.ends_on is None:
        scale = alt.Scale(domain=domain, nice=False)
        return alt.X(
            "at:Q",
            title=f"period of {record.days:g} days",
            scale=scale,
            axis=alt.Axis(grid=False, tickCount=8),
        )
    scale = alt.Scale(domain=[alt.DateTime(**_parts(str(one))) for one in domain], nice=False)
    return alt.X("at:T", title=None, scale=scale, axis=alt.Axis(grid=False, tickCount=8, format="%b %Y"))


def _parts(on: str) -> dict[str, int]:
    year, month, day = map(int, on.split("-"))
    return {"year": year, "month": month, "date": day}


def _name(share: float) -> str:
    return f"q{round(100 * share):02d}"


def _target(alt: Any, x: Any, height: Any, target: int, begins: str | float) -> list[Any]:
    at = alt.Chart(alt.Data(values=[{"at": begins, "subjects": target, "text": f"target {target:,}"}]))
    return [
        at.mark_rule(color=MUTED, strokeWidth=1).encode(y=height("subjects")),
        at.mark_text(color=MUTED, align="left", dx=6, dy=9, fontSize=11).encode(
            x=x, y=height("subjects"), text="text:N"
        ),
    ]


def _reached(alt: Any, found: RecruitmentForecast, x: Any, height: Any, target: int) -> list[Any]:
    """The time at which the target is reached: its median with the 90 % interval, as far as the fan goes."""
    if found.completion is None or found.record.subjects >= target:
        return []
    times = [min(one, found.periods) for one in (found.completion[0], found.completion[-1])]
    low, high = (_at(found.record, found.record.periods + one) for one in times)
    drawn = [
        alt.Chart(alt.Data(values=[{"at": low, "to": high, "subjects": target}]))
        .mark_rule(color=INK, strokeWidth=4, opacity=0.75, clip=True)
        .encode(x=x, x2="to", y=height("subjects"))
    ]
    if found.completion[2] <= found.periods:
        middle = _at(found.record, found.record.periods + found.completion[2])
        drawn.append(
            alt.Chart(alt.Data(values=[{"at": middle, "subjects": target}]))
            .mark_point(color=INK, filled=True, size=70, opacity=1)
            .encode(x=x, y=height("subjects"))
        )
    return drawn


def _says(found: RecruitmentForecast) -> list[str]:
    end, fitted = found.periods, found.choice.fit
    weak = {"prior": " THE PRIOR: nobody was recruited yet.", "few data": " FEW DATA: the prior weighs."}
    lines = [
        "Line: median. Dark band: the middle half. Light band: 90 % interval. Dotted: the census."
        + (" Dashed: what came." if found.came else ""),
        f"{fitted.pattern.says.capitalize()}: {found.quantile(end, 0.05)} to {found.quantile(end, 0.95)} "
        f"subjects in the next {found.periods} "
        f"periods (90 %), median {found.quantile(end, 0.5)}"
        + (f"; {sum(found.came)} came." if found.came else ".")
        + weak.get(fitted.basis, ""),
    ]
    if found.completion is not None:
        early, middle, late = (found.completion[at] for at in (0, 2, 4))
        if isfinite(late):
            lines.append(
                f"Target (thick line) after {early:.1f} to {late:.1f} more periods (90 %), median {middle:.1f}."
            )
        else:
            lines.append("The target may never be reached.")
    return lines

"""The fit as small multiples: what was observed as bars, what the fitted scenario expects as a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulation.fitting.day_laws import Days, day_shares
from simulation.fitting.scenario_fit import ScenarioFit
from simulation.fitting.supplying import Lane, lane_shares
from simulation.randomization.chart_file import INK, MUTED, check_chart_file, styled, write_chart
from simulation.scenario import DayLaw

_SEEN: Final = "#b9cbdc"
_FITTED: Final = "#b5480f"
_WIDTH, _HEIGHT, _COLUMNS = 300, 190, 3
_MOST_LANES: Final = 4
"""Laws of delay that are drawn, those with the most shipments."""


def write_fit_plot(fit: ScenarioFit, file: Path) -> None:
    """Write observed against fitted to `file` (.svg or .png). Raises PlotError."""
    check_chart_file(file)
    import altair as alt  # after the checks: it takes a while

    panels = [_recruitment(alt, fit)]
    law, days = fit.activation
    panels += _law(alt, "Site openings after the planned day", "days", law.law if law else None, days)
    law, days = fit.screening
    panels += _law(alt, "Screening to decision", "days", law.law if law else None, days)
    if fit.window.observed.any():
        panels.append(
            _bars(
                alt,
                "Visits inside their window",
                "days from the target",
                fit.window.offsets,
                fit.window.observed,
                fit.window.expected,
            )
        )
    if fit.leaving.by_arm and fit.leaving.expected.sum() > 0:
        months = np.arange(1, len(fit.leaving.observed) + 1)
        panels.append(
            _bars(
                alt,
                "Leaving early",
                "month after randomization",
                months,
                fit.leaving.observed,
                fit.leaving.expected,
            )
        )
    dispatched, waits = fit.supply.dispatch
    panels += _law(alt, "Order to dispatch", "days", dispatched.law if dispatched else None, waits)
    for lane in sorted(fit.supply.lanes, key=lambda one: -len(one.delays))[:_MOST_LANES]:
        panels += _lane(alt, lane)
    found = fit.observed
    chart = alt.concat(*panels, columns=_COLUMNS, spacing=34, align="all", bounds="full").properties(
        title=alt.TitleParams(
            f"{found.study_id}: the fitted scenario against what the ledger has",
            subtitle=[
                f"{found.entries} entries, {found.begins_on} to {found.as_of}. Bars: observed; line: expected under the fit.",
                "Days that a weekend moved, and what is not over yet, are shared out over the days that they may be.",
            ],
            anchor="start",
            color=INK,
            subtitleColor=MUTED,
        )
    )
    write_chart(styled(chart), file)


def _recruitment(alt: Any, fit: ScenarioFit) -> Any:
    """Cumulative screenings against their expectation, and what recruitment without the sites' own rates could have given."""
    part = fit.recruitment
    step = max(len(part.days) // 200, 1)
    seen, fitted = np.cumsum(part.observed), np.cumsum(part.expected)
    data = [
        {"day": part.days[at].isoformat(), "screened": float(values[at]), "what": what}
        for what, values in (("observed", seen), ("fitted", fitted))
        for at in [*range(0, len(part.days), step), len(part.days) - 1]
    ]
    x = alt.X("day:T", title="date", axis=alt.Axis(format="%b %y", tickCount=5))
    y = alt.Y("screened:Q", title="screened in all")
    base = alt.Chart(alt.Data(values=data)).encode(x=x, y=y)
    area = base.transform_filter("datum.what == 'observed'").mark_area(color=_SEEN)
    line = base.transform_filter("datum.what == 'fitted'").mark_line(color=_FITTED, strokeWidth=1.8)
    return _panel(
        alt, area + line, "Recruitment", f"{int(seen[-1])} screened at {len(fit.observed.sites)} sites"
    )


def _law(alt: Any, title: str, axis: str, law: DayLaw | None, days: Sequence[Days]) -> list[Any]:
    if law is None or not days:
        return []
    return [_days(alt, title, axis, *day_shares(law), days)]


def _lane(alt: Any, lane: Lane) -> list[Any]:
    if not lane.delays:
        return []
    days, shares = lane_shares(lane.law, lane.hold_probability, lane.hold)
    of = lane.country or ("all countries" if lane.alone else "other countries")
    return [_days(alt, f"Shipments, {of}", "days beyond the lead time", days, shares, lane.delays)]


def _days(alt: Any, title: str, axis: str, days: Any, shares: Any, observed: Sequence[Days]) -> Any:
    """Observed days shared out by the law over the days that each may be, against what the law expects."""
    seen = np.zeros(len(days))
    outside: dict[int, float] = {}
    for low, high in observed:
        inside = shares * ((days >= low) & (days <= (high if high is not None else days[-1])))
        if inside.sum() > 0:
            seen += inside / inside.sum()
        elif high is not None:
            outside[high] = outside.get(high, 0.0) + 1
    shown = np.flatnonzero((seen > 0.05) | (shares * len(observed) > 0.05))
    kept = slice(shown[0], shown[-1] + 1)
    at = np.r_[days[kept], list(outside)]
    return _bars(
        alt,
        title,
        axis,
        at,
        np.r_[seen[kept], list(outside.values())],
        np.r_[shares[kept] * len(observed), np.zeros(len(outside))],
    )


def _bars(alt: Any, title: str, axis: str, at: Any, observed: Any, expected: Any) -> Any:
    rows = sorted(zip(at, observed, expected, strict=True))
    data = [{"at": int(x), "observed": float(seen), "fitted": float(fitted)} for x, seen, fitted in rows]
    low, high = min(row["at"] for row in data), max(row["at"] for row in data)
    # As many pixels for each bar as there is room for, with a gap between them.
    width = max(min(0.8 * _WIDTH / (high - low + 2), 26.0), 1.5)
    x = alt.X(
        "at:Q",
        title=axis,
        axis=alt.Axis(tickMinStep=1, grid=False),
        scale=alt.Scale(domain=[low - 0.7, high + 0.7], nice=False),
    )
    base = alt.Chart(alt.Data(values=data)).encode(x=x)
    bars = base.mark_bar(size=width, color=_SEEN).encode(y=alt.Y("observed:Q", title="number"))
    line = base.mark_line(
        color=_FITTED, strokeWidth=1.8, point=alt.OverlayMarkDef(size=18, color=_FITTED)
    ).encode(y="fitted:Q")
    return _panel(alt, bars + line, title, f"{round(float(np.sum(observed)))} observed")


def _panel(alt: Any, chart: Any, title: str, subtitle: str) -> Any:
    return chart.properties(
        width=_WIDTH,
        height=_HEIGHT,
        title=alt.TitleParams(
            title, subtitle=subtitle, anchor="start", fontSize=13, color=INK, subtitleColor=MUTED, offset=6
        ),
    )

"""The recruitment part of the planner's page: the fan, when the target is reached, and how earlier forecasts did. It knows no kit type."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboards.html_table import Cell, Column, Marked, html_table
from dashboards.look import day, number
from dashboards.planner.outlook import Outlook
from dashboards.planner.vega_chart import show_chart
from forecasting.recruitment.fan_plot import fan_chart

_HEIGHT = 380
_AHEAD = 13
_BASIS = {
    "prior": "Nobody was randomized yet: this is the prior alone.",
    "few data": "Few data: the prior weighs in it.",
}


def show_outlook(outlook: Outlook) -> None:
    """The figures, the fan, and beside it the track record."""
    _figures(outlook)
    left, right = st.columns([8, 5], gap="large")
    with left:
        found = outlook.forecast
        st.subheader("Recruitment, and what is to come", anchor=False)
        show_chart(
            fan_chart(found).properties(height=_HEIGHT),
            "recruitment_fan",
            f"{found.record.subjects} subjects randomized until {outlook.census.at}; forecast for {found.periods} weeks",
            stretch=True,
        )
        st.html(f'<div class="rtsm-as-of">{escape(" ".join(_reading(outlook)))}</div>')
    with right:
        st.subheader("Track record", anchor=False)
        _track_record(outlook)


def _figures(outlook: Outlook) -> None:
    found, target = outlook.forecast, outlook.forecast.question.target
    with st.container(horizontal=True, gap="small", key="recruitment_figures"):
        _figure(
            "Randomized" if target is None else f"Randomized of {number(target)}",
            number(found.record.subjects),
            f"until {outlook.census.at}",
        )
        if target is not None:
            reached = outlook.reached()
            if reached is None:
                _figure("Target", "reached", f"{number(found.record.subjects)} of {number(target)}")
            else:
                early, middle, late = reached
                note = f"{day(early)} to {day(late)}" if late else f"{day(early)} or later, perhaps never"
                _figure("Target reached, median", day(middle) if middle else "not in sight", note)
        ahead = min(_AHEAD, found.periods)
        end = max(one for one in found.fan if one <= ahead) if min(found.fan) <= ahead else min(found.fan)
        low, middle_count, high = (found.quantile(end, share) for share in (0.05, 0.5, 0.95))
        _figure(f"To come in {end} weeks, median", number(middle_count), f"{number(low)} to {number(high)}")
        rate = found.choice.fit.mean * found.record.goes_on.sum()
        _figure(
            "Subjects a week, at the census", f"{rate:.1f}", f"{int(found.record.goes_on.sum())} sites open"
        )


def _figure(label: str, value: str, note: str) -> None:
    st.metric(
        label,
        value,
        note,
        delta_color="off",
        delta_arrow="off",
        border=True,
        width="stretch",
        help="Intervals are 90 % ones: from the 5 % to the 95 % quantile.",
    )


def _reading(outlook: Outlook) -> list[str]:
    found = outlook.forecast
    fitted = found.choice.fit
    says = fitted.pattern.says
    lines = [
        "Black: randomized. Blue: forecast, its median, middle half and 90 % interval."
        + (" Thick: when the target is reached, 90 % interval." if outlook.reached() else "")
        + (" Dashed: what came after it, at the sites open then." if found.came else ""),
        f"{says[0].upper()}{says[1:]}: {found.choice.why}.",
        "Sites that are still to open are not counted on.",
    ]
    return [*lines, *([_BASIS[fitted.basis]] if fitted.basis in _BASIS else [])]


def _track_record(outlook: Outlook) -> None:
    if outlook.scored is None:
        st.html(
            '<div class="rtsm-empty">No earlier forecast of recruitment can be scored yet. Keep this one, or make some of past days: '
            f"<code>rtsm forecast recruitment --study {escape(outlook.census.study_id)} --at DATE</code></div>"
        )
        return
    st.html(f'<div class="rtsm-as-of">{escape(outlook.scored.verdict)}</div>')
    rows: list[list[Cell]] = [
        [
            day(one.census),
            day(one.until),
            number(one.median),
            f"{number(one.low)} to {number(one.high)}",
            number(one.came),
            Marked("within", "muted")
            if one.held
            else Marked("above" if one.came > one.high else "below", "alert"),
        ]
        for one in outlook.past
    ]
    columns = [
        Column("Forecast on"),
        Column("Until"),
        Column("Median", numbers=True),
        Column("90 % interval", numbers=True),
        Column("Came", numbers=True),
        Column(""),
    ]
    st.html(html_table("Earlier forecasts against what came", columns, rows, empty="None.", max_height=300))
    st.caption(
        f"Subjects randomized in that time at the sites that were open, by the ledger to {outlook.scored_to}; the longest time of each "
        "forecast that is over."
    )

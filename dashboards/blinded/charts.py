"""The charts of the overview, as Plotly figures made from the blinded view alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from itertools import accumulate

import plotly.graph_objects as go

from allocation.views.blinded.overview_models import DayCount, StudyOverview
from dashboards.look import (
    INK,
    MUTED,
    PAPER,
    PLAN,
    PLAN_FILL,
    RANDOMIZED,
    SCREENED,
    STATUS_COLOURS,
    STATUS_WORDS,
    chart_layout,
    number,
)

CURVE_HEIGHT = 380
LEAST_SHARE_FOR_TEXT = 0.05


def enrolment_curve(overview: StudyOverview, *, whole_study: bool) -> go.Figure:
    """Screened and randomized subjects over time against the planned line; without the plan for a part of the study."""
    enrolment, today = overview.enrolment, overview.as_of.date()
    plan = enrolment.plan
    figure = go.Figure(layout=chart_layout(CURVE_HEIGHT))
    if whole_study and plan.planned_start and plan.planned_enrolment_end:
        figure.add_scatter(
            x=[plan.planned_start, plan.planned_enrolment_end],
            y=[0, plan.planned_subjects],
            name="Planned randomized",
            mode="lines",
            line={"color": PLAN, "width": 2, "dash": "dash"},
            hovertemplate="planned: %{y:,.0f}<extra></extra>",
        )
        figure.update_xaxes(range=[plan.planned_start, max(plan.planned_enrolment_end, today)])
    for name, days, colour, width in (
        ("Screened", enrolment.screened_by_day, SCREENED, 2.2),
        ("Randomized", enrolment.randomized_by_day, RANDOMIZED, 3.0),
    ):
        moments, totals = cumulated(days, today)
        figure.add_scatter(
            x=moments,
            y=totals,
            name=f"{name} {number(totals[-1]) if totals else 0}",
            mode="lines",
            line={"color": colour, "width": width, "shape": "hv"},
            hovertemplate=f"{name.lower()}: %{{y:,.0f}}<extra></extra>",
        )
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(showgrid=False, tickformat="%b\n%Y", hoverformat="%Y-%m-%d")
    figure.update_yaxes(rangemode="tozero", tickformat=",d", title={"text": "Subjects"})
    return figure


def cumulated(days: Sequence[DayCount], today: date) -> tuple[list[date], list[int]]:
    """Dates and the total up to each, carried on to `today`."""
    moments = [one.day for one in days]
    totals = list(accumulate(one.subjects for one in days))
    if moments and moments[-1] < today:
        moments.append(today)
        totals.append(totals[-1])
    return moments, totals


def country_bars(overview: StudyOverview) -> go.Figure:
    """Randomized subjects by country (narrow bars) over the country's plan (wide pale bars), the largest plan on top."""
    countries = sorted(overview.enrolment.countries, key=lambda one: (one.planned_subjects, one.name))
    names = [one.name for one in countries]
    figure = go.Figure(layout=chart_layout(max(140, 34 + 29 * len(countries))))
    figure.add_bar(
        y=names,
        x=[one.planned_subjects for one in countries],
        orientation="h",
        name="Planned",
        width=0.78,
        marker={"color": PLAN_FILL},
        hovertemplate="%{y}: %{x:,d} planned<extra></extra>",
    )
    figure.add_bar(
        y=names,
        x=[one.counts.randomized for one in countries],
        orientation="h",
        name="Randomized",
        width=0.42,
        marker={"color": RANDOMIZED},
        hovertemplate="%{y}: %{x:,d} randomized<extra></extra>",
    )
    for one in countries:
        figure.add_annotation(
            y=one.name,
            x=max(one.planned_subjects, one.counts.randomized),
            text=f"{number(one.counts.randomized)} / {number(one.planned_subjects)}",
            xanchor="left",
            xshift=5,
            showarrow=False,
            font={"size": 13, "color": INK},
        )
    figure.update_layout(barmode="overlay")
    furthest = max((max(one.planned_subjects, one.counts.randomized) for one in countries), default=1)
    figure.update_xaxes(visible=False, range=[0, max(furthest, 1) * 1.18])
    figure.update_yaxes(showgrid=False, tickfont={"color": INK})
    return figure


def stock_bars(overview: StudyOverview, kit_group: str | None) -> go.Figure:
    """Kits by place, stacked by status; of one look, or with None of all. Sites are shown as one place."""
    kits: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in overview.stock:
        if kit_group is None or one.kit_group == kit_group:
            kits[place_name(one.place_kind, one.place)][STATUS_WORDS[one.status]] += one.kits
    places = sorted(kits, key=_order_of_place, reverse=True)
    most = max((sum(statuses.values()) for statuses in kits.values()), default=0)
    figure = go.Figure(layout=chart_layout(max(170, 66 + 36 * len(places))))
    for status, colour in STATUS_COLOURS.items():
        counts = [kits[place].get(status, 0) for place in places]
        if not any(counts):
            continue
        figure.add_bar(
            y=places,
            x=counts,
            orientation="h",
            name=status,
            marker={"color": colour, "line": {"color": PAPER, "width": 1}},
            text=[number(count) if count > most * LEAST_SHARE_FOR_TEXT else "" for count in counts],
            textposition="inside",
            insidetextanchor="middle",
            textfont={"color": PAPER if _is_dark(colour) else INK},
            hovertemplate=f"%{{y}}: %{{x:,d}} {status.lower()}<extra></extra>",
        )
    for place in places:
        figure.add_annotation(
            y=place,
            x=sum(kits[place].values()),
            text=number(sum(kits[place].values())),
            xanchor="left",
            xshift=5,
            showarrow=False,
            font={"size": 13, "color": MUTED},
        )
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(visible=False, range=[0, max(most, 1) * 1.1])
    figure.update_yaxes(showgrid=False, tickfont={"color": INK})
    return figure


def place_name(place_kind: str, place: str) -> str:
    """What a row of the stock is called; every site is part of one row."""
    named = {
        "depot": f"Depot {place}",
        "transit": "In transit",
        "site": "Sites",
        "subject": "With subjects",
        "returned": "Returned",
        "destroyed": "Destroyed",
        "lost": "Lost",
    }
    return named[place_kind]


def _order_of_place(name: str) -> tuple[int, str]:
    order = ("Depot", "In transit", "Sites", "With subjects", "Returned", "Lost", "Destroyed")
    return next(index for index, start in enumerate(order) if name.startswith(start)), name


def _is_dark(colour: str) -> bool:
    """Whether white text reads better on the colour than ink (relative luminance of WCAG 2.2)."""
    return luminance(colour) < 0.22


def luminance(colour: str) -> float:
    """The relative luminance of a colour such as #0b4f8a, 0 (black) to 1 (white): WCAG 2.2, definition of relative luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

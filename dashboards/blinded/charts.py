"""The charts of the overview, as Plotly figures made from the blinded view alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

import plotly.graph_objects as go

from allocation.views.blinded.overview_models import DayCount, StudyOverview
from dashboards.look import (
    INK,
    MUTED,
    PAPER,
    PAST_LAST_DAY,
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


@dataclass(frozen=True, slots=True)
class AgainstPlan:
    """A country or a site: its name, and its randomized and planned subjects."""

    name: str
    randomized: int
    planned: int


def against_plan(overview: StudyOverview, *, whole_study: bool) -> list[AgainstPlan]:
    """The countries of the whole study; for a reader of a part of it the sites, since a country's plan is not theirs."""
    if whole_study:
        found = [
            AgainstPlan(one.name, one.counts.randomized, one.planned_subjects)
            for one in overview.enrolment.countries
        ]
    else:
        found = [
            AgainstPlan(f"{one.name} ({one.site_id})", one.counts.randomized, one.planned_subjects)
            for one in overview.enrolment.sites
        ]
    return sorted(found, key=lambda one: (-one.planned, one.name))


def plan_bars(parts: Sequence[AgainstPlan]) -> go.Figure:
    """Randomized subjects (narrow bars) over the plan (wide pale bars), the first on top."""
    names = [one.name for one in parts]
    figure = go.Figure(layout=chart_layout(34 + 29 * max(len(parts), 3)))
    figure.add_bar(
        y=names,
        x=[one.planned for one in parts],
        orientation="h",
        name="Planned",
        width=0.78,
        marker={"color": PLAN_FILL},
        hovertemplate="%{y}: %{x:,d} planned<extra></extra>",
    )
    figure.add_bar(
        y=names,
        x=[one.randomized for one in parts],
        orientation="h",
        name="Randomized",
        width=0.42,
        marker={"color": RANDOMIZED},
        hovertemplate="%{y}: %{x:,d} randomized<extra></extra>",
    )
    for one in parts:
        figure.add_annotation(
            y=one.name,
            x=max(one.planned, one.randomized),
            text=f"{number(one.randomized)} / {number(one.planned)}",
            xanchor="left",
            xshift=5,
            showarrow=False,
            font={"size": 13, "color": INK},
        )
    figure.update_layout(barmode="overlay")
    furthest = max((max(one.planned, one.randomized) for one in parts), default=1)
    figure.update_xaxes(visible=False, range=[0, max(furthest, 1) * 1.18])
    figure.update_yaxes(showgrid=False, tickfont={"color": INK}, autorange="reversed")
    return figure


SUPPLY_CHAIN = {"depot": "Depot {place}", "transit": "In transit", "site": "Sites"}
"""Where kits wait or travel -> what a row of the chart is called; every site is part of one row."""


def stock_bars(overview: StudyOverview, kit_group: str | None) -> go.Figure:
    """Kits at depots, in transit and at sites, stacked by status; of one look, or with None of all."""
    kits = stock_by_place(overview, kit_group)
    places = list(reversed(kits))
    most = max((sum(statuses.values()) for statuses in kits.values()), default=0)
    figure = go.Figure(layout=chart_layout(66 + 42 * max(len(places), 2)))
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
            textangle=0,
            textfont={"color": PAPER if _is_dark(colour) else INK, "size": 13},
            hovertemplate=f"%{{y}}: %{{x:,d}} {status.lower()}<extra></extra>",
        )
    for place in places:
        counted = [count for count in kits[place].values() if count]
        total = sum(counted)
        # A bar of one part that has its number inside needs no second one.
        if len(counted) != 1 or total <= most * LEAST_SHARE_FOR_TEXT:
            figure.add_annotation(
                y=place,
                x=total,
                text=number(total),
                xanchor="left",
                xshift=5,
                showarrow=False,
                font={"size": 13, "color": MUTED},
            )
    figure.update_layout(barmode="stack", bargap=0.35, legend_traceorder="normal")
    figure.update_xaxes(visible=False, range=[0, max(most, 1) * 1.1])
    figure.update_yaxes(showgrid=False, tickfont={"color": INK})
    return figure


def stock_by_place(overview: StudyOverview, kit_group: str | None) -> dict[str, dict[str, int]]:
    """Kits in the supply chain: row of the chart -> word of the status -> kits, depots first; of one look, or with None of all."""
    kits: dict[str, dict[str, int]] = {}
    for kind, name in SUPPLY_CHAIN.items():
        for one in overview.stock:
            if one.place_kind == kind and kit_group in (None, one.kit_group):
                row = kits.setdefault(name.format(place=one.place), defaultdict(int))
                row[STATUS_WORDS[one.status]] += one.kits
    for expiring in overview.expiries_ahead:
        if expiring.days_left < 0 and kit_group in (None, expiring.kit_group):
            row = kits[SUPPLY_CHAIN[expiring.place_kind].format(place=expiring.place)]
            # What may no more be dispensed is of no use, whatever its status says.
            past = min(expiring.kits, row["Available"])
            row["Available"] -= past
            row[PAST_LAST_DAY] += past
    return kits


def stock_elsewhere(overview: StudyOverview, kit_group: str | None) -> str:
    """In words, the kits that have left the supply chain: with subjects, returned, lost, destroyed."""
    kits: dict[str, int] = defaultdict(int)
    for one in overview.stock:
        if one.place_kind not in SUPPLY_CHAIN and kit_group in (None, one.kit_group):
            kits[STATUS_WORDS[one.status].lower()] += one.kits
    return ", ".join(
        f"{number(count)} {status}" for status, count in sorted(kits.items(), key=lambda one: -one[1])
    )


def _is_dark(colour: str) -> bool:
    """Whether white text reads better on the colour than ink (relative luminance of WCAG 2.2)."""
    return luminance(colour) < 0.22


def luminance(colour: str) -> float:
    """The relative luminance of a colour such as #0b4f8a, 0 (black) to 1 (white): WCAG 2.2, definition of relative luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

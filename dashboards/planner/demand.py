"""The demand part of the planner's page: kits by type and week at a place, by what causes them, and the sites at risk. Unblinded."""

from __future__ import annotations

from datetime import date, timedelta
from html import escape
from typing import Any, Final

import polars as pl
import streamlit as st

from dashboards.html_table import Cell, Column, Marked, html_table
from dashboards.look import number
from dashboards.planner.vega_chart import show_chart
from forecasting.calibration.facts import Facts
from forecasting.calibration.scorecard import Scorecard
from forecasting.demand.kept_tables import KeptTable
from forecasting.demand.study_demand import DAYS, SCOPES
from forecasting.demand.study_plot import LEVELS_SHOWN, fan_panel, kits_before, kits_since, middle_of
from forecasting.demand.study_rows import ALL_PARTS, NOT_MET
from forecasting.demand.trace_demand import PARTS

_WIDTH, _HEIGHT, _ACROSS = 348, 190, 3
_SITES = 12
PART_COLOURS: Final = ("#0b4f8a", "#1b8fa0", "#a9cdea")
_SCOPE_WORDS: Final = {"study": "Whole study", "depot": "Depot", "country": "Country", "site": "Site"}


def show_demand(table: KeptTable, rows: pl.DataFrame, facts: Facts, card: Scorecard) -> None:
    """The forecast of a kept table at a place that the reader chooses. `rows`: the table's."""
    scope, place = _chosen_place(table)
    here = rows.filter(scope=scope, place=place, measure="kits")
    names = [*table.kit_types, ALL_PARTS]
    came = facts.rows if scope == "study" else facts.rows.filter(pl.col(scope) == place)
    _fans(table, here, came, facts.as_of, names)
    left, right = st.columns([7, 6], gap="large")
    with left:
        st.subheader(f"Kits due in {table.weeks} weeks", anchor=False)
        st.html(_totals(table, here, names))
        for line in card.short(("kits_dispensed",)):
            st.caption(line)
        _risks(table)
    with right:
        st.subheader("Why kits are due", anchor=False)
        _parts(here, names)


def _chosen_place(table: KeptTable) -> tuple[str, str]:
    left, right, _ = st.columns([2, 2, 3])
    scope = left.segmented_control(
        "Place", SCOPES, default="study", format_func=_SCOPE_WORDS.__getitem__, key="demand_scope"
    )
    if scope in (None, "study"):
        return "study", table.places["study"][0]
    place = right.selectbox(_SCOPE_WORDS[scope], table.places[scope], key=f"demand_{scope}")
    return scope, place


def _fans(table: KeptTable, here: pl.DataFrame, facts: pl.DataFrame, as_of: date, names: list[str]) -> None:
    over = min((as_of - table.begins_on).days // DAYS, table.weeks)
    panels = []
    for name in names:
        kit_type = None if name == ALL_PARTS else name
        weeks = here.filter(kit_type=name, part=ALL_PARTS, cumulative=False).sort("from")
        fan = [
            {"on": middle_of(table.begins_on, week)} | {level: row[level] for level in LEVELS_SHOWN}
            for week, row in enumerate(weeks.iter_rows(named=True))
        ]
        before = kits_before(facts, table.ledger_position, table.begins_on, kit_type)
        since = kits_since(facts, table.ledger_position, table.begins_on, max(over, 0), kit_type)
        whole = _whole(here, name, ALL_PARTS)
        seen = f"; {sum(one['kits'] for one in since):.0f} came" if len(since) == table.weeks else ""
        said = f"{whole['q50']:.0f} in {table.weeks} weeks ({whole['q05']:.0f} to {whole['q95']:.0f}){seen}"
        title = "all kits" if kit_type is None else name
        panels.append(
            fan_panel(title, said, fan, before, since, table.begins_on).properties(
                width=_WIDTH, height=_HEIGHT
            )
        )
    import altair as alt

    show_chart(
        alt.concat(*panels, columns=_ACROSS, spacing=28, align="all", bounds="full"),
        "demand_fans",
        f"Kits due by week and kit type for {table.weeks} weeks from {table.begins_on}",
    )
    st.caption(
        "Black: dispensed until the census. Blue: due, median, middle half and 90 % interval."
        + (" Dashed: dispensed since." if over > 0 else "")
    )


def _whole(here: pl.DataFrame, name: str, part: str) -> dict[str, Any]:
    found = here.filter(kit_type=name, part=part, cumulative=True).sort("until")
    return found.row(-1, named=True)


def _totals(table: KeptTable, here: pl.DataFrame, names: list[str]) -> str:
    columns = [
        Column("Kit type"),
        Column("Median", numbers=True),
        Column("90 % interval", numbers=True),
        *(Column(part, numbers=True) for part in (*(one.capitalize() for one in PARTS), "Not met")),
    ]
    rows: list[list[Cell]] = []
    for name in names:
        whole = _whole(here, name, ALL_PARTS)
        lacking = _whole(here, name, NOT_MET)["mean"]
        rows.append(
            [
                "all kits" if name == ALL_PARTS else name,
                number(whole["q50"]),
                f"{number(whole['q05'])} to {number(whole['q95'])}",
                *(f"{_whole(here, name, part)['mean']:,.1f}" for part in PARTS),
                Marked(f"{lacking:.2f}", "alert") if lacking >= 0.5 else f"{lacking:.2f}",
            ]
        )
    until = table.begins_on + timedelta(days=DAYS * table.weeks - 1)
    return html_table(f"Kits due from {table.begins_on} to {until}", columns, rows, empty="None.")


def _parts(here: pl.DataFrame, names: list[str]) -> None:
    """The mean of each part by week, one on top of the other, of a kit type or of all."""
    import altair as alt

    words = {ALL_PARTS: "all kits"}
    name = st.segmented_control(
        "Kit type",
        [ALL_PARTS, *(one for one in names if one != ALL_PARTS)],
        default=ALL_PARTS,
        format_func=lambda one: words.get(one, one),
        key="demand_part_type",
        label_visibility="collapsed",
    )
    weeks = here.filter(kit_type=name or ALL_PARTS, cumulative=False)
    bars = [
        {"on": row["from"].isoformat(), "part": part, "order": order, "kits": row["mean"]}
        for order, part in enumerate(PARTS)
        for row in weeks.filter(part=part).sort("from").iter_rows(named=True)
    ]
    chart = (
        alt.Chart(alt.Data(values=bars))
        .mark_area(interpolate="monotone", line=False)
        .encode(
            x=alt.X("on:T", title=None, axis=alt.Axis(format="%b %y", tickCount=6, grid=False)),
            y=alt.Y(
                "kits:Q",
                stack="zero",
                title="kits in a week, mean",
                axis=alt.Axis(tickCount=5, domain=False, ticks=False),
            ),
            color=alt.Color(
                "part:N",
                sort=list(PARTS),
                title=None,
                scale=alt.Scale(domain=list(PARTS), range=list(PART_COLOURS)),
                legend=alt.Legend(orient="top", symbolType="square"),
            ),
            order=alt.Order("order:Q"),
        )
        .properties(height=_HEIGHT + 20)
    )
    show_chart(chart, "demand_parts", "Mean kits due by week, by what causes them", stretch=True)
    st.caption(
        "Predictable: of subjects on study, whatever is decided. Correlated: titrations to come, replaced kits and subjects. "
        "New: of subjects still to be randomized."
    )


def _risks(table: KeptTable) -> None:
    st.subheader("Sites that may lack a kit", anchor=False)
    rows: list[list[Cell]] = [
        [site, f"{risk:.1%}", f"{mean:.3f}"] for site, risk, mean in table.risks[:_SITES]
    ]
    columns = [
        Column("Site"),
        Column("Probability", numbers=True),
        Column("Visits without their kit, mean", numbers=True),
    ]
    st.html(
        html_table(
            "Sites that may lack a kit",
            columns,
            rows,
            max_height=250,
            empty=f"In none of {number(table.replicates)} replicates did a site lack a kit for a visit.",
        )
    )
    if len(table.risks) > _SITES:
        st.caption(
            f"{len(table.risks)} sites lacked one in some replicate; the first {_SITES} are shown. "
            "No lots are counted on but those that are there and those that the assumptions have."
        )


def basis_html(table: KeptTable) -> str:
    """What the forecast rests on, in a line."""
    low, middle, high = table.new_subjects
    weak = f" {table.weak} assumptions rest on few data or on the prior." if table.weak else ""
    return (
        f'<div class="rtsm-as-of">Forecast on <b>{table.census}</b>, ledger position {number(table.ledger_position)}, '
        f"{number(table.replicates)} replicates. {escape(table.basis)}{weak} Subjects that will be randomized: {number(middle)} "
        f"({number(low)} to {number(high)}).</div>"
    )

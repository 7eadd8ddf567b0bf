"""The overview of a study: enrolment against plan, stock, shipments, expiries and the last events, for blinded eyes."""

from __future__ import annotations

import polars as pl
import streamlit as st

from allocation.views.blinded.overview_models import StudyOverview
from dashboards.blinded.charts import against_plan, enrolment_curve, plan_bars, stock_bars, stock_elsewhere
from dashboards.blinded.key_figures import key_figures
from dashboards.blinded.overview_tables import events_table, expiries_table, shipments_table, site_rows
from dashboards.look import CHART_CONFIG, count_of, number

_TONES = {"neutral": "off", "good": "green", "alert": "red"}


def show_overview(overview: StudyOverview, *, whole_study: bool) -> None:
    """The page below its header. `whole_study`: whether the reader sees all of it, and so may compare with the plan."""
    _figures(overview, whole_study)
    if overview.enrolment.sites:
        _enrolment(overview, whole_study)
    _supply(overview)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Shipments under way", anchor=False)
        st.html(shipments_table(overview))
    with right:
        st.subheader("Last events", anchor=False)
        st.html(events_table(overview))
    if overview.enrolment.sites:
        _sites(overview)


def _figures(overview: StudyOverview, whole_study: bool) -> None:
    with st.container(horizontal=True, gap="small", key="key_figures"):
        for figure in key_figures(overview, whole_study=whole_study):
            st.metric(
                figure.label,
                figure.value,
                figure.note,
                delta_color=_TONES[figure.tone],  # type: ignore[arg-type]  # one of Streamlit's literals
                delta_arrow="off",
                border=True,
                help=figure.explained or None,
                width="stretch",
            )


def _enrolment(overview: StudyOverview, whole_study: bool) -> None:
    total = overview.enrolment.total
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Enrolment against plan" if whole_study else "Enrolment", anchor=False)
        if total.screened == 0:
            st.html('<div class="rtsm-empty">No subject has been screened yet.</div>')
        else:
            st.plotly_chart(
                enrolment_curve(overview, whole_study=whole_study),
                config=CHART_CONFIG,
                theme=None,
                key="enrolment_curve",
                alt=f"{count_of(total.screened, 'subject')} screened and {number(total.randomized)} randomized over time",
            )
    with right:
        st.subheader("Randomized by country" if whole_study else "Randomized by site", anchor=False)
        parts = against_plan(overview, whole_study=whole_study)
        st.plotly_chart(
            plan_bars(parts),
            config=CHART_CONFIG,
            theme=None,
            key="plan_bars",
            alt="; ".join(
                f"{one.name} {number(one.randomized)} of {number(one.planned)} planned" for one in parts
            ),
        )


def _supply(overview: StudyOverview) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Kits by place and status", anchor=False)
        if not overview.stock:
            st.html('<div class="rtsm-empty">No kit is on the books yet.</div>')
        else:
            kit_group = _chosen_look(overview)
            st.plotly_chart(
                stock_bars(overview, kit_group),
                config=CHART_CONFIG,
                theme=None,
                key="stock_bars",
                alt=f"{count_of(sum(one.kits for one in overview.stock), 'kit')} by place and status",
            )
            if elsewhere := stock_elsewhere(overview, kit_group):
                st.caption(f"Elsewhere: {elsewhere}.")
    with right:
        st.subheader("Expiries ahead, 90 days", anchor=False)
        st.html(expiries_table(overview))


def _chosen_look(overview: StudyOverview) -> str | None:
    """The look (blinding group) to show; None for all. With one look there is no choice, and it is only named."""
    looks = sorted({one.kit_group for one in overview.stock})
    if len(looks) == 1:
        st.caption(looks[0])
        return None
    chosen = st.selectbox("Look", ["All", *looks], key="stock_look", label_visibility="collapsed")
    return None if chosen == "All" else chosen


def _sites(overview: StudyOverview) -> None:
    st.subheader("Sites", anchor=False)
    frame = pl.DataFrame(site_rows(overview))
    most = max((share for share in frame["Randomized of plan"] if share is not None), default=0)
    st.dataframe(
        frame,
        hide_index=True,
        height="content" if frame.height <= 12 else 460,
        key="sites",
        alt="Enrolment and stock by site",
        column_config={
            "Site": st.column_config.TextColumn(pinned=True, width="small"),
            "Opened": st.column_config.DateColumn(format="YYYY-MM-DD"),
            "Randomized of plan": st.column_config.ProgressColumn(
                format="%d%%", min_value=0, max_value=max(most, 100)
            ),
        },
    )

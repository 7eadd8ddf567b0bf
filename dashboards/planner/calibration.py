"""The calibration part of the planner's page: kept forecasts of the study against what came. Unblinded: it has kits."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboards.html_table import Cell, Column, html_table
from dashboards.look import number
from dashboards.planner.vega_chart import show_chart
from forecasting.calibration.card_plot import card_chart
from forecasting.calibration.scorecard import UNITS, Scorecard, Scored


def show_calibration(card: Scorecard) -> None:
    """The sentences, the table, and PIT and coverage of each measure and scope."""
    st.html(
        f'<div class="rtsm-as-of"><b>{number(card.forecasts)}</b> kept forecasts against the ledger to <b>{card.as_of}</b>; '
        f"{number(card.waiting)} numbers wait for their time to be over."
        + (f" {card.other_ledger} forecasts of another ledger are left out." if card.other_ledger else "")
        + "</div>"
    )
    if not card.groups:
        st.info(
            "Nothing can be scored yet. Every forecast of the study is kept and scored once its time is over; past days can be forecast "
            f"as known then: `rtsm forecast demand --study {card.study_id} --at DATE`, and `rtsm forecast recruitment` alike."
        )
        return
    st.subheader("In plain words", anchor=False)
    said = "".join(
        f"<li>{escape(UNITS[one.measure].capitalize())} by {escape(one.scope)}: {escape(one.verdict)}</li>"
        for one in card.groups
    )
    st.html(f"<ul>{said}</ul>")
    st.subheader("Scores", anchor=False)
    st.html(_table(card.groups))
    st.caption(
        "Held / said: intervals that had what came, and the probability that they gave to themselves. Apart in time: windows that do not "
        "overlap. CRPS: in the unit of the forecast, lower is better. PIT mean: above 0.5, more came. Brier: of whether there would be any."
    )
    drawn = [one for one in card.groups if one.measure != "stock_outs"]
    if drawn:
        st.subheader("Where what came stood in its forecast, and what intervals held", anchor=False)
        show_chart(
            card_chart(drawn),
            "calibration_card",
            "; ".join(f"{UNITS[one.measure]} by {one.scope}: {one.verdict}" for one in drawn),
        )
        st.caption(
            "Left: PIT in tenths, even (dotted) where calibrated. Right: the share of intervals that held what came (bar), and what they "
            "said (mark)."
        )


def _table(groups: tuple[Scored, ...]) -> str:
    columns = [
        Column("Forecast of"),
        Column("By"),
        Column("Numbers", numbers=True),
        Column("Apart in time", numbers=True),
        *(Column(f"{one.level:.0%} held / said", numbers=True) for one in groups[0].coverage),
        Column("Mean", numbers=True),
        Column("Came", numbers=True),
        Column("CRPS", numbers=True),
        Column("PIT mean", numbers=True),
        Column("Brier", numbers=True),
    ]
    return html_table("Scores of kept forecasts", columns, [_row(one) for one in groups], empty="None.")


def _row(one: Scored) -> list[Cell]:
    counts = one.measure != "stock_outs"
    held = [
        f"{each.covered / one.numbers:.0%} / {each.stated:.0%}" if counts else "" for each in one.coverage
    ]
    return [
        UNITS[one.measure],
        one.scope,
        number(one.numbers),
        number(one.windows),
        *held,
        f"{one.mean:.3g}",
        f"{one.came:.3g}",
        f"{one.crps:.3g}",
        f"{one.pit_mean:.2f}" if counts else "",
        "" if counts else f"{one.brier:.4f}",
    ]

"""The thresholds part of the planner's page: what each risk costs, the choice against rivals and today, and what came of it. Unblinded."""

from __future__ import annotations

from html import escape

import streamlit as st

from allocation.study.tuning_report import SimulatedRow, TuningReport
from allocation.views.unblinded.proposal_models import ComparedParameter
from dashboards.html_table import Cell, Column, Marked, html_table
from dashboards.look import count_of, moment, number
from dashboards.planner.pareto_chart import RISK_WORDS, objective_of, pareto_chart
from dashboards.planner.settings_text import plain, settings_of
from dashboards.planner.tune_reports import TuneReport
from dashboards.planner.vega_chart import show_chart
from simulation.replicates.table import figure

_MOST_RIVALS = 20
_WASTE = ("waste", "kits_wasted")


def choose_report(reports: list[TuneReport], in_force: int) -> TuneReport:
    """The report that the reader chooses; the latest at first."""

    def told(at: int) -> str:
        one = reports[at]
        name = one.proposal.proposal_id if one.proposal else one.file.stem if one.file else ""
        limit = f"{one.read.risk.measure} at most {_percent(one.read.risk.at_most)}"
        return f"{name} · {moment(one.made_at)} · least {one.read.objective.name}, {limit} · {one.state(in_force)[0]}"

    at = st.selectbox("Tune report", range(len(reports)), format_func=told, key="tune_report")
    return reports[at]


def show_report(one: TuneReport, settings: tuple[ComparedParameter, ...] | str, in_force: int) -> None:
    """The report. `settings`: the parameters beside those of today, or why these cannot be told."""
    report = one.read
    _figures(one, in_force)
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.subheader("What each risk costs", anchor=False)
        name = _objective(one)
        show_chart(pareto_chart(report, name), "pareto", _said(report), stretch=True)
        st.caption(
            "Line: none that was tried is cheaper at less risk. Grey: rivals. Diamonds with 95 % intervals; the black tick is the "
            "certified upper bound of the choice."
        )
    with right:
        st.subheader("The choice beside today's settings", anchor=False)
        if isinstance(settings, str):
            st.html(f'<div class="rtsm-empty">{escape(settings)}</div>')
        else:
            st.html(_settings(settings))
    st.subheader("The choice and its rivals", anchor=False)
    st.html(_rivals(one))
    st.caption(
        f"{number(report.replicates_used)} simulated trials in all, seed {report.seed}. Means per trial. The choice and the baseline were "
        "played in fresh replicates that no search had seen; rivals in those of the search."
    )
    _next_step(one)


def _figures(one: TuneReport, in_force: int) -> None:
    report, certificate = one.read, one.read.certificate
    state, tone = one.state(in_force)
    with st.container(horizontal=True, gap="small", key="tune_figures"):
        colours = {"good": "green", "alert": "red", "muted": "off"}
        _figure(
            "State", one.proposal.state.capitalize() if one.proposal else "Not filed", state, colours[tone]
        )
        held = report.certified
        _figure(
            f"Risk, certified with {certificate.confidence:.0%}",
            f"≤ {_percent(certificate.upper_bound)}",
            ("within" if held else "NOT within")
            + f" {_percent(report.risk.at_most)}, {number(certificate.replicates)} trials",
            "green" if held else "red",
        )
        ours = objective_of(report.choice, report)
        _figure(
            f"{_headed(_objective(one))}",
            figure(ours) if ours is not None else "none",
            "mean of the choice",
        )
        base = None if report.baseline is None else objective_of(report.baseline, report)
        if base and ours is not None:
            share = ours / base - 1
            _figure(
                "Against the baseline",
                f"{share:+.1%}",
                f"baseline {figure(base)}",
                "green" if share < 0 else "red",
            )


def _figure(label: str, value: str, note: str, colour: str = "off") -> None:
    st.metric(label, value, note, delta_color=colour, delta_arrow="off", border=True, width="stretch")  # type: ignore[arg-type]


def _objective(one: TuneReport) -> str:
    unit = (one.read.objective.model_extra or {}).get("unit")
    name = one.read.objective.name
    return f"{name}, {unit}" if unit and unit != name else name


def _said(report: TuningReport) -> str:
    measure = RISK_WORDS.get(report.risk.measure, report.risk.measure)
    return (
        f"The choice {settings_of(report.choice)}: {measure} at most {_percent(report.certificate.upper_bound)}, certified; "
        f"{len(report.rivals)} rivals and a front of {len(report.pareto)}"
    )


def _rivals(one: TuneReport) -> str:
    report = one.read
    columns = [
        Column(""),
        Column("Settings", long=True),
        Column(_headed(_objective(one)), numbers=True),
        Column("Waste, kits", numbers=True),
        Column("Shipments", numbers=True),
        Column("Risk", numbers=True),
        Column("95 % interval", numbers=True),
        Column("Certified at most", numbers=True),
    ]
    rows = [_row("Choice", report.choice, report, _percent(report.certificate.upper_bound))]
    if report.baseline is not None:
        rows.append(_row("Baseline", report.baseline, report, ""))
    told = {tuple(report.choice.parameters)}
    for row in report.rivals[:_MOST_RIVALS]:
        if tuple(row.parameters) not in told:
            told.add(tuple(row.parameters))
            rows.append(_row("Rival", row, report, ""))
    rows += [
        _row("On the front", row, report, "") for row in report.pareto if tuple(row.parameters) not in told
    ]
    return html_table("The choice and its rivals", columns, rows, empty="None.", max_height=420)


def _row(what: str, row: SimulatedRow, report: TuningReport, certified: str) -> list[Cell]:
    value, risk = objective_of(row, report), row.risk
    waste = next((row.means[name] for name in _WASTE if name in row.means), None)
    over = risk is not None and risk.estimate > report.risk.at_most
    return [
        what if what in ("Choice", "Baseline") else Marked(what, "muted"),
        settings_of(row),
        _number(value),
        _number(waste),
        _number(row.means.get("shipments")),
        "" if risk is None else Marked(_percent(risk.estimate), "alert") if over else _percent(risk.estimate),
        "" if risk is None else f"{_percent(risk.low)} to {_percent(risk.high)}",
        certified,
    ]


def _percent(share: float) -> str:
    return f"{figure(100 * share)} %"


def _headed(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _number(value: float | None) -> str:
    return "" if value is None else figure(value)


def _settings(compared: tuple[ComparedParameter, ...]) -> str:
    columns = [
        Column("Where"),
        Column("Kit type"),
        Column("Parameter"),
        Column("Today", long=True),
        Column("Chosen", numbers=True),
        Column("Changes at", numbers=True),
    ]
    rows: list[list[Cell]] = [
        [
            one.where,
            one.kit_type or "every",
            one.parameter.replace("_", " "),
            ", ".join(
                plain(each.value) + (f" ({count_of(each.sites, 'site')})" if len(one.today) > 1 else "")
                for each in one.today
            )
            or "none",
            plain(one.proposed),
            f"{one.changed} of {one.sites}",
        ]
        for one in compared
    ]
    return html_table(
        "The choice beside today's settings",
        columns,
        rows,
        max_height=380,
        empty="Every parameter of the choice is what holds today.",
    )


def _next_step(one: TuneReport) -> None:
    if one.proposal is None and one.file is not None:
        st.html(
            f'<div class="rtsm-as-of">The report is <code>{escape("/".join(one.file.parts[-3:]))}</code> in RTSM_HOME. '
            "<code>rtsm resupply proposal file</code> files it as a proposal, which somebody else can sign.</div>"
        )
    elif one.proposal is not None and one.proposal.filing_reason:
        st.html(
            f'<div class="rtsm-as-of">Filed by {escape(one.proposal.filed_by)}: {escape(one.proposal.filing_reason)}</div>'
        )

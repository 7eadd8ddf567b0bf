"""The planner's page: which of its parts a reader gets, and what each part reads.

Recruitment is for every reader of its forecast; the parts that tell kit types only for those who may learn them in the whole study.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

import streamlit as st

from allocation.access.actors import Actor
from allocation.access.permissions import may
from allocation.errors import DomainRefusal, RTSMError
from allocation.home_folder import rtsm_home
from allocation.ledger.database import Database
from allocation.views.blinded.overview_models import StudyOverview
from allocation.views.unblinded.proposal_models import ComparedParameter
from allocation.views.unblinded.supply_proposals import settings_beside
from dashboards.freshness import published_datasets
from dashboards.live_pages import as_reader, header, read_overview
from dashboards.planner.calibration import show_calibration
from dashboards.planner.comparisons import kept_comparisons
from dashboards.planner.demand import basis_html, show_demand
from dashboards.planner.demand_now import forecast_now
from dashboards.planner.outlook import LEAST_WEEKS, keep_outlook, outlook_at
from dashboards.planner.recruitment import show_outlook
from dashboards.planner.thresholds import choose_report, show_report
from dashboards.planner.tune_reports import tune_reports
from dashboards.planner.what_if import show_faults, show_what_if
from forecasting.calibration.facts import Facts, facts_of
from forecasting.calibration.kept import store_of
from forecasting.calibration.scorecard import Scorecard, scorecard
from forecasting.demand.kept_tables import KeptTable, kept_tables

HEADER_SECONDS: Final = 5.0
_PERMISSIONS: Final = ("forecast.demand", "view.proposals")
_WEEKS: Final = (13, 26, 52)
_REPLICATES: Final = (200, 500, 1000)
_UNTIL_TARGET: Final = 0
_MADE: Final = "demand_made"
"""Where the name of the forecast that was just made waits for the next run of the page."""


def planner_page(database: Database, study_id: str) -> None:
    """The page. Its header refreshes itself, and with it who may look; the parts below stand until they are asked again."""

    @st.fragment(run_every=HEADER_SECONDS, key=f"planner of {study_id}")
    def live() -> None:
        as_reader(
            database,
            lambda actor: header(
                read_overview(database, actor, study_id), published_datasets(rtsm_home(), study_id)
            ),
        )

    live()
    as_reader(database, lambda actor: _parts(database, actor, study_id))


def _parts(database: Database, actor: Actor, study_id: str) -> None:
    if not may(actor, "forecast.recruitment", study_id):
        st.info("A forecast is of the whole study, and your role here reaches a part of it.")
        return
    reading = _Reading(database, actor, study_id, read_overview(database, actor, study_id))
    parts: dict[str, Callable[[_Reading], None]] = {"Recruitment": _recruitment}
    if all(may(actor, permission, study_id) for permission in _PERMISSIONS):
        parts |= {
            "Demand": _demand,
            "Thresholds": _thresholds,
            "What if": _what_if,
            "Calibration": _calibration,
        }
    chosen = "Recruitment"
    if len(parts) > 1:
        chosen = (
            st.segmented_control(
                "Part", list(parts), default="Recruitment", key="planner_part", label_visibility="collapsed"
            )
            or "Recruitment"
        )
    try:
        parts[chosen](reading)
    except DomainRefusal:
        raise
    except RTSMError as refused:
        st.error(str(refused))


class _Reading:
    """What the parts read of a study, for one reader; what takes long is kept in the process until the ledger or the store goes on."""

    def __init__(self, database: Database, actor: Actor, study_id: str, overview: StudyOverview) -> None:
        self.database, self.actor, self.study_id, self.overview = database, actor, study_id, overview
        self.home = rtsm_home()

    @property
    def key(self) -> tuple[object, ...]:
        """All that an answer depends on but what is asked."""
        return (
            self.database.engine.url.render_as_string(hide_password=True),
            self.study_id,
            self.overview.ledger_position,
            _contents(store_of(self.study_id)),
            may(self.actor, "forecast.demand", self.study_id),
        )

    def card(self) -> Scorecard:
        """The scorecard against the whole ledger."""
        return _card(self.key, self.database, self.actor, self.study_id)

    def facts(self) -> Facts:
        """What came. Unblinded."""
        return _facts(self.key, self.database, self.study_id)


@st.cache_resource(max_entries=8, show_spinner="Scoring kept forecasts …")
def _card(key: tuple[object, ...], _database: Database, _actor: Actor, study_id: str) -> Scorecard:  # noqa: ARG001
    return scorecard(_database, _actor, study_id)


@st.cache_resource(max_entries=4, show_spinner="Reading the ledger …")
def _facts(key: tuple[object, ...], _database: Database, study_id: str) -> Facts:  # noqa: ARG001
    return facts_of(_database, study_id)


def _contents(folder: Path) -> tuple[tuple[str, int], ...]:
    """The files of the store with their times: another forecast is another scorecard."""
    if not folder.is_dir():
        return ()
    with os.scandir(folder) as found:
        return tuple(sorted((one.name, one.stat().st_mtime_ns) for one in found if one.is_file()))


def _last_day(reading: _Reading) -> date:
    return reading.overview.as_of.date()


def _known_at(reading: _Reading, label: str, key: str) -> date | None:
    """The day at whose end the ledger is looked at; None for all of it."""
    days = [one.day for one in reading.overview.enrolment.screened_by_day]
    last = _last_day(reading)
    chosen = st.date_input(
        label,
        value=last,
        min_value=min(days, default=last),
        max_value=last,
        format="YYYY-MM-DD",
        key=key,
        help="A past day shows what was known at its end, beside what came since.",
    )
    return None if chosen == last or not isinstance(chosen, date) else chosen


def _recruitment(reading: _Reading) -> None:
    plan = reading.overview.enrolment.plan
    with st.container(horizontal=True, vertical_alignment="bottom", key="recruitment_question"):
        at = _known_at(reading, "As known at the end of", "recruitment_at")
        target = int(
            st.number_input("Target, subjects", 1, 1_000_000, max(plan.planned_subjects, 1), key="target")
        )
        weeks = st.selectbox(
            "Weeks ahead",
            (_UNTIL_TARGET, LEAST_WEEKS, 2 * LEAST_WEEKS, 4 * LEAST_WEEKS),
            format_func=lambda one: str(one) if one else "until the target",
            key="recruitment_weeks",
        )
        keep_it = st.button(
            "Keep for the scorecard",
            help="Kept forecasts are scored by what comes.",
            key="keep_recruitment",
        )
    outlook = outlook_at(
        reading.key, reading.database, reading.actor, reading.study_id, at, target, weeks or None
    )
    if keep_it:
        keep_outlook(outlook)
        st.toast("Kept: it is scored once its time is over.")
    show_outlook(outlook)


def _demand(reading: _Reading) -> None:
    tables = kept_tables(reading.study_id)
    with st.container(horizontal=True, vertical_alignment="bottom", key="demand_question"):
        table = _chosen_table(tables)
        at = _known_at(reading, "New forecast, as known at the end of", "demand_at")
        weeks = int(st.selectbox("Weeks ahead", _WEEKS, index=1, key="demand_weeks"))
        replicates = int(st.selectbox("Replicates", _REPLICATES, key="demand_replicates"))
        asked = st.button("Forecast now", type="primary", key="forecast_now")
    if asked:
        found = forecast_now(reading.database, reading.actor, reading.study_id, at, weeks, replicates)
        made = (found.start.census.position, found.weeks, found.replicates)
        st.session_state[_MADE] = next(
            one.file.stem
            for one in kept_tables(reading.study_id)
            if (one.ledger_position, one.weeks, one.replicates) == made
        )
        st.rerun()
    if table is None:
        st.info(
            "No forecast of this study's demand is kept yet: press the button, or run "
            f"`rtsm forecast demand --study {reading.study_id}`."
        )
        return
    st.html(basis_html(table))
    show_demand(table, table.rows(), reading.facts(), reading.card())


def _chosen_table(tables: list[KeptTable]) -> KeptTable | None:
    if not tables:
        return None
    by_name = {one.file.stem: one for one in tables}
    made = st.session_state.pop(_MADE, None)
    if made in by_name:
        st.session_state["demand_table"] = made  # the one that was just made is chosen, whatever was before

    def told(name: str) -> str:
        one = by_name[name]
        return f"{one.census}, {one.weeks} weeks, {one.replicates} replicates"

    return by_name[st.selectbox("Kept forecast", list(by_name), format_func=told, key="demand_table")]


def _thresholds(reading: _Reading) -> None:
    reports, faults = tune_reports(reading.database, reading.actor, reading.study_id, reading.home)
    show_faults(faults)
    if not reports:
        st.info(
            "No thresholds were tuned for this study yet. From its present state on: "
            f"`rtsm tune --study {reading.study_id} --risk 'missed_share<=0.001'`."
        )
        return
    in_force = reading.overview.study.version
    one = choose_report(reports, in_force)
    settings: tuple[ComparedParameter, ...] | str
    try:
        settings = settings_beside(reading.database, reading.actor, reading.study_id, one.read)
    except DomainRefusal as refused:
        settings = f"They cannot be compared: {refused.message}."
    show_report(one, settings, in_force)


def _what_if(reading: _Reading) -> None:
    comparisons, faults = kept_comparisons(reading.home, reading.study_id)
    show_faults(faults)
    if not comparisons:
        st.info(
            "No change of this study was tried yet. From its present state on: "
            f"`rtsm whatif SCENARIO --change FILE --from-study {reading.study_id}`; studies/demo-what-if.yaml is such a file."
        )
        return
    show_what_if(comparisons)


def _calibration(reading: _Reading) -> None:
    show_calibration(reading.card())

"""The pages as they are seen: each reads what its reader may see, shows it, and does so again every few seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

import streamlit as st

from allocation.access.actors import Actor
from allocation.access.permissions import reach
from allocation.errors import DomainRefusal
from allocation.home_folder import rtsm_home
from allocation.ledger.database import Database
from allocation.views.blinded.overview import study_overview
from allocation.views.blinded.overview_models import StudyOverview
from dashboards.blinded.datasets import show_datasets
from dashboards.blinded.overview import show_overview
from dashboards.freshness import PublishedDatasets, described_datasets, published_datasets
from dashboards.look import count_of, moment, number
from dashboards.session import current_actor

REFRESH_SECONDS = 2.0
DATASETS_REFRESH_SECONDS = 5.0


def overview_page(database: Database, study_id: str) -> None:
    """The overview of a study, which refreshes itself."""

    @st.fragment(run_every=REFRESH_SECONDS, key=f"overview of {study_id}")
    def live() -> None:
        as_reader(database, lambda actor: _overview(database, actor, study_id))

    live()


def datasets_page(database: Database, study_id: str) -> None:
    """The derived datasets of a study, which refreshes itself."""

    @st.fragment(run_every=DATASETS_REFRESH_SECONDS, key=f"datasets of {study_id}")
    def live() -> None:
        as_reader(database, lambda actor: _datasets(database, actor, study_id))

    live()


def as_reader(database: Database, show: Callable[[Actor], None]) -> None:
    """Show something to whoever is logged in now: a login that ended since leads back to the login page."""
    actor = current_actor(database)
    if actor is None:
        st.rerun()
    try:
        show(actor)
    except DomainRefusal as refusal:
        st.error(str(refusal))


def _overview(database: Database, actor: Actor, study_id: str) -> None:
    overview = read_overview(database, actor, study_id)
    datasets = published_datasets(rtsm_home(), study_id)
    header(overview, datasets)
    show_overview(overview, whole_study=reach(actor, "view.overview", study_id).whole_study)


def read_overview(database: Database, actor: Actor, study_id: str) -> StudyOverview:
    """The overview as of now for a study in production; else as of its last entry, since tests and trainings move the clock."""
    overview = study_overview(database, actor, study_id)
    if overview.study.mode == "production":
        return study_overview(database, actor, study_id, now=datetime.now(UTC))
    return overview


def header(overview: StudyOverview, datasets: PublishedDatasets | None) -> None:
    """The study, and how far the ledger and its datasets reach."""
    study = overview.study
    kind = " · ".join(part for part in (study.phase and f"Phase {study.phase}", study.indication) if part)
    mode = "" if study.mode == "production" else f" · {study.mode} mode"
    st.html(
        f'<div class="rtsm-title">{escape(study.study_id)} <span class="rtsm-muted">{escape(kind)}</span></div>'
        f'<div class="rtsm-subtitle">{escape(study.title)}</div>'
        f'<div class="rtsm-as-of" role="status">As of ledger position <b>{number(overview.ledger_position)}</b>, '
        f"<b>{moment(overview.as_of)}</b>{mode} · protocol version {study.version} · {datasets_line(overview, datasets)}</div>"
    )


def datasets_line(overview: StudyOverview, datasets: PublishedDatasets | None) -> str:
    """How far the derived datasets are behind the ledger, in words."""
    if datasets is None:
        return "datasets not built yet"
    behind = overview.ledger_position - datasets.position
    if behind <= 0:
        return "datasets up to date"
    return f"datasets {count_of(behind, 'entry', 'entries')} behind"


def _datasets(database: Database, actor: Actor, study_id: str) -> None:
    overview = read_overview(database, actor, study_id)
    datasets = published_datasets(rtsm_home(), study_id)
    header(overview, datasets)
    if datasets is None:
        st.info(
            "The datasets of this study have not been built yet. Dagster builds them soon after the first entry."
        )
    else:
        show_datasets(datasets.rows, described_datasets(), datasets.position, datasets.published_at)
